"""Rows of clients.

What changes every few seconds is kept in memory and written in batches (`save_vitals`); what people set is written a
column at a time (`set_column`), so that neither ever takes back the other's news.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Literal, get_args

_COLUMNS = (
    *("id", "hostname", "name", "secret_hash", "session", "boot_id", "ip", "port", "platform", "cpus"),
    *("cpu_speed", "memory", "version", "description", "disabled", "registered_at", "heartbeat_at", "load"),
    *("idle_minutes", "memory_free", "disk_free", "removed", "availability", "utc_offset", "location"),
    *("disk_total", "upgrade_error", "wanted", "sick", "outside"),
)

_VITALS = ("heartbeat_at", "load", "idle_minutes", "memory_free", "disk_free", "utc_offset")

Settable = Literal["name", "description", "disabled", "removed", "availability", "upgrade_error", "wanted", "sick"]
"""The columns that are written one by one."""

_SET = {column: f"UPDATE client SET {column} = ? WHERE id = ?" for column in get_args(Settable)}


@dataclass(slots=True)
class ClientRow:
    """A named agent on a machine. Memory and disk are in kB, `cpu_speed` in MHz, times UTC epoch seconds.

    `availability` holds its rules as text ("" = always), `wanted` what its daemon is asked to do ("", `upgrade`,
    `restart` or `end`), `location` its daemon's folder, `upgrade_error` why its last upgrade failed, and `utc_offset`
    the minutes that its machine's zone is east of UTC.
    An `outside` one is no daemon but a runner that asks for its work itself (`claimJob`).
    A `removed` client is kept for the jobs that it ran: its `name` ends in `~id`, so that another may have its label.
    """

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
    removed: int = 0
    availability: str = ""
    utc_offset: int = 0
    location: str = ""
    disk_total: int = 0
    upgrade_error: str = ""
    wanted: str = ""
    sick: str = ""
    outside: int = 0

    @property
    def shown_name(self) -> str:
        """Its name; of a removed client the one it had."""
        return self.name.removesuffix(f"~{self.id}") if self.removed else self.name

    @property
    def label(self) -> str:
        """`hostname`, or `hostname:name` when named (CONTRACT 1.3)."""
        return f"{self.hostname}:{self.shown_name}" if self.shown_name else self.hostname


def every(connection: sqlite3.Connection) -> list[ClientRow]:
    """All clients that ever registered, removed ones too, oldest first."""
    return [ClientRow(*row) for row in connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM client ORDER BY id")]


def load(connection: sqlite3.Connection, client_id: int) -> ClientRow | None:
    """The client, None for an id that no client has."""
    row = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM client WHERE id = ?", (client_id,)).fetchone()
    return None if row is None else ClientRow(*row)


def labelled(connection: sqlite3.Connection, hostname: str, name: str) -> ClientRow | None:
    """The client with this label, None where there is none."""
    found = connection.execute("SELECT id FROM client WHERE hostname = ? AND name = ?", (hostname, name)).fetchone()
    return None if found is None else load(connection, found[0])


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


def set_column(connection: sqlite3.Connection, client_id: int, column: Settable, value: str | int) -> None:
    """Write this one column of a client."""
    connection.execute(_SET[column], (value, client_id))


def save_vitals(connection: sqlite3.Connection, rows: Iterable[ClientRow]) -> None:
    """Write back what heartbeats tell, and nothing else."""
    connection.executemany(
        f"UPDATE client SET {', '.join(f'{column} = ?' for column in _VITALS)} WHERE id = ?",
        [(*(getattr(row, column) for column in _VITALS), row.id) for row in rows],
    )
