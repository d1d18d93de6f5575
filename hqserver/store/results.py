"""What jobs' commands left as their results: JSON, one document a job."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

_IN = "IN (SELECT value FROM json_each(?))"


def put(connection: sqlite3.Connection, job_id: int, document: str) -> None:
    """Store the result of a job, in place of the one before."""
    connection.execute("INSERT OR REPLACE INTO job_result (job_id, document) VALUES (?, ?)", (job_id, document))


def forget(connection: sqlite3.Connection, job_id: int) -> None:
    """Remove the job's result, if it has one."""
    connection.execute("DELETE FROM job_result WHERE job_id = ?", (job_id,))


def load(connection: sqlite3.Connection, job_id: int) -> str | None:
    """The job's result; None without one."""
    row = connection.execute("SELECT document FROM job_result WHERE job_id = ?", (job_id,)).fetchone()
    return None if row is None else str(row[0])


def start_of(connection: sqlite3.Connection, job_id: int, most: int) -> tuple[str, int] | None:
    """At most so many characters of the job's result, and how many it has; None without one."""
    query = "SELECT substr(document, 1, ?), length(document) FROM job_result WHERE job_id = ?"
    row = connection.execute(query, (most, job_id)).fetchone()
    return None if row is None else (str(row[0]), int(row[1]))


def having(connection: sqlite3.Connection, job_ids: Iterable[int]) -> set[int]:
    """Those of these jobs that have a result."""
    rows = connection.execute(f"SELECT job_id FROM job_result WHERE job_id {_IN}", (json.dumps(list(job_ids)),))
    return {row[0] for row in rows}


def of_jobs(connection: sqlite3.Connection, job_ids: Sequence[int]) -> dict[int, str]:
    """The results of those of these jobs that have one."""
    query = f"SELECT job_id, document FROM job_result WHERE job_id {_IN}"
    return dict(connection.execute(query, (json.dumps(job_ids),)).fetchall())


def size_of(connection: sqlite3.Connection, job_ids: Sequence[int]) -> int:
    """How many characters the results of these jobs have together."""
    query = f"SELECT coalesce(sum(length(document)), 0) FROM job_result WHERE job_id {_IN}"
    return int(connection.execute(query, (json.dumps(job_ids),)).fetchone()[0])
