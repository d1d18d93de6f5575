"""Rules about notes (CONTRACT 1.2, Notes)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .errors import BadParameters

LONGEST_NOTE = 100_000
"""Characters. A longer text is refused: notes are remarks, logs have their own place."""


def note_text(text: str) -> str | None:
    """The text to store, or None where it is blank and nothing is stored (CONTRACT 1.2)."""
    if len(text) > LONGEST_NOTE:
        raise BadParameters(f"note_text has {len(text)} characters, more than {LONGEST_NOTE}")
    return text if text.strip() else None


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal of notes comes to: ids of notes to remove, of threads that lose their last one, of notes that
    stay or were never there."""

    notes: list[int]
    emptied: list[int]
    refused: list[int]


def plan_removal(wanted: Iterable[int], threads: Mapping[int, Sequence[int]]) -> Removal:
    """Which of the notes `wanted` may go, taken in their order.

    `threads` holds the ids of all notes, oldest first, of each thread that is touched. The first note of a thread
    stays while others are left (CONTRACT 9.26); where it goes last, the thread goes with it. An id given twice counts
    once.
    """
    thread_of = {note: thread for thread, notes in threads.items() for note in notes}
    left = {thread: len(notes) for thread, notes in threads.items()}
    plan = Removal([], [], [])
    for note in dict.fromkeys(wanted):
        thread = thread_of.get(note)
        if thread is None or (note == threads[thread][0] and left[thread] > 1):
            plan.refused.append(note)
            continue
        left[thread] -= 1
        plan.notes.append(note)
        if not left[thread]:
            plan.emptied.append(thread)
    return plan
