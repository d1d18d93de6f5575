"""The commands of `hq` about clients and groups of them, and their options."""

from __future__ import annotations

import argparse

from . import client, client_control, clients, groups
from .parsing import Section

_RULES_EPILOG = """\
examples:
  hq available node1                            show when it takes jobs
  hq available node1 weekdays 18:00-08:00 or weekends
  hq available node1 mon-fri idle 30            after 30 minutes without keyboard or mouse
  hq available node1 mon,wed 9:00-17:00 or off weekends
  hq available node1 always                     (or never)

A client takes jobs while one of its rules is true; "or" stands between them. Hours are those of the client's own time
zone, and past midnight belong to the day they start. "off" keeps a rule without using it.
"""


def add_commands(section: Section) -> None:
    """Looking at clients, then telling them what to do, then groups."""
    clients.add_command(section)
    _one_client(section.add("client", client.show_client, "show everything about a client"))
    _several_clients(section.add("enable", client_control.enable, "give clients jobs again"))
    _several_clients(section.add("disable", client_control.disable, "give clients no new jobs"))
    describe = section.add("describe", client_control.describe, "describe a client in your words")
    _one_client(describe)
    describe.add_argument("text", metavar="TEXT", nargs="+", help="'' for nothing")
    available = section.add(
        "available", client_control.set_availability, "show when a client takes jobs, or say when", epilog=_RULES_EPILOG
    )
    _one_client(available)
    available.add_argument("rules", metavar="RULE", nargs="*", help="when it takes jobs, in place of its rules")
    upgrade = section.add("upgrade", client_control.upgrade, "have clients fetch the server's client code")
    _several_clients(upgrade, "*")
    upgrade.add_argument("--all", action="store_true", help="every client that needs it")
    _several_clients(section.add("restart", client_control.restart, "restart clients; their jobs go on"))
    _several_clients(section.add("remove", client_control.remove, "take clients off the farm"))
    section.add("groups", groups.list_groups, "list the groups of clients")
    _add_group_actions(section.add_actions("group", "create, change or delete a group of clients"))


def _add_group_actions(actions: Section) -> None:
    create = actions.add("create", groups.create, "create a group, with clients or without")
    create.add_argument("group", metavar="GROUP")
    _several_clients(create, "*")
    delete = actions.add("delete", groups.delete, "delete groups; their clients stay")
    delete.add_argument("group", metavar="GROUP", nargs="+")
    for name, run, summary in (
        ("add", groups.add, "put clients into a group"),
        ("remove", groups.remove, "take clients out of a group"),
    ):
        parser = actions.add(name, run, summary)
        parser.add_argument("group", metavar="GROUP")
        _several_clients(parser)


def _one_client(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("client", metavar="CLIENT", help="HOST, or HOST:NAME")


def _several_clients(parser: argparse.ArgumentParser, how_many: str = "+") -> None:
    parser.add_argument("client", metavar="CLIENT", nargs=how_many, help="HOST, or HOST:NAME")
