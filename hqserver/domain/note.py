"""Rules about notes (CONTRACT 1.2, Notes)."""

from __future__ import annotations

from .errors import BadParameters

LONGEST_NOTE = 100_000
"""Characters. A longer text is refused: notes are remarks, logs have their own place."""


def note_text(text: str) -> str | None:
    """The text to store, or None where it is blank and nothing is stored (CONTRACT 1.2)."""
    if len(text) > LONGEST_NOTE:
        raise BadParameters(f"note_text has {len(text)} characters, more than {LONGEST_NOTE}")
    return text if text.strip() else None
