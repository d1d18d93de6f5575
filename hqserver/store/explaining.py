"""What is read only to say why a job waits: bounded, and by index, however many jobs the farm has had."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from hqserver.domain.status import LIVE_RUN

from .schema import words

MOST_KINDS = 1000
"""Requirements of waiting jobs that are looked at, and jobs of each that are counted."""

_CHILDREN_READ = 5000
_LIVE = words(LIVE_RUN)


class Kind(NamedTuple):
    """Waiting jobs that require the same: how many of them, counted no further than `MOST_KINDS`."""

    requirement_id: int
    key: str
    jobs: int


def kinds_before(connection: sqlite3.Connection, priority: int, position: int, job_id: int) -> list[Kind]:
    """Jobs in the queue that are served before one of this priority, position and id."""
    rows = connection.execute(
        """
        WITH RECURSIVE waiting (id) AS (
            SELECT min(requirement_id) FROM job INDEXED BY job_queue WHERE claimable > 0 AND held = '' AND capped = 0
            UNION ALL
            SELECT (
                SELECT min(requirement_id) FROM job INDEXED BY job_queue
                WHERE claimable > 0 AND held = '' AND capped = 0 AND requirement_id > waiting.id
            )
            FROM waiting WHERE waiting.id IS NOT NULL LIMIT :most
        )
        SELECT requirement.id, requirement.key, (
            SELECT count(*) FROM (
                SELECT 1 FROM job INDEXED BY job_queue
                WHERE requirement_id = requirement.id AND claimable > 0 AND held = '' AND capped = 0
                    AND priority >= :priority AND (-priority, position, id) < (-:priority, :position, :job_id)
                LIMIT :most
            )
        )
        FROM waiting JOIN requirement ON requirement.id = waiting.id
        """,
        {"most": MOST_KINDS, "priority": priority, "position": position, "job_id": job_id},
    )
    return [kind for row in rows if (kind := Kind(*row)).jobs]


def unfinished_children(connection: sqlite3.Connection, job_id: int, limit: int) -> list[tuple[int, str]]:
    """(id, status) of the oldest unfinished ones among the job's newest children."""
    return connection.execute(
        """
        SELECT job.id, job.status FROM (
            SELECT child_id FROM family WHERE parent_id = ? ORDER BY child_id DESC LIMIT ?
        ) JOIN job ON job.id = child_id WHERE job.ended_at IS NULL ORDER BY job.id LIMIT ?
        """,
        (job_id, _CHILDREN_READ, limit),
    ).fetchall()


def clients_at_work(connection: sqlite3.Connection, job_id: int) -> list[int]:
    """Ids of the clients that are at work for the job and those below it."""
    rows = connection.execute("SELECT client_id FROM presence WHERE job_id = ? ORDER BY client_id", (job_id,))
    return [row[0] for row in rows]


def resource_users(connection: sqlite3.Connection) -> list[tuple[int, int, str]]:
    """(job id, client id, resources) of the live runs that take up counted resources, the oldest job first."""
    return connection.execute(
        f"""
        SELECT job_id, client_id, resources FROM run INDEXED BY run_sharing
        WHERE status IN ({_LIVE}) AND (sharing <> '' OR resources <> '') AND resources <> '' ORDER BY job_id, client_id
        """
    ).fetchall()
