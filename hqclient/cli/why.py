"""`hq why`: why a job does not run, for a person: the job's own reasons, then the clients by what keeps each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from hqclient.farm import Farm
from hqserver.domain.reason import Alike, Reason, alike

from .exits import Exit
from .layout import print_section
from .screen import Screen, harmless
from .words import count

_NAMED = 6
_GROUPS = 12
_REMEDIES = 10


def why(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq why`."""
    job = farm.job(args.job)
    found = job.explain()
    if screen.as_json:
        screen.json(found)
        return Exit.OK
    attributes = job.refresh("name", "status", "waitingFor")
    own = [Reason(**reason) for reason in found["job"]]
    clients = [(each["client"], [Reason(**reason) for reason in each["reasons"]]) for each in found["clients"]]
    groups = alike(clients)
    status = screen.paint(attributes["status"], attributes["status"])
    screen.line(f"Job {job.id}  {screen.paint(harmless(attributes['name']), 'heading')}  {status}")
    waits = "Waiting: " if attributes["waitingFor"] else ""
    screen.line(f"  {harmless(waits + found['summary'])}")
    print_section(screen, "The job", [_line(screen, reason) for reason in own])
    print_section(screen, _clients_heading(found["clients"]), _group_lines(screen, groups))
    print_section(screen, "What would change it", _remedies(own, groups))
    return Exit.OK


def _line(screen: Screen, reason: Reason) -> str:
    sign, style = ("ok", "good") if reason.holds else ("no", "bad")
    return f"{screen.paint(sign, style)}  {harmless(_said(reason))}"


def _said(reason: Reason) -> str:
    return f"{reason.requirement}: {reason.wanted} wanted, found {reason.found}"


def _clients_heading(clients: Sequence[Mapping[str, Any]]) -> str:
    eligible = sum(each["eligible"] for each in clients)
    return f"{count(len(clients), 'client')}, of which {eligible or 'none'} would take it now"


def _group_lines(screen: Screen, groups: Sequence[Alike]) -> list[str]:
    """Each group in a line, one more for each further reason; what keeps many clients comes first."""
    lines: list[str] = []
    width = max((len(_how_many(group)) for group in groups), default=0)
    for group in groups[:_GROUPS]:
        texts = [_said(reason) for reason in group.unmet] or ["would take it, in this order"]
        for number, text in enumerate(texts):
            head = _how_many(group) if number == 0 else ""
            lines.append(f"{head:{width}}  {harmless(text)}")
        lines.append(screen.paint(f"{'':{width}}  {harmless(_names(group))}", "faint"))
    if len(groups) > _GROUPS:
        rest = sum(len(group.clients) for group in groups[_GROUPS:])
        lines.append(f"and {count(rest, 'client')} with {len(groups) - _GROUPS} other sets of reasons: hq --json why")
    return lines


def _how_many(group: Alike) -> str:
    return count(len(group.clients), "client")


def _names(group: Alike) -> str:
    more = len(group.clients) - _NAMED
    return ", ".join(group.clients[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _remedies(own: Sequence[Reason], groups: Sequence[Alike]) -> list[str]:
    """What would change it, once for each requirement: of the job, then of the clients, the largest group first."""
    unmet = [*own, *(reason for group in groups for reason in group.unmet)]
    found: dict[tuple[str, str], str] = {}
    for reason in unmet:
        if not reason.holds and reason.remedy:
            found.setdefault((reason.requirement, reason.wanted), f"{reason.requirement}: {reason.remedy}")
    return [harmless(text) for text in list(dict.fromkeys(found.values()))[:_REMEDIES]]
