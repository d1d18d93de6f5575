"""Starts of work that takes some of a rate, kept for as long as they count (CONTRACT 10, Limits).

They outlive their jobs: deleting a job gives nothing back.
"""

from __future__ import annotations

import sqlite3

from hqserver.domain.resources import Amounts


def insert(connection: sqlite3.Connection, run_id: str, started: Amounts, at: float) -> None:
    """A run took these amounts at this time, UTC epoch seconds."""
    connection.executemany(
        "INSERT INTO resource_start (run_id, name, amount, at) VALUES (?, ?, ?, ?)",
        [(run_id, name, amount, at) for name, amount in started],
    )


def since(connection: sqlite3.Connection, at: float) -> list[tuple[str, float, int]]:
    """(resource, time, amount) of what was started after this time, put together by name and time."""
    return connection.execute(
        "SELECT name, at, sum(amount) FROM resource_start WHERE at > ? GROUP BY at, name", (at,)
    ).fetchall()


def span(connection: sqlite3.Connection) -> tuple[float | None, float | None]:
    """When the oldest and the newest of them was; None where there are none."""
    row = connection.execute(
        "SELECT (SELECT min(at) FROM resource_start), (SELECT max(at) FROM resource_start)"
    ).fetchone()
    return row[0], row[1]


def bring_back(connection: sqlite3.Connection, now: float) -> None:
    """Have starts that lie ahead count as of now."""
    connection.execute("UPDATE resource_start SET at = ? WHERE at > ?", (now, now))


def forget_until(connection: sqlite3.Connection, at: float) -> int:
    """Forget starts up to this time; how many those were."""
    return connection.execute("DELETE FROM resource_start WHERE at <= ?", (at,)).rowcount


def forget_run(connection: sqlite3.Connection, run_id: str) -> None:
    """The run took nothing."""
    connection.execute("DELETE FROM resource_start WHERE run_id = ?", (run_id,))
