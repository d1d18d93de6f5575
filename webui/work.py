"""The pieces of a job with an agenda, as its page shows them (CONTRACT 10, Work items)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from urllib.parse import urlencode

from hqserver.domain.status import WorkStatus
from hqserver.services.farm import Farm
from hqserver.services.intake.agenda import first_statuses, list_work

from . import pieces, wording
from .looks import WORK_LOOKS

PIECES_A_PAGE = 50
MOST_CELLS = 1_000


@dataclass(frozen=True, slots=True)
class WorkCell:
    """A piece in the grid: `look` is its colour and sign, `words` its name and status."""

    look: str
    words: str


@dataclass(frozen=True, slots=True)
class WorkRow:
    """A piece in the table. `time` is the run time of its last try, `tries` how often it was run."""

    name: str
    badge: pieces.Badge
    progress: pieces.Bar
    tries: int
    client: str
    time: str


@dataclass(frozen=True, slots=True)
class WorkPanel:
    """The pieces of a job: a grid of all of them, and a page of those in one status, or of any.

    `earlier` and `later` are addresses, "" at the ends; `tabs` lead to the pieces in one status.
    """

    heading: str
    cells: Sequence[WorkCell]
    cells_more: str
    tabs: Sequence[pieces.Tab]
    rows: Sequence[WorkRow]
    earlier: str
    later: str


@dataclass(frozen=True, slots=True)
class WorkShown:
    """Which pieces the page was asked for: those in a status, "" for any, from the `offset`th on."""

    status: str = ""
    offset: int = 0


def asked_for(query: Mapping[str, str]) -> WorkShown:
    """What the query of an address asks for; what it cannot mean asks for nothing."""
    status, offset = query.get("work", ""), query.get("work_from", "")
    known = status if status in set(WorkStatus) else ""
    return WorkShown(known, int(offset) if offset.isascii() and offset.isdecimal() and len(offset) < 9 else 0)


def work_panel(farm: Farm, job: Mapping[str, Any], shown: WorkShown, now: float) -> WorkPanel | None:
    """The pieces of a job; None for one without an agenda."""
    statuses = first_statuses(farm, job["id"], MOST_CELLS)
    if not statuses:
        return None
    counts: Mapping[str, int] = job["workCounts"]
    total = sum(counts.values())
    wanted = [shown.status] if shown.status else []
    found = list_work(farm, job["id"], wanted, PIECES_A_PAGE + 1, shown.offset)
    more = len(found) > PIECES_A_PAGE
    return WorkPanel(
        heading="1 piece of work" if total == 1 else f"{wording.grouped(total)} pieces of work",
        cells=[WorkCell(WORK_LOOKS[status], f"{name}: {status}") for name, status in statuses],
        cells_more=f"and {wording.grouped(total - len(statuses))} more" if total > len(statuses) else "",
        tabs=_tabs(job["id"], counts, shown),
        rows=[_row(item, now) for item in found[:PIECES_A_PAGE]],
        earlier=_address(job["id"], shown.status, max(shown.offset - PIECES_A_PAGE, 0)) if shown.offset else "",
        later=_address(job["id"], shown.status, shown.offset + PIECES_A_PAGE) if more else "",
    )


def _tabs(job_id: int, counts: Mapping[str, int], shown: WorkShown) -> list[pieces.Tab]:
    if len(counts) < 2 and not shown.status:
        return []
    total = wording.grouped(sum(counts.values()))
    return [
        pieces.Tab("all", _address(job_id, "", 0), total, not shown.status),
        *(
            pieces.Tab(str(status), _address(job_id, status, 0), wording.grouped(number), status == shown.status)
            for status, number in counts.items()
        ),
    ]


def _address(job_id: int, status: str, offset: int) -> str:
    asked = {name: value for name, value in (("work", str(status)), ("work_from", offset)) if value}
    return f"/jobs/view/{job_id}{'?' if asked else ''}{urlencode(asked)}#work"


def _row(item: Mapping[str, Any], now: float) -> WorkRow:
    look = WORK_LOOKS[WorkStatus(item["status"])]
    started, ended = (
        None if at is None else at.replace(tzinfo=UTC).timestamp() for at in (item["startTime"], item["endTime"])
    )
    return WorkRow(
        name=item["name"],
        badge=pieces.Badge(str(item["status"]), look),
        progress=pieces.Bar(item["progress"], 1.0, f"{wording.percent(item['progress'])} %", look),
        tries=item["tries"],
        client=item["client"],
        time="" if started is None else wording.duration((ended or now) - started),
    )
