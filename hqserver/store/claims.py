"""Runs that runners from outside have claimed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from hqserver.domain.status import RunStatus


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A run of a runner from outside. `lease` is in seconds, `reason` why it ended; `ended_at` None while it lives;
    `by_hand`: somebody marked its work as done."""

    run_id: str
    job_id: int
    client_id: int
    status: RunStatus
    intent: str
    lease: int
    by_hand: int
    reason: str
    ended_at: float | None


_SELECT = """
    SELECT run.id, run.job_id, run.client_id, run.status, run.intent, run.lease, work.by_hand,
           coalesce(run.reason, ''), run.ended_at
    FROM run JOIN client ON client.id = run.client_id AND client.outside = 1 JOIN work ON work.id = run.work_id
"""


def load(connection: sqlite3.Connection, run_id: str) -> ClaimRow | None:
    """The claim, None where no runner from outside has such a run."""
    found = connection.execute(f"{_SELECT} WHERE run.id = ?", (run_id,)).fetchone()
    return None if found is None else _row(found)


def live_of_job(connection: sqlite3.Connection, job_id: int) -> list[ClaimRow]:
    """The claims on work of the job that have not ended."""
    rows = connection.execute(f"{_SELECT} WHERE run.job_id = ? AND run.ended_at IS NULL", (job_id,))
    return [_row(values) for values in rows]


def last_of_job(connection: sqlite3.Connection, job_id: int) -> ClaimRow | None:
    """The newest claim on work of the job."""
    query = f"{_SELECT} WHERE run.job_id = ? ORDER BY run.rowid DESC LIMIT 1"
    found = connection.execute(query, (job_id,)).fetchone()
    return None if found is None else _row(found)


def set_lease(connection: sqlite3.Connection, run_id: str, seconds: int) -> None:
    """For how long the claim lasts from its renewal on."""
    connection.execute("UPDATE run SET lease = ? WHERE id = ? AND ended_at IS NULL", (seconds, run_id))


def _row(values: tuple[object, ...]) -> ClaimRow:
    run_id, job_id, client_id, status, *rest = values
    return ClaimRow(run_id, job_id, client_id, RunStatus(status), *rest)  # type: ignore[arg-type]
