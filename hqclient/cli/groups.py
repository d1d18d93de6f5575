"""`hq groups` and `hq group`: named sets of clients that jobs can ask for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from hqclient.farm import Farm

from .client_control import named
from .exits import Exit
from .screen import Screen, harmless
from .tables import Cell, Column, table_lines
from .words import count

_COLUMNS = (Column("GROUP"), Column("COUNT", right=True), Column("CLIENTS", flexible=True))


def list_groups(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq groups`."""
    groups = farm.groups()
    if screen.as_json:
        screen.json(groups)
        return Exit.OK
    if not groups:
        screen.note("no groups; make one with: hq group create GROUP CLIENT...")
        return Exit.OK
    labels = _labels(farm)
    rows = [
        [Cell(group["name"]), Cell(len(group["clients"])), Cell(_members(group["clients"], labels))] for group in groups
    ]
    for line in table_lines(screen, _COLUMNS, rows):
        screen.line(line)
    return Exit.OK


def create(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq group create`."""
    clients = named(farm, args.client)
    group_id = farm.call("createClientGroup", args.group)
    for client in clients:
        farm.call("addClientToGroup", group_id, client["id"])
    return _tell(farm, screen, group_id)


def delete(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq group delete`. All names are looked up before the first group is deleted."""
    groups = [_group(farm, name) for name in dict.fromkeys(args.group)]
    for group in groups:
        farm.call("deleteClientGroup", group["id"])
    if screen.as_json:
        screen.json(groups)
        return Exit.OK
    for group in groups:
        screen.line(f"{harmless(group['name'])}  deleted; it had {count(len(group['clients']), 'client')}")
    return Exit.OK


def add(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq group add`."""
    return _change(farm, args, screen, "addClientToGroup")


def remove(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq group remove`."""
    return _change(farm, args, screen, "removeClientFromGroup")


def _change(farm: Farm, args: argparse.Namespace, screen: Screen, method: str) -> Exit:
    group = _group(farm, args.group)
    for client in named(farm, args.client):
        farm.call(method, group["id"], client["id"])
    return _tell(farm, screen, group["id"])


def _group(farm: Farm, name: str) -> dict[str, Any]:
    """The group of this name. Raises `NotFound`, with the near match."""
    return dict(farm.call("getClientGroupByName", name))


def _tell(farm: Farm, screen: Screen, group_id: int) -> Exit:
    """Who is in the group now."""
    group = farm.call("getClientGroup", group_id)
    if screen.as_json:
        screen.json(group)
    else:
        members = _members(group["clients"], _labels(farm)) or "no clients"
        screen.line(f"{harmless(group['name'])}  {harmless(members)}")
    return Exit.OK


def _labels(farm: Farm) -> dict[int, str]:
    return {client["id"]: str(client["label"]) for client in farm.clients(["label"])}


def _members(client_ids: Sequence[int], labels: dict[int, str]) -> str:
    return ", ".join(labels.get(client_id, f"client {client_id}") for client_id in client_ids)
