"""The attributes of note threads and of notes (CONTRACT 1.3)."""

from __future__ import annotations

from typing import Any

from .attributes import Attribute, Batch, column, moment


def _client(batch: Batch, key: str) -> list[str]:
    """hostname or label of the client whose thread it is, "" where it is nobody's."""
    found = []
    for row in batch.rows:
        presence = batch.farm.watch.get(row["client_id"]) if row["client_id"] is not None else None
        found.append(getattr(presence.row, key) if presence else "")
    return found


_OWNER = (
    Attribute("clientHostname", 'Host name of the client it is about, "" for none.', lambda b: _client(b, "hostname")),
    Attribute("clientId", "Id of the client it is about, or None.", column("client_id")),
    Attribute("clientLabel", 'Label of the client it is about, "" for none.', lambda b: _client(b, "label")),
    Attribute("jobId", "Id of the job it is about, or None.", column("job_id")),
)


def _notes(batch: Batch) -> list[Any]:
    raise AssertionError("notes are filled in by services.notes, which knows the attributes asked of them")


THREAD_ATTRIBUTES: dict[str, Attribute] = {
    attribute.name: attribute
    for attribute in (
        Attribute("id", "Id of the thread.", column("id")),
        *_OWNER,
        Attribute("notes", "Its notes, oldest first.", _notes, "query"),
    )
}

NOTE_ATTRIBUTES: dict[str, Attribute] = {
    attribute.name: attribute
    for attribute in (
        Attribute("id", "Id of the note.", column("id")),
        Attribute("threadId", "Id of the thread it stands in.", column("thread_id")),
        *_OWNER,
        Attribute("date", "When it was written.", column("at", moment)),
        Attribute("text", "Its text.", column("text")),
    )
}
