"""`hq show`: everything about one job, for a person."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hqclient.farm import Farm

from .exits import Exit
from .screen import Screen, harmless, shortened
from .tables import Cell, Column, table_lines
from .words import ago, between, duration, local_time, percent, tasks

MOST_TREE_LINES = 200
"""Jobs of the tree that are shown. A page of them is read by nobody; `hq list --children` has all."""

_LABEL_COLUMNS = 14
_INDENT_COLUMNS = 2
_TREE_ATTRIBS = ("id", "name", "status", "overallProgress", "children")


def show_job(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq show`."""
    job = farm.job(args.job).refresh()
    if screen.as_json:
        screen.json(job)
        return Exit.OK
    now = farm.call("getServerTime")
    name = screen.paint(harmless(job.get("name", "")), "heading")
    screen.line(f"Job {job['id']}  {name}  {screen.paint(job['status'], job['status'])}")
    for label, text in _facts(screen, job, now):
        for number, part in enumerate(_lines(text)):
            shown_label = f"{label if number == 0 else '':{_LABEL_COLUMNS}}"
            screen.line(f"  {screen.paint(shown_label, 'faint')}{part}")
    _section(screen, "Children", _tree_lines(farm, screen, job) if job.get("children") else [])
    _section(screen, "History", _history_lines(screen, job.get("logs") or []))
    _section(screen, "Notes", _note_lines(farm, job))
    return Exit.OK


def _lines(text: str) -> list[str]:
    """Text of several lines, each harmless and its tabs spelt out."""
    return [harmless(line) for line in text.expandtabs().splitlines()]


def _section(screen: Screen, heading: str, lines: list[str]) -> None:
    if lines:
        screen.line()
        screen.line(screen.paint(heading, "heading"))
        for line in lines:
            screen.line((" " * _INDENT_COLUMNS + line).rstrip())


def _facts(screen: Screen, job: dict[str, Any], now: datetime) -> Iterator[tuple[str, str]]:
    """Labels and texts, without those that say nothing."""
    start, end = job.get("startTime"), job.get("endTime")
    took = between(start, end or now)
    eta = job.get("ETA", -1)
    facts = {
        "status": job.get("uiStatus") or job["status"],
        "outcome": job.get("outcome"),
        "waiting for": job.get("waitingFor"),
        "held": job.get("held"),
        "progress": screen.bar(job.get("overallProgress") or 0.0, 20),
        "tasks": tasks(job.get("tasks")),
        "time left": duration(eta) if eta is not None and eta >= 0 and not end else "",
        "description": job.get("description"),
        "command": _command(job.get("command")),
        "shell": job.get("shell"),
        "environment": _pairs(job.get("environment")),
        "properties": _pairs(job.get("properties")),
        "submitted by": job.get("submittedBy"),
        "priority": job.get("priority"),
        "CPUs": "all" if job.get("cpus") == 0 else job.get("cpus"),
        "tries left": job.get("triesLeft") or "",
        "tags": ", ".join(map(str, job.get("tags") or ())),
        "resources": ", ".join(f"{name} {amount}" for name, amount in (job.get("resources") or {}).items()),
        "parents": ", ".join(map(str, job.get("parents") or ())),
        "root": job.get("root") if job.get("root") != job["id"] else "",
        "clients": _client_names(job.get("clients")),
        "on hold": _client_names(job.get("clientsOnHold")),
        "unconfirmed": _client_names(job.get("unconfirmed")),
        "queued": ago(job.get("queueTime"), now),
        "started": ago(start, now),
        "ended": ago(end, now),
        "took" if end else "for": took,
        "uuid": job.get("uuid"),
    }
    for label, value in facts.items():
        if value is not None and str(value).strip():
            yield label, str(value)


def _command(command: Any) -> str:
    if isinstance(command, dict):
        return "\n".join(f"{platform}: {text}" for platform, text in command.items())
    return str(command or "")


