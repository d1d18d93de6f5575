"""Threads of notes on jobs, on clients and on the farm."""

from __future__ import annotations

import sqlite3


def thread_of_job(connection: sqlite3.Connection, job_id: int) -> int | None:
    """Id of the job's thread."""
    return _only(connection.execute("SELECT id FROM note_thread WHERE job_id = ?", (job_id,)))


def thread_of_client(connection: sqlite3.Connection, client_id: int) -> int | None:
    """Id of the client's thread."""
    return _only(connection.execute("SELECT id FROM note_thread WHERE client_id = ?", (client_id,)))


def thread_exists(connection: sqlite3.Connection, thread_id: int) -> bool:
    """Whether there is such a thread."""
    return _only(connection.execute("SELECT id FROM note_thread WHERE id = ?", (thread_id,))) is not None


def new_thread(connection: sqlite3.Connection, job_id: int | None, client_id: int | None) -> int:
    """A new thread of a job, of a client or (both None) of the farm; its id."""
    cursor = connection.execute("INSERT INTO note_thread (job_id, client_id) VALUES (?, ?)", (job_id, client_id))
    return int(cursor.lastrowid or 0)


def add(connection: sqlite3.Connection, thread_id: int, at: float, text: str) -> int:
    """Append a note; its id."""
    cursor = connection.execute("INSERT INTO note (thread_id, at, text) VALUES (?, ?, ?)", (thread_id, at, text))
    return int(cursor.lastrowid or 0)


def _only(cursor: sqlite3.Cursor) -> int | None:
    row = cursor.fetchone()
    return None if row is None else int(row[0])
