"""Notes: remarks of people on jobs, clients and the farm."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Attribs, Id, Ids, rpc
from hqserver.services import notes
from hqserver.services.farm import Farm


class Notes:
    """Threads of notes on jobs, on clients, and on the farm as a whole."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("addNote", since="12", idempotent=False)
    def add_note(self, note_text: str, thread_id: Id | None, job_id: Id | None, client_id: Id | None) -> bool:
        """Add a note to the thread of the client or of the job, else to the thread `thread_id`.

        Where there is no such thread, or all three are None, a new one is begun. At most one of `job_id` and
        `client_id` may be given. Always True, also for blank text, which is not stored. Fault 404 for a job or client
        that does not exist.
        """
        notes.add_note(self._farm, note_text, thread_id, job_id, client_id)
        return True

    @rpc("getNoteThreads", since="12")
    def get_note_threads(
        self, thread_ids: Ids | None = None, thread_attribs: Attribs = None, note_attribs: Attribs = None
    ) -> list[dict[str, Any]]:
        """Attributes of these threads; None = all. `note_attribs` chooses the attributes of the notes within.

        `id` is always there. Threads that do not exist are left out.
        """
        return notes.note_threads(self._farm, thread_ids, thread_attribs, note_attribs)

    @rpc("getLatestNotes", since="12")
    def get_latest_notes(self, thread_ids: Ids | None = None, attribs: Attribs = None) -> list[dict[str, Any]]:
        """Attributes of the newest note of each of these threads; None = all."""
        return notes.latest_notes(self._farm, thread_ids, attribs)
