"""Threads of notes on jobs, on clients and on the farm."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

from hqserver.domain.note import LONGEST_NOTE

_IN = "IN (SELECT value FROM json_each(?))"


def thread_ids(connection: sqlite3.Connection) -> list[int]:
    """Ids of all threads, oldest first."""
    return [row[0] for row in connection.execute("SELECT id FROM note_thread ORDER BY id")]


def thread_exists(connection: sqlite3.Connection, thread_id: int) -> bool:
    """Whether there is such a thread."""
    return _only(connection.execute("SELECT id FROM note_thread WHERE id = ?", (thread_id,))) is not None


def thread_about(connection: sqlite3.Connection, job_id: int | None, client_id: int | None) -> int:
    """Id of the thread of this job or of this client, begun where there is none; with neither, of a new thread.

    At most one of the two may be given, and it must exist.
    """
    if job_id is None and client_id is None:
        return _new_thread(connection, None, None)
    found = _only(
        connection.execute("SELECT id FROM note_thread WHERE job_id = ? OR client_id = ?", (job_id, client_id))
    )
    return _new_thread(connection, job_id, client_id) if found is None else found


def add(connection: sqlite3.Connection, thread_id: int, at: float, text: str) -> int:
    """Append a note, written at `at` (UTC epoch seconds), to a thread; its id."""
    cursor = connection.execute("INSERT INTO note (thread_id, at, text) VALUES (?, ?, ?)", (thread_id, at, text))
    return int(cursor.lastrowid or 0)


def add_automatic(
    connection: sqlite3.Connection, job_id: int | None, client_id: int | None, text: str, at: float
) -> None:
    """Add the farm's own note about a job or a client, in the transaction that makes it true (CONTRACT 9.26).

    At most one of the two may be given, and it must exist; with neither the note begins a thread of the farm. Longer
    text than a note may have is cut. `at`: UTC epoch seconds.
    """
    add(connection, thread_about(connection, job_id, client_id), at, text[:LONGEST_NOTE])


def beside(connection: sqlite3.Connection, note_ids: Sequence[int]) -> dict[int, list[int]]:
    """Ids of all notes, oldest first, of each thread that holds any of these notes."""
    found = defaultdict(list)
    rows = connection.execute(
        f"""
        SELECT thread_id, id FROM note
        WHERE thread_id IN (SELECT thread_id FROM note WHERE id {_IN}) ORDER BY thread_id, id
        """,
        (json.dumps(note_ids),),
    )
    for thread_id, note_id in rows:
        found[thread_id].append(note_id)
    return found


def remove(connection: sqlite3.Connection, note_ids: Iterable[int]) -> None:
    """Remove notes. Their threads stay."""
    connection.execute(f"DELETE FROM note WHERE id {_IN}", (json.dumps(list(note_ids)),))


def remove_threads(connection: sqlite3.Connection, wanted: Iterable[int]) -> set[int]:
    """Remove threads with their notes; ids of those that were there."""
    rows = connection.execute(f"DELETE FROM note_thread WHERE id {_IN} RETURNING id", (json.dumps(list(wanted)),))
    return {row[0] for row in rows.fetchall()}


def newest_of_threads(connection: sqlite3.Connection, wanted: Iterable[int]) -> dict[int, sqlite3.Row]:
    """The newest note of each of these threads."""
    rows = connection.execute(
        f"SELECT * FROM note WHERE id IN (SELECT max(id) FROM note WHERE thread_id {_IN} GROUP BY thread_id)",
        (json.dumps(list(wanted)),),
    )
    return {row["thread_id"]: row for row in rows}


def newest(connection: sqlite3.Connection, most: int) -> list[sqlite3.Row]:
    """The newest notes, newest first: id, at, text, and job_id, job_name and client_id of what each is about."""
    return connection.execute(
        """
        SELECT note.id, note.at, note.text, note_thread.job_id, job.name AS job_name, note_thread.client_id
        FROM note JOIN note_thread ON note_thread.id = note.thread_id LEFT JOIN job ON job.id = note_thread.job_id
        ORDER BY note.id DESC LIMIT ?
        """,
        (most,),
    ).fetchall()


def _new_thread(connection: sqlite3.Connection, job_id: int | None, client_id: int | None) -> int:
    cursor = connection.execute("INSERT INTO note_thread (job_id, client_id) VALUES (?, ?)", (job_id, client_id))
    return int(cursor.lastrowid or 0)


def _only(cursor: sqlite3.Cursor) -> int | None:
    row = cursor.fetchone()
    return None if row is None else int(row[0])
