"""Rows of clients. What changes every few seconds is kept in memory and written in batches (`save_vitals`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import astuple, dataclass

_COLUMNS = (
    *("id", "hostname", "name", "secret_hash", "session", "boot_id", "ip", "port", "platform", "cpus"),
    *("cpu_speed", "memory", "version", "description", "disabled", "registered_at", "heartbeat_at", "load"),
    *("idle_minutes", "memory_free", "disk_free"),
)


@dataclass(slots=True)
class ClientRow:
    """A named agent on a machine. Memory and disk are in kB, `cpu_speed` in MHz, times UTC epoch seconds."""

    id: int
    hostname: str
    name: str
    secret_hash: str
    session: str
    boot_id: str
    ip: str
    port: int
    platform: str
    cpus: int
    cpu_speed: int
    memory: int
    version: str
    description: str = ""
    disabled: int = 0
    registered_at: float = 0.0
    heartbeat_at: float = 0.0
    load: float = 0.0
    idle_minutes: int = -1
    memory_free: int = 0
    disk_free: int = 0

    @property
    def label(self) -> str:
        """`hostname`, or `hostname:name` when named (CONTRACT 1.3)."""
        return f"{self.hostname}:{self.name}" if self.name else self.hostname


def every(connection: sqlite3.Connection) -> list[ClientRow]:
    """All registered clients, oldest first."""
    return [ClientRow(*row) for row in connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM client ORDER BY id")]


def insert(connection: sqlite3.Connection, row: ClientRow) -> int:
    """Store a new client; its id. `row.id` is not used."""
    cursor = connection.execute(
        f"INSERT INTO client ({', '.join(_COLUMNS[1:])}) VALUES ({', '.join('?' * (len(_COLUMNS) - 1))})",
        astuple(row)[1:],
    )
    return int(cursor.lastrowid or 0)


def save(connection: sqlite3.Connection, row: ClientRow) -> None:
    """Write back a client."""
    connection.execute(
        f"UPDATE client SET {', '.join(f'{column} = ?' for column in _COLUMNS[1:])} WHERE id = ?",
        (*astuple(row)[1:], row.id),
    )


def save_vitals(connection: sqlite3.Connection, rows: Iterable[ClientRow]) -> None:
    """Write back what heartbeats tell, and nothing else."""
    connection.executemany(
        "UPDATE client SET heartbeat_at = ?, load = ?, idle_minutes = ?, memory_free = ?, disk_free = ? WHERE id = ?",
        [(row.heartbeat_at, row.load, row.idle_minutes, row.memory_free, row.disk_free, row.id) for row in rows],
    )
