"""`hq clients`: the machines of the farm, all or by a filter, as `findClients` takes it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hqclient.farm import Farm
from hqserver.domain.runner import ASKS_ITSELF

from .conditions import kilobytes
from .exits import Exit
from .parsing import Section, count, job_id
from .screen import Screen
from .tables import Cell, Column, table_lines
from .words import between, memory

_ATTRIBS = (
    *("id", "hostname", "name", "label", "available", "disabled", "cpus", "load", "memory", "platform", "groups"),
    *("runningJobs", "lastHeartbeat", "unavailableBecause", "needsUpgrade", "wanted", "upgradeError", "outside"),
)

_COLUMNS = (
    Column("ID", right=True),
    Column("CLIENT", flexible=True),
    Column("STATUS"),
    Column("CPUS", right=True, rank=4),
    Column("LOAD", right=True, rank=5),
    Column("MEMORY", right=True, rank=2),
    Column("PLATFORM", rank=1),
    Column("HEARD", right=True, rank=3),
    Column("GROUPS", rank=6),
    Column("JOBS", rank=7),
    Column("", flexible=True, rank=8),
)

_WANTED = {"upgrade": "upgrading", "restart": "restarting", "end": "to be removed"}
"""What a client that is asked for something is doing, by attribute `wanted`."""


_IS = {
    "available": "that take jobs",
    "running": "that run something",
    "disabled": "that were disabled",
    "sick": "that are set aside, because work keeps failing there",
    "needs-upgrade": "that have other client code than the server",
}
_EPILOG = """\
examples:
  hq clients --group night --available
  hq clients --name 'node0[1-3]*' --no-running
  hq clients --platform 'linux*' --min-cpus 32 --min-memory 64GB
"""


def add_command(section: Section) -> None:
    """The command and its options."""
    summary = "list the clients of the farm, and why one takes no jobs"
    parser = section.add("clients", list_clients, summary, epilog=_EPILOG)
    parser.add_argument("--name", metavar="PATTERN", help="whose hostname or label matches a shell pattern")
    parser.add_argument("--text", metavar="TEXT", help="a part of the label or the description")
    parser.add_argument("--group", metavar="GROUP", action="append", help="in one of these groups")
    parser.add_argument("--platform", metavar="PATTERN", help="whose platform matches a shell pattern")
    parser.add_argument("--job", metavar="JOB", type=job_id, action="append", help="that run one of these jobs")
    for name, meaning in _IS.items():
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=meaning)
    parser.add_argument("--min-cpus", metavar="N", type=count, help="with so many CPUs or more")
    parser.add_argument("--min-memory", metavar="SIZE", type=_size, help="with so much memory or more, such as 64GB")


def _size(text: str) -> int:
    found = kilobytes(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 64GB")
    return found


def _filter(args: argparse.Namespace) -> dict[str, Any]:
    """The filter that the options mean."""
    found = {name: getattr(args, name) for name in ("name", "text", "group", "platform", "job")}
    for option in (*_IS, "min-cpus", "min-memory"):
        first, _, rest = option.partition("-")
        found[first + rest.capitalize()] = getattr(args, option.replace("-", "_"))
    return {key: value for key, value in found.items() if value is not None}


def list_clients(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq clients`."""
    wanted, attribs = _filter(args), None if screen.as_json else _ATTRIBS
    clients = farm.find_clients(wanted, attribs) if wanted else farm.clients(attribs)
    if screen.as_json:
        screen.json(clients)
        return Exit.OK
    if wanted and not clients:
        screen.note("no such clients")
        return Exit.OK
    if not clients:
        screen.note("no clients; start one with: hqclient --server " + farm.url)
        return Exit.OK
    now = farm.call("getServerTime")
    groups = {group["id"]: str(group["name"]) for group in farm.groups()}
    for line in table_lines(screen, _COLUMNS, [_row(client, groups, now) for client in clients]):
        screen.line(line)
    return Exit.OK


def _row(client: dict[str, Any], groups: Mapping[int, str], now: datetime) -> list[Cell]:
    running = client.get("runningJobs") or []
    jobs = ", ".join(map(str, running[:5])) + (f" and {len(running) - 5} more" if len(running) > 5 else "")
    heard = between(client.get("lastHeartbeat"), now)
    outside = bool(client.get("outside"))  # a runner, which tells no load
    return [
        Cell(client["id"]),
        Cell(client.get("label") or client.get("hostname", "")),
        status(client),
        Cell(client.get("cpus") or ""),  # 0 of a runner that did not say
        Cell("" if outside else f"{client.get('load') or 0.0:.1f}"),
        Cell(memory(client.get("memory"))),
        Cell(client.get("platform", "")),
        Cell(f"{heard} ago" if heard else "never", "faint"),
        Cell(group_names(client, groups)),
        Cell(jobs),
        Cell(remarks(client, now), "faint"),
    ]


def status(client: Mapping[str, Any]) -> Cell:
    """Whether the client is free, in a word."""
    if client.get("disabled"):
        return Cell("disabled", "faint")
    if client.get("outside") and (client.get("runningJobs") or not kept_from_work(client)):
        return Cell("runner", "running" if client.get("runningJobs") else "faint")
    if client.get("runningJobs"):
        return Cell("running", "running")
    return Cell("free", "good") if client.get("available") else Cell("unavailable", "bad")


def group_names(client: Mapping[str, Any], groups: Mapping[int, str]) -> str:
    """The names of its groups. `groups`: names by id."""
    return ", ".join(groups.get(group_id, f"group {group_id}") for group_id in client.get("groups") or ())


def kept_from_work(client: Mapping[str, Any]) -> str:
    """Why it takes no jobs, "" where it does, and of a runner that has only to ask for them."""
    because = str(client.get("unavailableBecause") or "")
    return "" if client.get("outside") and because == ASKS_ITSELF else because


def remarks(client: Mapping[str, Any], now: datetime) -> str:
    """What a runner does that asks for its work itself, why a client takes no jobs, and what is to be known of its
    code; "" for nothing. `now`: the server's time."""
    asks = ""
    if client.get("outside"):
        heard = between(client.get("lastHeartbeat"), now)
        asks = "at work" if client.get("runningJobs") else f"idle, last asked {heard} ago"
    because = "" if client.get("disabled") else kept_from_work(client)
    failed = client.get("upgradeError")
    upgrade = f"upgrade failed: {failed}" if failed else "needs upgrade" if client.get("needsUpgrade") else ""
    return "; ".join(part for part in (asks, because, _WANTED.get(client.get("wanted") or "", ""), upgrade) if part)
