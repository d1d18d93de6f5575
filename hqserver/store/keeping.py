"""What an export reads of many jobs at once, and what only an import writes (CONTRACT 10, Keeping)."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

from hqserver.domain.kept import KeptWork
from hqserver.domain.status import WorkStatus

_IN = "IN (SELECT value FROM json_each(?))"


def with_all_below(connection: sqlite3.Connection, job_ids: Sequence[int], most: int) -> list[int]:
    """Ids of those of these jobs that exist and of all below them, oldest first; no more than `most` and one."""
    rows = connection.execute(
        f"""
        WITH RECURSIVE below (id) AS (
            SELECT id FROM job WHERE id {_IN}
            UNION SELECT child_id FROM family JOIN below ON parent_id = below.id
            LIMIT ?
        )
        SELECT id FROM below ORDER BY id
        """,
        (json.dumps(list(job_ids)), most + 1),
    )
    return [row[0] for row in rows]


def count_pieces_and_lines(connection: sqlite3.Connection, job_ids: Sequence[int]) -> tuple[int, int]:
    """How many work items these jobs have, and how many lines of history and notes."""
    ids = json.dumps(job_ids)
    row = connection.execute(
        f"""
        SELECT (SELECT count(*) FROM work WHERE job_id {_IN}), (SELECT count(*) FROM history WHERE job_id {_IN})
            + (SELECT count(*) FROM note JOIN note_thread ON note_thread.id = thread_id WHERE job_id {_IN})
        """,
        (ids, ids, ids),
    ).fetchone()
    return row[0], row[1]


def jobs_with_requirements(connection: sqlite3.Connection, job_ids: Sequence[int]) -> list[sqlite3.Row]:
    """Rows of these jobs, oldest first, each with the key of what it requires."""
    return connection.execute(
        f"""
        SELECT job.*, requirement.key AS requirement FROM job JOIN requirement ON requirement.id = requirement_id
        WHERE job.id {_IN} ORDER BY job.id
        """,
        (json.dumps(job_ids),),
    ).fetchall()


def work_of(connection: sqlite3.Connection, job_ids: Sequence[int]) -> dict[int, list[sqlite3.Row]]:
    """The work items of each of these jobs, in the order of its agenda."""
    return _by_job(connection.execute(f"SELECT * FROM work WHERE job_id {_IN} ORDER BY id", (json.dumps(job_ids),)))


def notes_of(connection: sqlite3.Connection, job_ids: Sequence[int]) -> dict[int, list[sqlite3.Row]]:
    """The notes on each of these jobs, oldest first."""
    rows = connection.execute(
        f"""
        SELECT job_id, note.at, note.text FROM note JOIN note_thread ON note_thread.id = thread_id
        WHERE job_id {_IN} ORDER BY note.id
        """,
        (json.dumps(job_ids),),
    )
    return _by_job(rows)


def _by_job(rows: Iterable[sqlite3.Row]) -> dict[int, list[sqlite3.Row]]:
    found: dict[int, list[sqlite3.Row]] = defaultdict(list)
    for row in rows:
        found[row["job_id"]].append(row)
    return found


def insert_work(connection: sqlite3.Connection, job_id: int, items: Iterable[KeptWork]) -> None:
    """Store the work items of a job as they stand; none of them is runnable, so that none can be claimed."""
    connection.executemany(
        """
        INSERT INTO work (
            job_id, position, status, claimable, tries, name, first, last, frames, package, progress, duration_ms,
            by_hand
        ) VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            (
                *(job_id, item.place, item.status, item.tries, item.piece.name, item.piece.first, item.piece.last),
                *(item.piece.frames, json.dumps(item.piece.package) if item.piece.package else ""),
                *(item.progress, item.duration_ms, int(item.by_hand and item.status is WorkStatus.SUCCEEDED)),
            )
            for item in items
        ),
    )
