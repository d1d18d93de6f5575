"""The queue: jobs with work to hand out, read by index from its top and never as a whole."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from .clause import EVERYTHING, Clause

_FIRST_PAGE, _LONGEST_PAGE = 2, 256
"""Most requirements serve no more than a job or two in a pass; a page is four times as long as the one before."""


PLACES_A_JOB = 2**20
"""A new job stands at its id times this, behind all that were before it and with room for those put between."""

_TOP, _BOTTOM = "queue.top", "queue.bottom"


class Queued(NamedTuple):
    """A job with work to hand out. Jobs compare as they are served: priority (negated), position, id."""

    precedence: int
    position: int
    job_id: int
    root_id: int


def requirements_waiting(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """Requirements (id, key) that some job with claimable work has. Costs by their number, not by that of jobs."""
    rows = connection.execute(
        """
        WITH RECURSIVE waiting (id) AS (
            SELECT min(requirement_id) FROM job INDEXED BY job_queue WHERE claimable > 0 AND held = '' AND capped = 0
            UNION ALL
            SELECT (
                SELECT min(requirement_id) FROM job INDEXED BY job_queue
                WHERE claimable > 0 AND held = '' AND capped = 0 AND requirement_id > waiting.id
            )
            FROM waiting WHERE waiting.id IS NOT NULL
        )
        SELECT requirement.id, requirement.key FROM waiting JOIN requirement ON requirement.id = waiting.id
        """
    )
    return [(row[0], row[1]) for row in rows]


def jobs_in_order(
    connection: sqlite3.Connection, requirement_id: int, barren: Collection[int], only: Clause = EVERYTHING
) -> Iterator[Queued]:
    """Jobs with claimable work and this requirement for which `only` holds, first to be served first, read by pages.

    `barren` may grow meanwhile: jobs of these roots are left out from the next page on.
    """
    last = (-(2**62), -(2**62), 0)
    page = _FIRST_PAGE
    while True:
        rows = connection.execute(
            f"""
            SELECT -priority, position, id, root_id FROM job INDEXED BY job_queue
            WHERE requirement_id = ? AND claimable > 0 AND held = '' AND capped = 0 AND priority <= ?
                AND (-priority, position, id) > (?, ?, ?)
                AND root_id NOT IN (SELECT value FROM json_each(?)) AND ({only.sql})
            ORDER BY priority DESC, position, id LIMIT ?
            """,
            (requirement_id, -last[0], *last, json.dumps(list(barren)), *only.values, page),
        ).fetchall()
        for row in rows:
            yield Queued(*row)
        if len(rows) < page:
            return
        last = tuple(rows[-1])[:3]
        page = min(page * 4, _LONGEST_PAGE)


def waiting_jobs(connection: sqlite3.Connection, job_ids: Iterable[int]) -> list[tuple[Queued, int, str]]:
    """Those of these jobs that have claimable work and are not held back, with requirement (id, key)."""
    rows = connection.execute(
        """
        SELECT -job.priority, job.position, job.id, job.root_id, requirement.id, requirement.key
        FROM job JOIN requirement ON requirement.id = job.requirement_id
        WHERE job.id IN (SELECT value FROM json_each(?)) AND job.claimable > 0 AND job.held = ''
        """,
        (json.dumps(list(job_ids)),),
    )
    return [(Queued(*row[:4]), row[4], row[5]) for row in rows]


def place_first(connection: sqlite3.Connection) -> int:
    """A place before all others."""
    return _remember(connection, _TOP, min(_remembered(connection, _TOP), 0) - 1)


def place_last(connection: sqlite3.Connection, next_job_id: int) -> int:
    """A place behind all others, but before the jobs that are still to come: the first of them is `next_job_id`."""
    return _remember(connection, _BOTTOM, max(_remembered(connection, _BOTTOM), (next_job_id - 1) * PLACES_A_JOB) + 1)


def _remembered(connection: sqlite3.Connection, key: str) -> int:
    row = connection.execute("SELECT value FROM farm WHERE key = ?", (key,)).fetchone()
    return int(row[0]) if row else 0


def _remember(connection: sqlite3.Connection, key: str, place: int) -> int:
    connection.execute("INSERT OR REPLACE INTO farm (key, value) VALUES (?, ?)", (key, str(place)))
    return place
