"""What a group of clients or a resource may be called (CONTRACT 5.4, 5.6)."""

from __future__ import annotations

import unicodedata

from .errors import BadParameters

LONGEST_NAME = 255
"""Characters."""


def given_name(name: str, what: str) -> str:
    """The name to store, without blanks around it. Spaces and punctuation within are fine.

    `what` completes "the name of ...". Raises `BadParameters` for a blank name, one with a comma (it separates names in
    conditions and in the fields of submitters) or with a character that is no text, and one that is too long.
    """
    kept = name.strip()
    if not kept:
        raise BadParameters(f"the name of {what} must not be blank")
    if len(kept) > LONGEST_NAME:
        raise BadParameters(f"the name of {what} has {len(kept)} characters, more than {LONGEST_NAME}")
    if "," in kept:
        raise BadParameters(f"the name of {what}, {kept!r}, holds a comma; commas separate names")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in kept):
        raise BadParameters(f"the name of {what}, {kept!r}, holds a control character")
    return kept
