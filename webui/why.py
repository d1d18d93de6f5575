"""Why a job waits, as its page tells it: clients folded by what keeps them, so that five hundred are readable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hqserver.domain.reason import Reason, alike
from hqserver.domain.status import JobStatus
from hqserver.services.farm import Farm
from hqserver.services.queries import explaining, overview

from .looks import Look
from .parts import client_link
from .pieces import Link
from .wording import grouped

_WAITING = (JobStatus.QUEUED, JobStatus.RUNNABLE, JobStatus.PAUSED)
_GROUPS = 12
_NAMED = 4


@dataclass(frozen=True, slots=True)
class WhyRow:
    """One requirement in a table. `who` and `clients` stand in the first row of a group, "" and () in the others;
    `look` is the sign of whether it holds."""

    who: str
    clients: Sequence[Link]
    look: Look
    requirement: str
    wanted: str
    found: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Why:
    """The reasons of a job that waits: `heading` counts the clients, `more` those that are left out."""

    heading: str
    rows: Sequence[WhyRow]
    more: str


def why(farm: Farm, job_id: int, status: str) -> Why | None:
    """Why the job waits; None for one that does not. Raises `NotFound` for one that is gone."""
    if status not in _WAITING:
        return None
    with overview.readable():
        found = explaining.explain(farm, job_id)
    rows = [_row("The job" if number == 0 else "", (), reason) for number, reason in enumerate(found.job)]
    ids = {each.client: each.client_id for each in found.clients}
    groups = alike((each.client, each.reasons) for each in found.clients)
    for group in groups[:_GROUPS]:
        count = len(group.clients)
        who = f"{grouped(count)} client{'s' * (count != 1)}"
        links = [client_link(ids[label], label) for label in group.clients[:_NAMED]]
        links += [Link("", f"and {grouped(count - _NAMED)} more")] * (count > _NAMED)
        rows += [_row("" if number else who, () if number else links, each) for number, each in enumerate(group.unmet)]
        if not group.unmet:
            rows.append(WhyRow(who, links, Look.SUCCEEDED, "", "", "would take it, in this order", ""))
    rest = sum(len(group.clients) for group in groups[_GROUPS:])
    return Why(
        heading=_heading(found.clients),
        rows=rows,
        more=f"and {grouped(rest)} clients with other reasons: hq why {job_id} --json" if rest else "",
    )


def _row(who: str, clients: Sequence[Link], reason: Reason) -> WhyRow:
    look = Look.SUCCEEDED if reason.holds else Look.FAILED
    return WhyRow(who, clients, look, reason.requirement, reason.wanted, reason.found, reason.remedy)


def _heading(clients: Sequence[explaining.ClientReasons]) -> str:
    if not clients:
        return ""
    eligible = sum(each.eligible for each in clients)
    would = "none would take it now" if not eligible else f"{grouped(eligible)} would take it now"
    return f"{grouped(len(clients))} client{'s' * (len(clients) != 1)}, {would}"
