"""`hq clients`: the machines of the farm."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from hqclient.farm import Farm

from .exits import Exit
from .screen import Screen
from .tables import Cell, Column, table_lines
from .words import between, memory

_ATTRIBS = (
    *("id", "hostname", "name", "label", "available", "disabled", "cpus", "load", "memory", "platform"),
    *("runningJobs", "lastHeartbeat", "latestNote"),
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
    Column("JOBS", rank=6),
)


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
    for line in table_lines(screen, _COLUMNS, [_row(client, now) for client in clients]):
        screen.line(line)
    return Exit.OK


def _row(client: dict[str, Any], now: datetime) -> list[Cell]:
    running = client.get("runningJobs") or []
    jobs = ", ".join(map(str, running[:5])) + (f" and {len(running) - 5} more" if len(running) > 5 else "")
    heard = between(client.get("lastHeartbeat"), now)
    return [
        Cell(client["id"]),
        Cell(client.get("label") or client.get("hostname", "")),
        _status(client),
        Cell(client.get("cpus", "")),
        Cell(f"{client.get('load') or 0.0:.1f}"),
        Cell(memory(client.get("memory"))),
        Cell(client.get("platform", "")),
        Cell(f"{heard} ago" if heard else "never", "faint"),
        Cell(jobs),
    ]


def _status(client: dict[str, Any]) -> Cell:
    if client.get("disabled"):
        return Cell("disabled", "faint")
    if client.get("runningJobs"):
        return Cell("running", "running")
    return Cell("free", "good") if client.get("available") else Cell("unavailable", "bad")