def _pairs(texts: Any) -> str:
    return "\n".join(f"{name}={value}" for name, value in (texts or {}).items())


def _client_names(clients: Any) -> str:
    names = [
        str(client.get("label") or client.get("hostname")) if isinstance(client, dict) else str(client)
        for client in clients or ()
    ]
    return ", ".join(names)


@dataclass(frozen=True, slots=True)
class _Branch:
    """A place in the tree: a job and the strokes that lead to it."""

    job_id: int
    indent: str
    last: bool


def _tree_lines(farm: Farm, screen: Screen, job: dict[str, Any]) -> list[str]:
    """The descendants as a tree. A job with several parents is spelt out below the first of them."""
    known = _descendants(farm, job)
    stem, fork, corner = ("│  ", "├─ ", "└─ ") if screen.unicode else ("|  ", "|- ", "`- ")
    lines: list[str] = []
    seen = {job["id"]}
    stack = _branches(job["children"], "")
    while stack:
        if len(lines) == MOST_TREE_LINES:
            lines.append("... (hq list --children shows every job)")
            break
        branch = stack.pop()
        strokes = branch.indent + (corner if branch.last else fork)
        child = known.get(branch.job_id)
        if child is None:
            lines.append(f"{strokes}{branch.job_id}")
            continue
        lines.append(strokes + _tree_line(screen, child, again=branch.job_id in seen))
        if branch.job_id not in seen:
            seen.add(branch.job_id)
            stack += _branches(child["children"], branch.indent + ("   " if branch.last else stem))
    return lines


def _branches(children: list[int], indent: str) -> list[_Branch]:
    """The branches of these children, the first one last, as a stack wants them."""
    return [_Branch(child, indent, child == children[-1]) for child in reversed(children)]


def _tree_line(screen: Screen, child: dict[str, Any], *, again: bool) -> str:
    status = screen.paint(child["status"], child["status"])
    name = shortened(harmless(child.get("name", "")), 60, screen.ellipsis)
    if again:
        return f"{child['id']} {name} (above)"
    progress = child.get("overallProgress") or 0.0
    return f"{child['id']} {name}  {status}" + (f" {percent(progress)}%" if 0 < progress < 1 else "")


def _descendants(farm: Farm, job: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Descendants by id, read a generation a call, as many as can be shown."""
    known: dict[int, dict[str, Any]] = {}
    wanted = list(job["children"])
    while wanted and len(known) < MOST_TREE_LINES:
        generation = farm.read_jobs(wanted[: MOST_TREE_LINES - len(known)], _TREE_ATTRIBS)
        known |= {child["id"]: child for child in generation}
        below = (grandchild for child in generation for grandchild in child["children"])
        wanted = [each for each in dict.fromkeys(below) if each not in known]
    return known


def _history_lines(screen: Screen, logs: list[dict[str, Any]]) -> list[str]:
    if not logs:
        return []
    columns = [Column("TIME"), Column("STATUS"), Column("CLIENT", rank=1), Column("", flexible=True)]
    rows = [
        [
            Cell(local_time(entry.get("time")), "faint"),
            Cell(entry.get("status") or "", str(entry.get("status") or "")),
            Cell(_client_names([entry["client"]]) if entry.get("client") else ""),
            Cell(entry.get("message") or entry.get("event") or ""),
        ]
        for entry in logs
    ]
    inside = None if screen.width is None else screen.width - _INDENT_COLUMNS
    return table_lines(replace(screen, width=inside), columns, rows)


def _note_lines(farm: Farm, job: dict[str, Any]) -> list[str]:
    if job.get("threadId") is None:
        return []
    lines: list[str] = []
    for thread in farm.call("getNoteThreads", [job["threadId"]]):
        for note in thread.get("notes", ()):
            first, *rest = _lines(str(note.get("text", ""))) or [""]
            lines.append(f"{local_time(note.get('date'))}  {first}")
            lines += [" " * 21 + line for line in rest]
    return lines
