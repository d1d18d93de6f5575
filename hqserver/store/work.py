"""Rows of work items."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hqserver.domain.agenda import Piece
from hqserver.domain.job import PROGRESS_UNIT
from hqserver.domain.status import FINISHED_WORK, WorkStatus

from .jobs import JobRow
from .schema import words

_COLUMNS = (
    "id, job_id, name, status, claimable, tries, losses, progress, duration_ms, pending, pending_reason, hooks, "
    "avoid_client_id, delayed, by_hand"
)


@dataclass(slots=True)
class WorkRow:
    """One piece of a job's command. `claimable`: dispatch may give it to a client, because it is runnable or because
    the client that holds it is lost. `progress` is in `PROGRESS_UNIT`; `duration_ms` is the run time of one that
    succeeded. `pending` and `pending_reason`: what its command's run told it and why, kept while its `hooks` (a comma
    list) are still to run. `avoid_client_id`: the client that gets it last. `delayed`: runnable, but not yet
    claimable. `by_hand`: somebody marked it as done, and its run is to be killed."""

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
    by_hand: int

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


def count_lost(connection: sqlite3.Connection, job_id: int) -> int:
    """How many of the job's work items dispatch may give out though a run holds them, because its client is lost."""
    row = connection.execute(
        "SELECT count(*) FROM work INDEXED BY work_lost WHERE job_id = ? AND claimable = 1 AND status = 'running'",
        (job_id,),
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


def first_free(connection: sqlite3.Connection, job_id: int, client_id: int | None = None) -> WorkRow | None:
    """The first work item of the job whose command dispatch may give to a client, and that no lost client holds.

    With `client_id` the first that this client need not get last.
    """
    values = connection.execute(
        f"""
        SELECT {_COLUMNS} FROM work
        WHERE job_id = ? AND claimable = 1 AND status = 'runnable' AND pending = ''
            AND (? IS NULL OR avoid_client_id IS NOT ?)
        ORDER BY position LIMIT 1
        """,
        (job_id, client_id, client_id),
    ).fetchone()
    return None if values is None else _row(values)


class NewWork(NamedTuple):
    """A work item about to be stored. `place`: where it stands in the order in which its job's work is given out;
    `piece`: of the agenda, one without a name where the job has none."""

    job_id: int
    place: int
    status: WorkStatus
    tries: int
    piece: Piece
    pending: str = ""
    hooks: str = ""


def insert(connection: sqlite3.Connection, rows: Iterable[NewWork]) -> None:
    """Store new work items."""
    connection.executemany(
        """
        INSERT INTO work (
            job_id, position, status, claimable, tries, name, first, last, frames, package, pending, hooks
        ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            (
                *(new.job_id, new.place, new.status, int(new.status is WorkStatus.RUNNABLE), new.tries, new.piece.name),
                *(new.piece.first, new.piece.last, new.piece.frames),
                *(json.dumps(new.piece.package) if new.piece.package else "", new.pending, new.hooks),
            )
            for new in rows
        ),
    )


def places(connection: sqlite3.Connection, job_id: int) -> int:
    """The place behind all of the job's work items."""
    query = "SELECT coalesce(max(position) + 1, 0) FROM work WHERE job_id = ?"
    return int(connection.execute(query, (job_id,)).fetchone()[0])


def known_names(connection: sqlite3.Connection, job_id: int, names: Sequence[str]) -> list[str]:
    """Those of these names that work items of the job have."""
    query = "SELECT name FROM work WHERE job_id = ? AND name IN (SELECT value FROM json_each(?))"
    return [row[0] for row in connection.execute(query, (job_id, json.dumps(names)))]


def named(connection: sqlite3.Connection, job_id: int, names: Sequence[str]) -> list[WorkRow]:
    """The job's work items of these names."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM work WHERE job_id = ? AND name IN (SELECT value FROM json_each(?))",
        (job_id, json.dumps(names)),
    )
    return [_row(values) for values in rows]


def place(connection: sqlite3.Connection, row: WorkRow, *, first: bool) -> None:
    """Put a work item before, or behind, all others of its job."""
    end = "min(position) - 1" if first else "max(position) + 1"
    connection.execute(
        f"UPDATE work SET position = (SELECT {end} FROM work WHERE job_id = ?) WHERE id = ?", (row.job_id, row.id)
    )


def page(
    connection: sqlite3.Connection, job: JobRow, statuses: Sequence[WorkStatus], limit: int, offset: int
) -> list[sqlite3.Row]:
    """Work items of the job in the order of its agenda, those in one of `statuses` where any are given: what is kept
    of each, how often its command was run (`tries`, without what was withdrawn before it started), and the last run."""
    named = "AND name <> ''" if job.agenda else ""  # so that their index serves
    among = "AND status IN (SELECT value FROM json_each(?))" if statuses else ""
    return connection.execute(
        f"""
        WITH chosen AS (
            SELECT * FROM work WHERE job_id = ? {named} {among} ORDER BY id LIMIT ? OFFSET ?
        )
        SELECT chosen.id, name, first, last, frames, package, chosen.status, progress, chosen.tries AS triesLeft,
            (
                SELECT count(*) FROM run WHERE work_id = chosen.id AND slot = 0 AND kind = ''
                    AND NOT (started_at IS NULL AND status IN ('ejected', 'preempted', 'cancelled'))
            ) AS tries,
            run.id AS run_id, client_id, run.started_at, run.ended_at
        FROM chosen LEFT JOIN run ON run.rowid = (
            SELECT rowid FROM run WHERE work_id = chosen.id AND slot = 0 AND kind = '' ORDER BY rowid DESC LIMIT 1
        )
        ORDER BY chosen.id
        """,
        (job.id, *([json.dumps(statuses)] if statuses else []), limit, offset),
    ).fetchall()


def statuses(connection: sqlite3.Connection, job_id: int, limit: int) -> list[tuple[str, WorkStatus]]:
    """Names and statuses of the first pieces of the job's agenda."""
    rows = connection.execute(
        "SELECT name, status FROM work WHERE job_id = ? AND name <> '' ORDER BY id LIMIT ?", (job_id, limit)
    )
    return [(row[0], WorkStatus(row[1])) for row in rows]


def of_job(connection: sqlite3.Connection, job_id: int) -> list[WorkRow]:
    """All work items of the job, in their order."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM work WHERE job_id = ? ORDER BY position", (job_id,))
    return [_row(values) for values in rows]


def save(connection: sqlite3.Connection, row: WorkRow) -> None:
    """Write back a work item."""
    connection.execute(
        """
        UPDATE work SET status = ?, claimable = ?, tries = ?, losses = ?, progress = ?, duration_ms = ?, pending = ?,
            pending_reason = ?, hooks = ?, avoid_client_id = ?, delayed = ?, by_hand = ?
        WHERE id = ?
        """,
        (
            *(row.status, row.claimable, row.tries, row.losses, row.progress, row.duration_ms, row.pending),
            *(row.pending_reason, row.hooks, row.avoid_client_id, row.delayed, row.by_hand, row.id),
        ),
    )


def move_all(connection: sqlite3.Connection, job_id: int, was: WorkStatus, now: WorkStatus) -> int:
    """Move every work item of the job that no run holds from one status to another; how many there were.

    An item with a live run is left alone: its run moves it. One that ends has no hooks before it any more.
    """
    over = ", pending = '', hooks = ''" if now in FINISHED_WORK else ""
    if now is WorkStatus.SUCCEEDED:
        over += f", progress = {PROGRESS_UNIT}"
    return connection.execute(
        f"UPDATE work SET status = ?, claimable = ?, delayed = 0{over} WHERE job_id = ? AND status = ?",
        (now, int(now is WorkStatus.RUNNABLE), job_id, was),
    ).rowcount


@dataclass(frozen=True, slots=True)
class Sums:
    """What work items of one status add up to: how many, their progress, their run times and how many have one."""

    items: int
    progress: int
    durations_ms: int
    timed: int


def sums(connection: sqlite3.Connection, job_id: int, statuses: Iterable[WorkStatus]) -> dict[WorkStatus, Sums]:
    """What the job's work items in each of these statuses add up to."""
    rows = connection.execute(
        f"""
        SELECT status, count(*), sum(progress), ifnull(sum(duration_ms), 0), count(duration_ms)
        FROM work WHERE job_id = ? AND status IN ({words(statuses)}) GROUP BY status
        """,
        (job_id,),
    )
    return {WorkStatus(row[0]): Sums(*row[1:]) for row in rows}


def give_tries(connection: sqlite3.Connection, job_id: int, tries: int) -> None:
    """How often each of the job's work items that have not ended may be tried again."""
    connection.execute(
        f"UPDATE work SET tries = ? WHERE job_id = ? AND status NOT IN ({words(FINISHED_WORK)})", (tries, job_id)
    )


def reset(connection: sqlite3.Connection, job_id: int, statuses: Iterable[WorkStatus], tries: int) -> None:
    """Have the job's work items in these statuses wait as they did when they were submitted."""
    connection.execute(
        f"""
        UPDATE work SET status = 'queued', claimable = 0, delayed = 0, tries = ?, losses = 0, progress = 0,
            duration_ms = NULL, pending = '', pending_reason = '', hooks = '', avoid_client_id = NULL, by_hand = 0
        WHERE job_id = ? AND status IN ({words(statuses)})
        """,
        (tries, job_id),
    )


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
