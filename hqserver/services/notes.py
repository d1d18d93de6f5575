"""Notes on jobs, on clients and on the farm (CONTRACT 1.2, Notes)."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hqserver.domain.errors import BadParameters, Busy, NotFound, TooLarge
from hqserver.domain.note import note_text, plan_removal
from hqserver.store import jobs, lookup, notes
from hqserver.store.database import Transaction

from .attributes import Batch, chosen, read
from .farm import Farm
from .note_attributes import NOTE_ATTRIBUTES, THREAD_ATTRIBUTES

MOST_THREADS_COMPUTED = 10_000
"""Threads one call may name when it asks for their notes (CONTRACT 9.3)."""

_LOG = logging.getLogger(__name__)
_ALWAYS = ("id", "threadId")
"""Attributes of a note that are always answered: without them nobody could remove it or reply to it."""


@dataclass(frozen=True, slots=True)
class RecentNote:
    """A note and what it is about: a job, a client, or (both None) the farm. `at` is UTC epoch seconds."""

    id: int
    at: float
    text: str
    job_id: int | None
    job_name: str
    client_id: int | None
    client: str


def add_note(farm: Farm, text: str, thread_id: int | None, job_id: int | None, client_id: int | None) -> None:
    """Add a note to the client's thread, else to the job's, else to `thread_id`; where there is none, to a new one.

    Blank text is not stored. Raises `BadParameters` where both a job and a client are named, and `NotFound` for an id
    of a job or client that is not there, since a note about nothing helps nobody.
    """
    kept = note_text(text)
    if client_id is not None and job_id is not None:
        raise BadParameters("at most one of job_id and client_id may be given")
    if kept is None:
        return
    if client_id is not None and farm.watch.get(client_id) is None:
        raise NotFound(f"there is no client {client_id}")

    def write(transaction: Transaction) -> None:
        connection = transaction.connection
        if job_id is not None and jobs.load(connection, job_id) is None:
            raise NotFound(f"there is no job {job_id}")
        named = thread_id if job_id is None and client_id is None else None
        if named is None or not notes.thread_exists(connection, named):
            named = notes.thread_about(connection, job_id, client_id)
        notes.add(connection, named, farm.clock.now(), kept)

    farm.database.write(write)


def thread_ids(farm: Farm) -> list[int]:
    """Ids of all threads, oldest first."""
    with farm.database.read() as connection:
        return notes.thread_ids(connection)


def thread_exists(farm: Farm, thread_id: int) -> bool | None:
    """Whether there is such a thread; None where the database cannot tell (CONTRACT 1.2)."""
    try:
        with farm.database.read() as connection:
            return notes.thread_exists(connection, thread_id)
    except sqlite3.Error as problem:
        _LOG.error("whether there is a thread %d cannot be read: %s", thread_id, problem)
        return None


def note_threads(
    farm: Farm,
    thread_ids: Sequence[int] | None,
    thread_attribs: Sequence[str] | None,
    note_attribs: Sequence[str] | None,
) -> list[dict[str, Any]]:
    """Threads, all of them or these, with the attributes asked for; `note_attribs` is about the notes in them.

    A thread always has its `id`, a note its `id` and `threadId`. Raises `BadParameters` for an unknown attribute and
    `TooLarge` for the notes of too many threads.
    """
    attributes = chosen(THREAD_ATTRIBUTES, thread_attribs, ["id"])
    chosen(NOTE_ATTRIBUTES, note_attribs, _ALWAYS)  # a wrong name is refused even where there are no notes
    wants_notes = any(attribute.name == "notes" for attribute in attributes)
    if wants_notes and thread_ids is not None and len(thread_ids) > MOST_THREADS_COMPUTED:
        raise TooLarge(f"{len(thread_ids)} threads with their notes; at most {MOST_THREADS_COMPUTED} a call")
    with farm.database.read() as connection:
        rows = lookup.threads(connection, thread_ids)
        batch = Batch(farm, connection, rows)
        found = read([attribute for attribute in attributes if attribute.name != "notes"], batch)
        if wants_notes:
            by_thread = lookup.notes_of_threads(connection, batch.ids)
            for thread, row in zip(found, rows, strict=True):
                owned = [_owned(note, row) for note in by_thread.get(row["id"], [])]
                thread["notes"] = _read_notes(farm, connection, owned, note_attribs)
    return found


def latest_notes(farm: Farm, thread_ids: Sequence[int] | None, attribs: Sequence[str] | None) -> list[dict[str, Any]]:
    """The newest note of each thread, of all or of these, always with `id` and `threadId`.

    Raises `BadParameters` for an unknown attribute.
    """
    chosen(NOTE_ATTRIBUTES, attribs, _ALWAYS)
    with farm.database.read() as connection:
        rows = lookup.threads(connection, thread_ids)
        newest = notes.newest_of_threads(connection, {row["id"] for row in rows})
        owned = [_owned(newest[row["id"]], row) for row in rows if row["id"] in newest]
        return _read_notes(farm, connection, owned, attribs)


def recent_notes(farm: Farm, most: int) -> list[RecentNote]:
    """The newest notes of the whole farm, newest first. Raises `Busy` where the database cannot be read."""
    try:
        with farm.database.read() as connection:
            rows = notes.newest(connection, most)
    except sqlite3.Error as problem:
        raise Busy(f"the database cannot be read: {problem}") from problem
    return [
        RecentNote(
            id=row["id"],
            at=row["at"],
            text=row["text"],
            job_id=row["job_id"],
            job_name=row["job_name"] or "",
            client_id=row["client_id"],
            client=farm.watch.label(row["client_id"]),
        )
        for row in rows
    ]


def remove_notes(farm: Farm, note_ids: Sequence[int]) -> list[int]:
    """Remove notes, in this order; ids of those that could not be removed: unknown ones, and the first note of a
    thread that still holds others (CONTRACT 9.26). A thread whose last note goes is removed too."""

    def write(transaction: Transaction) -> list[int]:
        connection = transaction.connection
        plan = plan_removal(note_ids, notes.beside(connection, note_ids))
        notes.remove(connection, plan.notes)
        notes.remove_threads(connection, plan.emptied)
        return plan.refused

    return farm.database.write(write)


def remove_threads(farm: Farm, thread_ids: Sequence[int]) -> list[int]:
    """Remove threads and their notes; the ids that are not those of a thread."""

    def write(transaction: Transaction) -> list[int]:
        removed = notes.remove_threads(transaction.connection, thread_ids)
        return [thread_id for thread_id in dict.fromkeys(thread_ids) if thread_id not in removed]

    return farm.database.write(write)


def _owned(note: sqlite3.Row, thread: sqlite3.Row) -> dict[str, Any]:
    return {**dict(note), "job_id": thread["job_id"], "client_id": thread["client_id"]}


def _read_notes(
    farm: Farm, connection: sqlite3.Connection, owned: Sequence[Mapping[str, Any]], attribs: Sequence[str] | None
) -> list[dict[str, Any]]:
    # A batch of notes asks for no ids, so its rows may be plain mappings.
    return read(chosen(NOTE_ATTRIBUTES, attribs, _ALWAYS), Batch(farm, connection, owned))
