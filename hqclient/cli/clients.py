"""`hq clients`: the machines of the farm."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hqclient.farm import Farm

from .exits import Exit
from .screen import Screen
from .tables import Cell, Column, table_lines
from .words import between, memory

_ATTRIBS = (
    *("id", "hostname", "name", "label", "available", "disabled", "cpus", "load", "memory", "platform", "groups"),
    *("runningJobs", "lastHeartbeat", "unavailableBecause", "needsUpgrade", "wanted", "upgradeError"),
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


def list_clients(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq clients`."""
    clients = farm.clients(None if screen.as_json else _ATTRIBS)
    if screen.as_json:
        screen.json(clients)
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
    return [
        Cell(client["id"]),
        Cell(client.get("label") or client.get("hostname", "")),
        status(client),
        Cell(client.get("cpus", "")),
        Cell(f"{client.get('load') or 0.0:.1f}"),
        Cell(memory(client.get("memory"))),
        Cell(client.get("platform", "")),
        Cell(f"{heard} ago" if heard else "never", "faint"),
        Cell(group_names(client, groups)),
        Cell(jobs),
        Cell(remarks(client), "faint"),
    ]


def status(client: Mapping[str, Any]) -> Cell:
    """Whether the client is free, in a word."""
    if client.get("disabled"):
        return Cell("disabled", "faint")
    if client.get("runningJobs"):
        return Cell("running", "running")
    return Cell("free", "good") if client.get("available") else Cell("unavailable", "bad")


def group_names(client: Mapping[str, Any], groups: Mapping[int, str]) -> str:
    """The names of its groups. `groups`: names by id."""
    return ", ".join(groups.get(group_id, f"group {group_id}") for group_id in client.get("groups") or ())


def remarks(client: Mapping[str, Any]) -> str:
    """Why it takes no jobs, and what is to be known of its code; "" for nothing."""
    because = "" if client.get("disabled") else str(client.get("unavailableBecause") or "")
    failed = client.get("upgradeError")
    upgrade = f"upgrade failed: {failed}" if failed else "needs upgrade" if client.get("needsUpgrade") else ""
    return "; ".join(part for part in (because, _WANTED.get(client.get("wanted") or "", ""), upgrade) if part)
