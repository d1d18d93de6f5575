"""What stands on a job's row, counted from scratch: the rows an audit compares it with."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from hqserver.domain.status import FAILED_JOB, FINISHED_WORK, LIVE_RUN, WORK_ON_CLIENT, WorkStatus

from .schema import words

_WORK = f"""
SELECT status, count(*), sum(claimable), sum(progress), sum(iif(status IN ({words(FINISHED_WORK)}), 0, progress)),
    sum(ifnull(duration_ms, 0)), count(duration_ms), sum(status = 'queued' AND pending <> '')
FROM work WHERE job_id = ? GROUP BY status
"""
_FAMILY = f"""
SELECT count(*), ifnull(sum(ended_at IS NULL), 0), ifnull(sum(status IN ({words(FAILED_JOB)})), 0),
    ifnull(sum(ended_at IS NULL AND cancelled = 1), 0)
FROM family JOIN job ON job.id = child_id WHERE parent_id = ?
"""
_PRESENCE = """
WITH RECURSIVE below (id) AS (SELECT ?1 UNION SELECT child_id FROM family JOIN below ON parent_id = below.id),
counted AS (
    SELECT client_id, count(*) AS runs FROM run
    WHERE ended_at IS NULL AND job_id IN (SELECT id FROM below) GROUP BY client_id
),
stands AS (SELECT client_id, runs FROM presence WHERE job_id = ?1)
SELECT client_id FROM (SELECT * FROM counted EXCEPT SELECT * FROM stands)
UNION SELECT client_id FROM (SELECT * FROM stands EXCEPT SELECT * FROM counted)
"""
_UNOWNED = f"""
SELECT id FROM work WHERE job_id = ? AND status IN ({words(WORK_ON_CLIENT)})
AND NOT EXISTS (SELECT 1 FROM run WHERE work_id = work.id AND status IN ({words(LIVE_RUN)}))
"""


@dataclass(frozen=True, slots=True)
class WorkCount:
    """A job's work items: how many of each status, and what their rows add up to."""

    by_status: dict[WorkStatus, int]
    claimable: int
    progress: int
    progress_live: int
    durations_ms: int
    timed: int
    pending: int


def ids_after(connection: sqlite3.Connection, job_id: int, most: int) -> list[int]:
    """The next ids of jobs, in their order."""
    return [row[0] for row in connection.execute("SELECT id FROM job WHERE id > ? ORDER BY id LIMIT ?", (job_id, most))]


def count_work(connection: sqlite3.Connection, job_id: int) -> WorkCount:
    """The job's own work items, counted."""
    rows = [tuple(row) for row in connection.execute(_WORK, (job_id,))]
    by_status = dict.fromkeys(WorkStatus, 0) | {WorkStatus(row[0]): row[1] for row in rows}
    claimable, progress, live, durations, timed, pending = (sum(row[column] for row in rows) for column in range(2, 8))
    return WorkCount(by_status, claimable, progress, live, durations, timed, pending)


def count_parents(connection: sqlite3.Connection, job_id: int) -> int:
    """How many parents the job has."""
    return int(connection.execute("SELECT count(*) FROM family WHERE child_id = ?", (job_id,)).fetchone()[0])


def count_children(connection: sqlite3.Connection, job_id: int) -> tuple[int, int, int, int]:
    """How many children the job has, how many of them have not ended, how many did not succeed, and how many are
    cancelled and have not ended."""
    children, unfinished, failed, ending = connection.execute(_FAMILY, (job_id,)).fetchone()
    return children, unfinished, failed, ending


def clients_miscounted(connection: sqlite3.Connection, job_id: int) -> list[int]:
    """Clients whose live runs of the job and below are other than what stands in `presence`."""
    return [row[0] for row in connection.execute(_PRESENCE, (job_id,))]


def work_without_owner(connection: sqlite3.Connection, job_id: int) -> list[int]:
    """Work items that are on a client by their status, and that no live run holds."""
    return [row[0] for row in connection.execute(_UNOWNED, (job_id,))]
