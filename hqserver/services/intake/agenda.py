"""The work items of a job with an agenda: listed, and added to while it lives (CONTRACT 10, Work items)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from hqserver.domain.agenda import MOST_PIECES, as_agenda, make_agenda
from hqserver.domain.errors import BadParameters, Conflict, NotFound, TooLarge, near_match
from hqserver.domain.job import PROGRESS_UNIT
from hqserver.domain.status import WAITING, WorkStatus
from hqserver.domain.values import Wrong
from hqserver.services.attributes import moment
from hqserver.services.farm import Farm
from hqserver.services.work.sheet import Sheet
from hqserver.store import jobs, work
from hqserver.store.database import Transaction
from hqserver.store.jobs import JobRow
from hqserver.store.work import NewWork

MOST_LISTED = 10_000


def list_work(
    farm: Farm, job_id: int, statuses: Sequence[str] = (), limit: int = 1_000, offset: int = 0
) -> list[dict[str, Any]]:
    """A page of the job's work items in the order of the agenda, those in one of `statuses` where any are given.

    A job without an agenda has one, without a name. Raises `NotFound` and `BadParameters`.
    """
    wanted = [_status(status) for status in statuses]
    if not 1 <= limit <= MOST_LISTED:
        raise BadParameters(f"limit must be from 1 to {MOST_LISTED}, not {limit}")
    if offset < 0:
        raise BadParameters(f"offset must be 0 or more, not {offset}")
    with farm.database.read() as connection:
        job = jobs.load(connection, job_id)
        if job is None:
            raise NotFound(f"there is no job {job_id}")
        return [_shown(farm, row) for row in work.page(connection, job, wanted, limit, offset)]


def first_statuses(farm: Farm, job_id: int, limit: int) -> list[tuple[str, WorkStatus]]:
    """Names and statuses of the first pieces of a job; none for one without an agenda."""
    with farm.database.read() as connection:
        return work.statuses(connection, job_id, limit)


def _status(text: str) -> WorkStatus:
    if text == WAITING:  # as everywhere a status is taken (9.7)
        return WorkStatus.RUNNABLE
    try:
        return WorkStatus(text)
    except ValueError:
        hint = near_match(text, [each.value for each in WorkStatus])
        raise BadParameters(f"{text!r} is no status of work{hint}") from None


def _shown(farm: Farm, row: sqlite3.Row) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("name", "first", "last", "status", "tries", "triesLeft")},
        "progress": row["progress"] / PROGRESS_UNIT,
        "client": "" if row["client_id"] is None else farm.watch.label(row["client_id"]),
        "run": row["run_id"] or "",
        "startTime": moment(row["started_at"]),
        "endTime": moment(row["ended_at"]),
        "package": json.loads(row["package"]) if row["package"] else {},
    }


def add_work(farm: Farm, job_id: int, agenda: Any) -> list[str]:
    """Add pieces to the agenda of a job that has not ended, behind those it has; their names.

    `agenda` is a range or a list as in a specification. Raises `NotFound`, `BadParameters` for what is no agenda, and
    `Conflict` for a job that has ended, has no agenda, or has a piece of such a name.
    """
    try:
        given = as_agenda(agenda)
        added = make_agenda(given, order=None) if given else None
    except Wrong as problem:
        raise BadParameters(f"agenda {problem}") from None
    if added is None:
        return []

    def write(transaction: Transaction) -> list[str]:
        with Sheet(farm, transaction) as sheet:
            row = sheet.job(job_id)
            _check_takes_more(sheet, row, [piece.name for piece in added.pieces])
            status = WorkStatus.QUEUED if row.children_unfinished else WorkStatus.RUNNABLE
            behind = work.places(sheet.connection, job_id)
            sheet.add_work(
                row,
                status,
                [
                    NewWork(job_id, behind + place, status, row.tries_given, piece)
                    for piece, place in zip(added.pieces, added.places, strict=True)
                ],
            )
            sheet.note(job_id, "work added", f"{len(added.pieces)} pieces of the agenda")
        return [piece.name for piece in added.pieces]

    names = farm.database.write(write)
    farm.ask_for_pass()
    return names


def _check_takes_more(sheet: Sheet, row: JobRow, names: Sequence[str]) -> None:
    if not row.agenda:
        raise Conflict(f"job {row.id} has no agenda")
    if row.over:
        raise Conflict(f"job {row.id} is {row.status if row.finished else 'being cancelled'} and takes no more work")
    if sum(row.work.values()) + len(names) > MOST_PIECES:
        raise TooLarge(f"job {row.id} would have more than {MOST_PIECES} pieces")
    known = work.known_names(sheet.connection, row.id, names)
    if known:
        raise Conflict(f"job {row.id} has a piece {known[0]!r} already")
