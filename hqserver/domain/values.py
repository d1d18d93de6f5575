"""How single values are read from what callers send: leniently where HQueue's clients are known to be loose.

Each reader gives the checked value or raises `Wrong`. Sources: CONTRACT 1.6 (idioms of existing clients), 9.5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

LARGEST_INTEGER = 2**31 - 1


class Wrong(Exception):
    """Half a sentence about a value: "must be ..."."""


def as_text(value: Any) -> str:
    """A text that a file, a wire and a process can carry; None is "".

    Numbers are taken too: Perl's XML-RPC libraries send a text such as "1040" as one.
    """
    if type(value) is str and value.isascii() and "\0" not in value:
        return value  # nearly all there are
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Wrong("must be text")
    if "\0" in value:
        raise Wrong("must not hold a NUL character")
    if not value.isascii() and not value.isprintable() and any("\ud800" <= char <= "\udfff" for char in value):
        raise Wrong("must not hold half of a surrogate pair")  # JSON can spell it; no file and no wire carries it
    return value


def as_integer(low: int, high: int = LARGEST_INTEGER) -> Callable[[Any], int]:
    """A reader of whole numbers from `low` to `high`, taken as numbers or as text."""

    def read(value: Any) -> int:
        if type(value) is int and low <= value <= high:
            return value
        if isinstance(value, str):
            # Houdini's menus send "5 (Medium)" (CONTRACT 9.5).
            found = re.fullmatch(r"\s*([+-]?[0-9]{1,12})\s*(\(.*\))?\s*", value)
            if not found:
                raise Wrong("must be a whole number")
            value = int(found[1])
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong("must be a whole number")
        if not low <= value <= high:
            raise Wrong(f"must be from {low} to {high}")
        return value

    return read


as_job_id = as_integer(1, 2**53)
"""A job's id."""


def as_ids(value: Any) -> tuple[int, ...]:
    """Job ids, each once: a list, one number or a comma list; blank entries are skipped (9.5)."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list | tuple):
        raise Wrong("must be a list of job ids")
    kept = [entry for entry in value if entry is not None and not (isinstance(entry, str) and not entry.strip())]
    try:
        return tuple(dict.fromkeys(as_job_id(entry) for entry in kept))
    except Wrong:
        raise Wrong("must be a list of job ids") from None


def as_words(value: Any) -> tuple[str, ...]:
    """Texts, each once: a list or a comma list; blank ones are skipped."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple) or not all(isinstance(entry, str | int) for entry in value):
        raise Wrong("must be a list of texts")
    return tuple(dict.fromkeys(word for word in (as_text(str(entry)).strip() for entry in value) if word))


def as_texts_by_name(value: Any) -> dict[str, str]:
    """A dictionary of texts; numbers in it become texts."""
    if not isinstance(value, Mapping):
        raise Wrong("must be a dictionary of texts")
    found = {}
    for name, entry in value.items():
        if isinstance(entry, int | float) and not isinstance(entry, bool):
            entry = str(entry)
        if not isinstance(name, str) or not isinstance(entry, str):
            raise Wrong(f"must be a dictionary of texts ({name!r} is not)")
        found[as_text(name)] = as_text(entry)
    return found


def as_flag(value: Any) -> bool:
    """True or False, also as 1 and 0, as numbers or as text."""
    if isinstance(value, str):
        value = {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower(), value)
    if value in (0, 1) and isinstance(value, int):
        return bool(value)
    raise Wrong("must be true or false")


def as_moment(value: Any) -> float:
    """A time, as UTC epoch seconds: a datetime, or text in ISO 8601. UTC where no zone is named (CONTRACT 1.1)."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise Wrong("must be a time such as 2026-01-31T23:59:59") from None
    if not isinstance(value, datetime):
        raise Wrong("must be a time such as 2026-01-31T23:59:59")
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
