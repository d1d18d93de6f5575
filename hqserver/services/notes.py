"""Notes on jobs, on clients and on the farm (CONTRACT 1.2, Notes)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from hqserver.domain.errors import BadParameters, NotFound
from hqserver.domain.note import note_text
from hqserver.store import jobs, lookup, notes
from hqserver.store.database import Transaction

from .attributes import Batch, chosen, read
from .farm import Farm
from .note_attributes import NOTE_ATTRIBUTES, THREAD_ATTRIBUTES


def add_note(farm: Farm, text: str, thread_id: int | None, job_id: int | None, client_id: int | None) -> None:
    """Add a note to the client's thread, else to the job's, else to `thread_id`; where there is none, to a new one.

    Blank text is not stored. Raises `BadParameters` where both a job and a client are named, `NotFound` for an id
    of a job or client that is not there.
    """
    kept = note_text(text)
    if client_id is not None and job_id is not None:
        raise BadParameters("at most one of job_id and client_id may be given")
    if client_id is not None and farm.watch.get(client_id) is None:
        raise NotFound(f"there is no client {client_id}")
    if kept is None:
        return

    def write(transaction: Transaction) -> None:
        connection = transaction.connection
        if client_id is not None:
            thread = notes.thread_of_client(connection, client_id)
        elif job_id is not None:
            if jobs.load(connection, job_id) is None:
                raise NotFound(f"there is no job {job_id}")
            thread = notes.thread_of_job(connection, job_id)
        else:
            thread = thread_id if thread_id is not None and notes.thread_exists(connection, thread_id) else None
        if thread is None:
            thread = notes.new_thread(connection, job_id, client_id)
        notes.add(connection, thread, farm.clock.now(), kept)

    farm.database.write(write)


def note_threads(
    farm: Farm,
    thread_ids: Sequence[int] | None,
    thread_attribs: Sequence[str] | None,
    note_attribs: Sequence[str] | None,
) -> list[dict[str, Any]]:
    """Threads, all of them or these, with the attributes asked for; `note_attribs` is about the notes in them."""
    attributes = chosen(THREAD_ATTRIBUTES, thread_attribs, ["id"])
    chosen(NOTE_ATTRIBUTES, note_attribs, [])  # a wrong name is refused even where there are no notes
    wants_notes = any(attribute.name == "notes" for attribute in attributes)
    with farm.database.read() as connection:
        rows = lookup.threads(connection, thread_ids)
        batch = Batch(farm, connection, rows)
        found = read([attribute for attribute in attributes if attribute.name != "notes"], batch)
        if wants_notes:
            by_thread = lookup.notes_of_threads(connection, batch.ids)
            for thread, row in zip(found, rows, strict=True):
                thread["notes"] = _read_notes(farm, connection, by_thread.get(row["id"], []), row, note_attribs)
    return found


def latest_notes(farm: Farm, thread_ids: Sequence[int] | None, attribs: Sequence[str] | None) -> list[dict[str, Any]]:
    """The newest note of each thread. Raises `BadParameters` for an unknown attribute."""
    chosen(NOTE_ATTRIBUTES, attribs, [])
    with farm.database.read() as connection:
        rows = lookup.threads(connection, thread_ids)
        by_thread = lookup.notes_of_threads(connection, [row["id"] for row in rows])
        newest = [(row, by_thread[row["id"]][-1:]) for row in rows]
        return [note for row, notes_ in newest for note in _read_notes(farm, connection, notes_, row, attribs)]


def _read_notes(
    farm: Farm,
    connection: sqlite3.Connection,
    rows: Sequence[sqlite3.Row],
    thread: sqlite3.Row,
    attribs: Sequence[str] | None,
) -> list[dict[str, Any]]:
    owned = [{**dict(row), "job_id": thread["job_id"], "client_id": thread["client_id"]} for row in rows]
    return read(chosen(NOTE_ATTRIBUTES, attribs, []), Batch(farm, connection, owned))
