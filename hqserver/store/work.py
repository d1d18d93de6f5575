"""Rows of work items."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from hqserver.domain.status import FINISHED_WORK, WorkStatus

_COLUMNS = (
    "id, job_id, name, status, claimable, tries, losses, progress, duration_ms, pending, pending_reason, hooks, "
    "avoid_client_id, delayed"
)


@dataclass(slots=True)
class WorkRow:
    """One piece of a job's command. `claimable`: dispatch may give it to a client, because it is runnable or because
    the client that holds it is lost. `progress` is in `PROGRESS_UNIT`; `duration_ms` is the run time of one that
    succeeded. `pending` and `pending_reason`: what its command's run told it and why, kept while its `hooks` (a comma
    list) are still to run. `avoid_client_id`: the client that gets it last. `delayed`: runnable, but not yet
    claimable."""

    id: int
    job_id: int
    name: str
    status: WorkStatus
    claimable: int
    tries: int
    losses: int
    progress: int
    duration_ms: int | None
    pending: str
    pending_reason: str
    hooks: str
    avoid_client_id: int | None
    delayed: int

    @property
    def hooks_left(self) -> tuple[str, ...]:
        """The hooks that are still to run, in their order."""
        return tuple(self.hooks.split(",")) if self.hooks else ()


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


def find(connection: sqlite3.Connection, work_id: int) -> WorkRow | None:
    """The work item, None where it is gone."""
    values = connection.execute(f"SELECT {_COLUMNS} FROM work WHERE id = ?", (work_id,)).fetchone()
    return None if values is None else _row(values)


def delayed(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """The work items that are put back for a while: (id, id of the last run)."""
    return connection.execute(
        """
        SELECT id, (SELECT run.id FROM run WHERE work_id = work.id ORDER BY run.rowid DESC LIMIT 1)
        FROM work INDEXED BY work_delayed WHERE delayed = 1
        """
    ).fetchall()


def count_claimable(connection: sqlite3.Connection, job_id: int, status: WorkStatus) -> int:
    """How many of the job's work items in this status dispatch may give out."""
    row = connection.execute(
        "SELECT count(*) FROM work WHERE job_id = ? AND status = ? AND claimable = 1", (job_id, status)
    ).fetchone()
    return int(row[0])


def waiting_for_hooks(connection: sqlite3.Connection) -> list[int]:
    """Ids of the work items of which nothing but hooks is left, and which no client runs though it may."""
    rows = connection.execute(
        """
        SELECT work.id FROM work INDEXED BY work_pending JOIN job ON job.id = job_id
        WHERE work.pending <> '' AND work.status = 'runnable' AND held = ''
        """
    )
    return [row[0] for row in rows]


def claimable(connection: sqlite3.Connection, job_id: int, limit: int) -> list[WorkRow]:
    """Work items of the job that dispatch may give to a client, in their order."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM work WHERE job_id = ? AND claimable = 1 ORDER BY position LIMIT ?", (job_id, limit)
    )
    return [_row(values) for values in rows]


def insert(connection: sqlite3.Connection, rows: Iterable[tuple[int, str, int, WorkStatus, int, str, str]]) -> None:
    """Store new work items: (job id, name, position, status, tries, pending, hooks)."""
    connection.executemany(
        """
        INSERT INTO work (job_id, name, position, status, claimable, tries, pending, hooks)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            (job_id, name, position, status, int(status is WorkStatus.RUNNABLE), tries, pending, hooks)
            for job_id, name, position, status, tries, pending, hooks in rows
        ],
    )


def of_job(connection: sqlite3.Connection, job_id: int) -> list[WorkRow]:
    """All work items of the job, in their order."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM work WHERE job_id = ? ORDER BY position", (job_id,))
    return [_row(values) for values in rows]


def save(connection: sqlite3.Connection, row: WorkRow) -> None:
    """Write back a work item."""
    connection.execute(
        """
        UPDATE work SET status = ?, claimable = ?, tries = ?, losses = ?, progress = ?, duration_ms = ?, pending = ?,
            pending_reason = ?, hooks = ?, avoid_client_id = ?, delayed = ?
        WHERE id = ?
        """,
        (
            *(row.status, row.claimable, row.tries, row.losses, row.progress, row.duration_ms, row.pending),
            *(row.pending_reason, row.hooks, row.avoid_client_id, row.delayed, row.id),
        ),
    )


def move_all(connection: sqlite3.Connection, job_id: int, was: WorkStatus, now: WorkStatus) -> int:
    """Move every work item of the job that no run holds from one status to another; how many there were.

    An item with a live run is left alone: its run moves it. One that ends has no hooks before it any more.
    """
    over = ", pending = '', hooks = ''" if now in FINISHED_WORK else ""
    return connection.execute(
        f"UPDATE work SET status = ?, claimable = ?, delayed = 0{over} WHERE job_id = ? AND status = ?",
        (now, int(now is WorkStatus.RUNNABLE), job_id, was),
    ).rowcount


def progress_of(connection: sqlite3.Connection, job_id: int, status: WorkStatus) -> int:
    """Sum of the progress of the job's work items in this status, in `PROGRESS_UNIT`."""
    query = "SELECT coalesce(sum(progress), 0) FROM work WHERE job_id = ? AND status = ?"
    return int(connection.execute(query, (job_id, status)).fetchone()[0])


def count_pending(connection: sqlite3.Connection, job_id: int) -> int:
    """How many of the job's work items wait for its children though their command has ended."""
    query = "SELECT count(*) FROM work WHERE job_id = ? AND status = 'queued' AND pending <> ''"
    return int(connection.execute(query, (job_id,)).fetchone()[0])


def save_progress(connection: sqlite3.Connection, work_id: int, progress: int) -> None:
    """Note how far the running command is."""
    connection.execute("UPDATE work SET progress = ? WHERE id = ?", (progress, work_id))
