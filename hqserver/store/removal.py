"""Rows of jobs that are removed for good, and what that changes in the rows of their children."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable


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
