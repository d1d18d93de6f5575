"""Notes: remarks of people, and of the farm itself, on jobs, clients and the farm."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Attribs, Id, Ids, rpc
from hqserver.services import notes
from hqserver.services.farm import Farm


class Notes:
    """Threads of notes on jobs, on clients, and on the farm as a whole.

    The farm adds notes of its own to jobs that failed, were abandoned or are blocked. The newest notes are also an Atom
    feed, at `/notes.atom`.
    """

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("addNote", since="12", idempotent=False)
    def add_note(self, note_text: str, thread_id: Id | None, job_id: Id | None, client_id: Id | None) -> bool:
        """Add a note to the thread of the client or of the job, else to the thread `thread_id`.

        Where there is no such thread, or all three are None, a new one is begun. At most one of `job_id` and
        `client_id` may be given. Always True, also for blank text, which is not stored. Fault 404 for a job or client
        that does not exist, since a note about nothing helps nobody.
        """
        notes.add_note(self._farm, note_text, thread_id, job_id, client_id)
        return True

    @rpc("getNoteThreadIds", since="12")
    def get_note_thread_ids(self) -> list[int]:
        """Ids of all threads, oldest first."""
        return notes.thread_ids(self._farm)

    @rpc("threadExists", since="12")
    def thread_exists(self, thread_id: Id) -> bool | None:
        """Whether there is such a thread; None where the server cannot tell because its database fails."""
        return notes.thread_exists(self._farm, thread_id)

    @rpc("getNoteThreads", since="12")
    def get_note_threads(
        self, thread_ids: Ids | None = None, thread_attribs: Attribs = None, note_attribs: Attribs = None
    ) -> list[dict[str, Any]]:
        """Attributes of these threads; None = all. `note_attribs` chooses the attributes of the notes within.

        A thread's `id`, and a note's `id` and `threadId`, are always there. Threads that do not exist are left out.
        Fault -32602 names an attribute that does not exist; fault 413 for the notes of more than 10,000 threads named
        in one call.
        """
        return notes.note_threads(self._farm, thread_ids, thread_attribs, note_attribs)

    @rpc("getLatestNotes", since="12")
    def get_latest_notes(self, thread_ids: Ids | None = None, attribs: Attribs = None) -> list[dict[str, Any]]:
        """Attributes of the newest note of each of these threads; None = all.

        `id` and `threadId` are always there. Threads that do not exist are left out. Fault -32602 names an attribute
        that does not exist.
        """
        return notes.latest_notes(self._farm, thread_ids, attribs)

    @rpc("removeNotes", since="12")
    def remove_notes(self, note_ids: Ids) -> list[int]:
        """Remove notes, in this order; the ids of those that could not be removed.

        Those are ids without a note, and the first note of a thread while others are left in it: put it last. With its
        last note a thread is removed too.
        """
        return notes.remove_notes(self._farm, note_ids)

    @rpc("removeSingleNote", since="12")
    def remove_single_note(self, note_id: Id) -> bool:
        """Remove one note, as removeNotes does; whether it was removed."""
        return not notes.remove_notes(self._farm, [note_id])

    @rpc("removeThreads", since="12")
    def remove_threads(self, thread_ids: Ids) -> list[int]:
        """Remove threads and all their notes; the ids that are not those of a thread."""
        return notes.remove_threads(self._farm, thread_ids)

    @rpc("removeSingleThread", since="12")
    def remove_single_thread(self, thread_id: Id) -> bool:
        """Remove one thread and all its notes; False where there is none."""
        return not notes.remove_threads(self._farm, [thread_id])
