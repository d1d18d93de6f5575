"""Locks: names that one holder at a time has on lease from the server (CONTRACT 10, Locks and outside runners)."""

from __future__ import annotations

import unicodedata

from .errors import BadParameters

LONGEST_NAME = 255
"""Characters of the name of a lock."""

LONGEST_OWNER = 255
"""Characters of the name of its holder."""

SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 86_400.0
"""How long a lease may be; whoever needs a lock for longer renews it."""

MOST_LOCKS = 10_000
"""Locks that are held at a time, on the whole farm."""


def checked_name(name: str) -> str:
    """The name of a lock, without blanks around it. Raises `BadParameters`."""
    return _checked("name", name, LONGEST_NAME)


def checked_owner(owner: str) -> str:
    """The name of whoever holds a lock, without blanks around it. Raises `BadParameters`."""
    return _checked("owner", owner, LONGEST_OWNER)


def checked_seconds(seconds: float) -> float:
    """The length of a lease. Raises `BadParameters`."""
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise BadParameters(
            f"seconds must be from {SHORTEST_SECONDS:.0f} to {LONGEST_SECONDS:.0f}, not {seconds:g}: "
            "a lock that is needed for longer is renewed"
        )
    return seconds


def _checked(parameter: str, text: str, longest: int) -> str:
    kept = text.strip()
    if not 0 < len(kept) <= longest:
        raise BadParameters(f"{parameter} must have from 1 to {longest} characters, not {len(kept)}")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in kept):
        raise BadParameters(f"{parameter} must not hold a control character")
    return kept
