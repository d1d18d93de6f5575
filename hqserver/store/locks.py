"""Rows of locks, those whose lease is over included until they are forgotten."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

_COLUMNS = "name, owner, token, seconds, acquired_at, ends"


@dataclass(frozen=True, slots=True)
class LockRow:
    """A lock. `token`: 32 hexadecimal digits, another each time it is acquired. `seconds`: its lease; `ends`: when that
    is over, by the monotonic clock of the server that runs. `acquired_at`: UTC epoch seconds."""

    name: str
    owner: str
    token: str
    seconds: float
    acquired_at: float
    ends: float


def load(connection: sqlite3.Connection, name: str) -> LockRow | None:
    """The lock of this name."""
    values = connection.execute(f"SELECT {_COLUMNS} FROM lock WHERE name = ?", (name,)).fetchone()
    return None if values is None else LockRow(*values)


def every(connection: sqlite3.Connection) -> list[LockRow]:
    """All locks, by name."""
    return [LockRow(*values) for values in connection.execute(f"SELECT {_COLUMNS} FROM lock ORDER BY name")]


def named(connection: sqlite3.Connection, names: Iterable[str]) -> list[LockRow]:
    """Those of these names, by name."""
    query = f"SELECT {_COLUMNS} FROM lock WHERE name IN (SELECT value FROM json_each(?)) ORDER BY name"
    return [LockRow(*values) for values in connection.execute(query, (json.dumps(list(names)),))]


def count(connection: sqlite3.Connection) -> int:
    """How many there are."""
    return int(connection.execute("SELECT count(*) FROM lock").fetchone()[0])


def put(connection: sqlite3.Connection, row: LockRow) -> None:
    """Store a lock in place of what is known of that name."""
    connection.execute(
        f"INSERT OR REPLACE INTO lock ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
        (row.name, row.owner, row.token, row.seconds, row.acquired_at, row.ends),
    )


def delete(connection: sqlite3.Connection, name: str) -> None:
    """Remove the lock."""
    connection.execute("DELETE FROM lock WHERE name = ?", (name,))


def are_any(connection: sqlite3.Connection, ended_by: float) -> bool:
    """Whether there are locks whose lease is over by then."""
    return connection.execute("SELECT 1 FROM lock WHERE ends <= ? LIMIT 1", (ended_by,)).fetchone() is not None


def forget(connection: sqlite3.Connection, ended_by: float) -> None:
    """Remove the locks whose lease is over by then."""
    connection.execute("DELETE FROM lock WHERE ends <= ?", (ended_by,))


def begin_leases(connection: sqlite3.Connection, now: float) -> None:
    """The lease of every lock begins anew, now by the monotonic clock."""
    connection.execute("UPDATE lock SET ends = ? + seconds", (now,))
