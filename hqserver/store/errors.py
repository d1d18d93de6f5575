"""Errors of the server and of clients, the newest of each."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An error of a client, or (`client_id` None) of the server. `at` is UTC epoch seconds; `source` says in which
    part of the server, or on which client, it happened."""

    id: int
    at: float
    source: str
    message: str
    client_id: int | None


def add_of_server(connection: sqlite3.Connection, at: float, source: str, message: str) -> None:
    """Keep an error of the server."""
    connection.execute("INSERT INTO error (at, source, message) VALUES (?, ?, ?)", (at, source, message))


def add_of_client(connection: sqlite3.Connection, client_id: int, at: float, message: str) -> None:
    """Keep an error of a client under its label; nothing for a client that does not exist."""
    connection.execute(
        """
        INSERT INTO error (at, source, message, client_id)
        SELECT ?, CASE name WHEN '' THEN hostname ELSE hostname || ':' || name END, ?, id FROM client WHERE id = ?
        """,
        (at, message, client_id),
    )


def keep_newest(connection: sqlite3.Connection, client_id: int | None, most: int) -> None:
    """Forget all but the newest errors of a client, or (None) of the server."""
    connection.execute(
        """
        DELETE FROM error WHERE client_id IS ?1
        AND id <= (SELECT id FROM error WHERE client_id IS ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
        """,
        (client_id, most),
    )


def count(connection: sqlite3.Connection, client_id: int | None) -> int:
    """How many errors of a client, or (None) of the server, are kept."""
    return int(connection.execute("SELECT count(*) FROM error WHERE client_id IS ?", (client_id,)).fetchone()[0])


def newest(connection: sqlite3.Connection, client_id: int | None, most: int) -> list[ErrorRow]:
    """The newest errors of a client, or (None) of the server, newest first."""
    rows = connection.execute(
        "SELECT id, at, source, message, client_id FROM error WHERE client_id IS ? ORDER BY id DESC LIMIT ?",
        (client_id, most),
    )
    return [ErrorRow(*row) for row in rows]


def since(connection: sqlite3.Connection, error_id: int) -> list[ErrorRow]:
    """All errors that were kept after this one, of the server and of clients, oldest first. Ids only grow."""
    rows = connection.execute(
        "SELECT id, at, source, message, client_id FROM error WHERE id > ? ORDER BY id", (error_id,)
    )
    return [ErrorRow(*row) for row in rows]
