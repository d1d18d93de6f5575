"""`hq show`: everything about one job, for a person."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from hqclient.farm import Farm

from .conditions import spoken
from .exits import Exit
from .layout import note_lines, print_facts, print_section, section_table
from .screen import Screen, harmless
from .tables import Cell, Column
from .tree import tree_lines
from .words import ago, between, duration, local_time, tasks


def show_job(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq show`."""
    job = farm.job(args.job).refresh()
    if screen.as_json:
        screen.json(job)
        return Exit.OK
    now = farm.call("getServerTime")
    name = screen.paint(harmless(job.get("name", "")), "heading")
    status = str(job.get("uiStatus") or job["status"])
    screen.line(f"Job {job['id']}  {name}  {screen.paint(status, job['status'])}")
    print_facts(screen, _facts(screen, job, now))
    print_section(screen, "Children", tree_lines(farm, screen, job) if job.get("children") else [])
    print_section(screen, "History", _history_lines(screen, job.get("logs") or []))
    print_section(screen, "Notes", note_lines(farm, job.get("threadId")))
    return Exit.OK


def _facts(screen: Screen, job: dict[str, Any], now: datetime) -> dict[str, Any]:
    start, end = job.get("startTime"), job.get("endTime")
    took = between(start, end or now)
    eta = job.get("ETA", -1)
    return {
        "status": job.get("uiStatus") or job["status"],
        "outcome": job.get("outcome"),
        "waiting for": job.get("waitingFor"),
        "held": job.get("held"),
        "progress": screen.bar(job.get("overallProgress") or 0.0, 20),
        "tasks": tasks(job.get("tasks")),
        "time left": duration(eta) if eta is not None and eta >= 0 and not end else "",
        "description": _shortened(str(job.get("description") or "")),
        "command": _command(job.get("command")),
        **{hook: _command(command) for hook, command in (job.get("hooks") or {}).items()},
        "shell": job.get("shell"),
        "stderr": "kept apart" if job.get("splitOutput") else "",
        "environment": _pairs(job.get("environment")),
        "properties": _pairs(job.get("properties")),
        "submitted by": job.get("submittedBy"),
        "priority": job.get("priority"),
        "CPUs": "all" if job.get("cpus") == 0 else job.get("cpus"),
        "hosts": _hosts(job.get("hosts")),
        "only where": "\n".join(map(spoken, job.get("conditions") or ())),
        "tries left": job.get("triesLeft") or "",
        "longest time": duration(job["maxTime"]) if job.get("maxTime") else "",
        "tags": ", ".join(map(str, job.get("tags") or ())),
        "resources": ", ".join(f"{name} {amount}" for name, amount in (job.get("resources") or {}).items()),
        "parents": ", ".join(map(str, job.get("parents") or ())),
        "root": job.get("root") if job.get("root") != job["id"] else "",
        "clients": _client_names(job.get("clients")),
        "on hold": _client_names(job.get("clientsOnHold")),
        "blocked": _client_names(job.get("blockedClients")),
        "unconfirmed": _client_names(job.get("unconfirmed")),
        "mail": _mail(job.get("emailTo"), job.get("emailReasons")),
        "queued": ago(job.get("queueTime"), now),
        "started": ago(start, now),
        "ended": ago(end, now),
        "took" if end else "for": took,
        "uuid": job.get("uuid"),
    }


_LONGEST_TEXT, _MOST_LINES = 2_000, 20
"""Characters, and lines, of a fact that are shown on a screen. `--json` has all of it."""


def _shortened(text: str) -> str:
    """The beginning of a long text, and how to see all of it."""
    lines = text[:_LONGEST_TEXT].split("\n")[:_MOST_LINES]
    shown = "\n".join(lines)
    if shown == text:
        return text
    return f"{shown}...\n({len(text)} characters; hq show --json shows all)"


def _command(command: Any) -> str:
    if isinstance(command, dict):
        return "\n".join(f"{platform}: {_shortened(text)}" for platform, text in command.items())
    return _shortened(str(command or ""))


def _pairs(texts: Any) -> str:
    return _shortened("\n".join(f"{name}={value}" for name, value in (texts or {}).items()))


def _client_names(clients: Any) -> str:
    names = [
        str(client.get("label") or client.get("hostname")) if isinstance(client, dict) else str(client)
        for client in clients or ()
    ]
    return ", ".join(names)


def _hosts(hosts: Any) -> str:
    """`2`, `2 to 4`; "" for the usual one."""
    low, high = (hosts or {}).get("min", 1), (hosts or {}).get("max", 1)
    if high == 1:
        return ""
    return str(low) if low == high else f"{low} to {high}"


def _mail(recipients: Any, reasons: Any) -> str:
    """`ada@example.org on failed, succeeded`."""
    to, on = (each if isinstance(each, str) else ", ".join(each or ()) for each in (recipients, reasons))
    return f"{to} on {on}" if to and on else ""


def _history_lines(screen: Screen, logs: list[dict[str, Any]]) -> list[str]:
    columns = (Column("TIME"), Column("STATUS"), Column("CLIENT", rank=1), Column("", flexible=True))
    rows = [
        [
            Cell(local_time(entry.get("time")), "faint"),
            Cell(entry.get("status") or "", str(entry.get("status") or "")),
            Cell(_client_names([entry["client"]]) if entry.get("client") else ""),
            Cell(entry.get("message") or entry.get("event") or ""),
        ]
        for entry in logs
    ]
    return section_table(screen, columns, rows)
