"""Rows of jobs that are removed for good, and what that changes in the rows of their children."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from hqserver.domain.status import FINISHED_JOB, JobStatus


def lose_parents(connection: sqlite3.Connection, gone: Iterable[int], at: float) -> None:
    """These jobs are about to be deleted: the children that stay are told that they have no such parent.

    Rows of those children must be loaded after this.
    """
    ids = json.dumps(list(gone))
    connection.execute(
        """
        WITH gone (id) AS (SELECT value FROM json_each(?1))
        UPDATE job SET updated_at = max(updated_at, ?2), parents = parents
            - (SELECT count(*) FROM family WHERE child_id = job.id AND parent_id IN (SELECT id FROM gone))
        WHERE id IN (SELECT child_id FROM family WHERE parent_id IN (SELECT id FROM gone))
            AND id NOT IN (SELECT id FROM gone)
        """,
        (ids, at),
    )
    connection.execute(
        "UPDATE job SET first_parent_id = NULL WHERE first_parent_id IN (SELECT value FROM json_each(?))", (ids,)
    )


def delete(connection: sqlite3.Connection, job_ids: Iterable[int]) -> None:
    """Remove the jobs and all that hangs on their rows. Children that stay have lost them before (`lose_parents`)."""
    gone = (json.dumps(list(job_ids)),)
    among = "IN (SELECT value FROM json_each(?))"
    connection.execute(f"DELETE FROM client_failure WHERE root_id {among}", gone)
    connection.execute(f"DELETE FROM job WHERE id {among}", gone)


def up_to(connection: sqlite3.Connection, last: int, after: int, most: int, most_pieces: int) -> list[int]:
    """The jobs behind `after` up to `last`, oldest first: at most so many, with about so many work items in all."""
    rows = connection.execute(
        """
        SELECT id, (SELECT count(*) FROM work WHERE job_id = job.id) FROM job
        WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
        """,
        (after, last, most),
    )
    found, pieces = list[int](), 0
    for job_id, count in rows:
        if found and pieces + count > most_pieces:
            break
        found.append(job_id)
        pieces += count
    return found


def count_up_to(connection: sqlite3.Connection, last: int) -> int:
    """How many jobs there are up to this id."""
    return int(connection.execute("SELECT count(*) FROM job WHERE id <= ?", (last,)).fetchone()[0])


def unfinished_up_to(connection: sqlite3.Connection, last: int) -> bool:
    """Whether a job up to this id has not ended."""
    unfinished = json.dumps([str(status) for status in JobStatus if status not in FINISHED_JOB])
    return bool(
        connection.execute(
            """
            SELECT EXISTS (
                SELECT 1 FROM job INDEXED BY job_status WHERE status IN (SELECT value FROM json_each(?)) AND id <= ?
            )
            """,
            (unfinished, last),
        ).fetchone()[0]
    )
