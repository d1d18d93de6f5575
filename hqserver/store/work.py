"""Rows of work items."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from hqserver.domain.status import WorkStatus

_COLUMNS = "id, job_id, name, status, claimable, tries, losses, progress"


@dataclass(slots=True)
class WorkRow:
    """One piece of a job's command. `claimable`: dispatch may give it to a client, because it is runnable or because
    the client that holds it is lost. `progress` is in `PROGRESS_UNIT`."""

    id: int
    job_id: int
    name: str
    status: WorkStatus
    claimable: int
    tries: int
    losses: int
    progress: int


def _row(values: tuple[object, ...]) -> WorkRow:
    row = WorkRow(*values)  # type: ignore[arg-type]
    row.status = WorkStatus(row.status)
    return row


def load(connection: sqlite3.Connection, work_id: int) -> WorkRow:
    """The work item. Raises `KeyError` for an id that is not there: callers hold ids of rows that cannot go away."""
    values = connection.execute(f"SELECT {_COLUMNS} FROM work WHERE id = ?", (work_id,)).fetchone()
    if values is None:
        raise KeyError(work_id)
    return _row(values)


def claimable(connection: sqlite3.Connection, job_id: int, limit: int) -> list[WorkRow]:
    """Work items of the job that dispatch may give to a client, in their order."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM work WHERE job_id = ? AND claimable = 1 ORDER BY position LIMIT ?", (job_id, limit)
    )
    return [_row(values) for values in rows]


def insert(connection: sqlite3.Connection, rows: Iterable[tuple[int, str, int, WorkStatus, int]]) -> None:
    """Store new work items: (job id, name, position, status, tries)."""
    connection.executemany(
        "INSERT INTO work (job_id, name, position, status, claimable, tries) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (job_id, name, position, status, int(status is WorkStatus.RUNNABLE), tries)
            for job_id, name, position, status, tries in rows
        ],
    )


def save(connection: sqlite3.Connection, row: WorkRow, duration_ms: int | None) -> None:
    """Write back a work item; `duration_ms` is the run time of one that succeeded."""
    connection.execute(
        "UPDATE work SET status = ?, claimable = ?, tries = ?, losses = ?, progress = ?, duration_ms = ? WHERE id = ?",
        (row.status, row.claimable, row.tries, row.losses, row.progress, duration_ms, row.id),
    )


def move_all(connection: sqlite3.Connection, job_id: int, was: WorkStatus, now: WorkStatus) -> int:
    """Move every work item of the job that no run holds from one status to another; how many there were.

    An item with a live run is left alone: its run moves it.
    """
    return connection.execute(
        "UPDATE work SET status = ?, claimable = ? WHERE job_id = ? AND status = ?",
        (now, int(now is WorkStatus.RUNNABLE), job_id, was),
    ).rowcount


def save_progress(connection: sqlite3.Connection, work_id: int, progress: int) -> None:
    """Note how far the running command is."""
    connection.execute("UPDATE work SET progress = ? WHERE id = ?", (progress, work_id))
