"""The journal of what happened to jobs, append only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple


class Entry(NamedTuple):
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
        f"INSERT INTO history ({', '.join(Entry._fields)}) VALUES ({', '.join('?' * len(Entry._fields))})", entries
    )
