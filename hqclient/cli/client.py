"""`hq client`: everything about one client, for a person."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from hqclient.availability import spoken
from hqclient.farm import Farm

from .client_control import named
from .clients import group_names, remarks, status
from .exits import Exit
from .layout import note_lines, print_facts, print_section, section_table
from .screen import Screen, harmless
from .tables import Cell, Column
from .words import ago, between, local_time, memory, utc_offset

LAST_JOBS = 10
"""Jobs of its history that are shown."""

_JOB_ATTRIBS = ("id", "name", "status", "submittedBy", "startTime", "endTime")
_JOB_COLUMNS = (
    Column("ID", right=True),
    Column("NAME", flexible=True),
    Column("STATUS"),
    Column("BY", rank=1),
    Column("ENDED", rank=2),
)
_ERROR_COLUMNS = (Column("TIME"), Column("", flexible=True))


def show_client(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq client`. For programs its attributes, and `errors` and `history` besides."""
    (found,) = named(farm, [args.client])
    client = farm.call("getClient", found["id"])
    errors = farm.call("getClientErrors", client["id"]).get("errors", [])
    history = farm.call("getJobHistory", client["id"], LAST_JOBS)
    if screen.as_json:
        screen.json({**client, "errors": errors, "history": history})
        return Exit.OK
    now = farm.call("getServerTime")
    label, word = screen.paint(harmless(client["label"]), "heading"), status(client)
    screen.line(f"Client {client['id']}  {label}  {screen.paint(str(word.text), word.style)}")
    groups = {group["id"]: str(group["name"]) for group in farm.groups()}
    print_facts(screen, _facts(client, group_names(client, groups), now))
    print_section(screen, "Jobs", _jobs(farm, screen, [*client["runningJobs"], *history]))
    print_section(screen, "Errors", _errors(screen, errors))
    print_section(screen, "Notes", note_lines(farm, client["threadId"]))
    return Exit.OK


def _facts(client: dict[str, Any], groups: str, now: datetime) -> dict[str, Any]:
    idle = client["idleTime"]
    disk = " free of ".join(filter(None, (memory(client["diskFree"]), memory(client["diskTotal"]))))
    ram = " free of ".join(filter(None, (memory(client["memoryFree"]), memory(client["memory"]))))
    speed = f", {client['cpuSpeed']} MHz" if client["cpuSpeed"] else ""
    return {
        "remarks": remarks(client, now),
        "description": client["description"],
        "groups": groups,
        "available": spoken(client["availabilityRules"]),
        "its time": utc_offset(client["utcOffset"]),
        "user idle": "" if idle < 0 else f"{idle} m",
        "heard": ago(client["lastHeartbeat"], now) or "never",
        "platform": client["platform"],
        "address": client["ip"],
        "listens on": client["port"] or "",
        "CPUs": f"{client['cpus']}{speed}" if client["cpus"] else "",
        "load": "" if client["outside"] else f"{client['load']:.1f}",
        "memory": ram,
        "disk": disk,
        "runs kept in": client["location"],
        "code": client["version"],
    }


def _jobs(farm: Farm, screen: Screen, job_ids: list[int]) -> list[str]:
    """What it runs, then what it last ran."""
    found = farm.read_jobs(list(dict.fromkeys(job_ids)), _JOB_ATTRIBS) if job_ids else []
    rows = [
        [
            Cell(job["id"]),
            Cell(job["name"]),
            Cell(job["status"], job["status"]),
            Cell(job["submittedBy"] or ""),
            Cell(_ended(job), "faint"),
        ]
        for job in found
    ]
    return section_table(screen, _JOB_COLUMNS, rows)


def _ended(job: dict[str, Any]) -> str:
    took = between(job["startTime"], job["endTime"])
    return local_time(job["endTime"]) + (f" ({took})" if took else "")


def _errors(screen: Screen, errors: list[dict[str, Any]]) -> list[str]:
    rows = [[Cell(local_time(error["time"]), "faint"), Cell(error["message"])] for error in errors]
    return section_table(screen, _ERROR_COLUMNS, rows)
