"""The journal of what happened to jobs, append only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what happened (`event`), which status followed, why (`message`), and on which client."""

    job_id: int
    at: float
    event: str
    status: str
    message: str = ""
    client_id: int | None = None


def append(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    """Add lines."""
    connection.executemany(
        "INSERT INTO history (job_id, client_id, at, event, status, message) VALUES (?, ?, ?, ?, ?, ?)",
        [(entry.job_id, entry.client_id, entry.at, entry.event, entry.status, entry.message) for entry in entries],
    )
