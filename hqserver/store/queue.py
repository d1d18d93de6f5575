"""The queue: jobs with work to hand out, read by index from its top and never as a whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator


def requirements_waiting(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Requirements (id, key) that some job with claimable work has. Costs by their number, not by that of jobs."""
    rows = connection.execute(
        """
        WITH RECURSIVE waiting (id) AS (
            SELECT min(requirement_id) FROM job INDEXED BY job_queue WHERE claimable > 0
            UNION ALL
            SELECT (
                SELECT min(requirement_id) FROM job INDEXED BY job_queue
                WHERE claimable > 0 AND requirement_id > waiting.id
            )
            FROM waiting WHERE waiting.id IS NOT NULL
        )
        SELECT requirement.id, requirement.key FROM waiting JOIN requirement ON requirement.id = waiting.id
        """
    ).fetchall()
    return iter([(row[0], row[1]) for row in rows])


def jobs_in_order(connection: sqlite3.Connection, requirement_id: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """(priority, position, id) of jobs with claimable work and this requirement, first to be served first."""
    rows = connection.execute(
        """
        SELECT priority, position, id FROM job INDEXED BY job_queue
        WHERE requirement_id = ? AND claimable > 0
        ORDER BY priority DESC, position, id LIMIT ?
        """,
        (requirement_id, limit),
    ).fetchall()
    return iter([(row[0], row[1], row[2]) for row in rows])
