"""Results: the small document that a job's command, or whoever runs it, leaves for others (CONTRACT 10)."""

from __future__ import annotations

import json
from datetime import datetime
from math import isfinite
from typing import Any

from .errors import BadSpecification, TooLarge
from .values import Wrong, as_text

LARGEST_RESULT = 1024 * 1024
"""Bytes, written as JSON in UTF-8 without blanks."""

DEEPEST_RESULT = 50
"""Levels of lists and dictionaries: the wire carries a few more."""

_EXACT = 2**53
_PLACE_SHOWN = 200


def result_text(value: Any, place: str = "result") -> str:
    """The result as the JSON that is stored. Raises `BadSpecification` naming the place, and `TooLarge`.

    A result is made of dictionaries, lists, texts, numbers, true, false and None: what JSON and the wire both carry.
    """
    check = _Check()
    try:
        check.value(value, 1)
    except Wrong as problem:
        where = (place + "".join(reversed(check.path)))[:_PLACE_SHOWN]
        raise BadSpecification(f"{where} {problem}") from None
    except _TooMany:
        raise _too_large(place) from None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if len(text.encode()) > LARGEST_RESULT:
        raise _too_large(place)
    return text


def _too_large(place: str) -> TooLarge:
    return TooLarge(
        f"{place} has more than {LARGEST_RESULT} bytes as JSON: keep large results in a file and leave its path"
    )


class _TooMany(Exception):
    """There are more values than there may be bytes."""


class _Check:
    """Looks at every value within a result, and at no more of them than can fit. Raises `Wrong` and `_TooMany`.

    `path` leads to what is wrong, from within.
    """

    def __init__(self) -> None:
        self.path: list[str] = []
        self._seen = 0

    def value(self, value: Any, level: int) -> None:
        self._seen += 1
        if self._seen > LARGEST_RESULT:  # each takes a byte at least
            raise _TooMany
        if isinstance(value, str):
            as_text(value)
        elif isinstance(value, dict | list):
            if level > DEEPEST_RESULT:
                raise Wrong(f"is nested deeper than {DEEPEST_RESULT} levels")
            if isinstance(value, dict):
                self._members(value, level)
            else:
                self._items(value, level)
        elif value is not None and not isinstance(value, bool):
            _check_number(value)

    def _members(self, members: dict[Any, Any], level: int) -> None:
        for name, held in members.items():
            if not isinstance(name, str):
                raise Wrong("must have texts as names")
            as_text(name)
            try:
                self.value(held, level + 1)
            except Wrong:
                self.path.append(f".{name}")
                raise

    def _items(self, items: list[Any], level: int) -> None:
        for index, held in enumerate(items):
            try:
                self.value(held, level + 1)
            except Wrong:
                self.path.append(f"[{index}]")
                raise


def _check_number(value: Any) -> None:
    if isinstance(value, datetime):
        raise Wrong("is a time, which JSON has no word for: leave it as text or as a number")
    if isinstance(value, bytes):
        raise Wrong("is base64, which JSON has no word for: leave it as text")
    if not isinstance(value, int | float):
        raise Wrong("must be a dictionary, a list, a text, a number, true, false or None")
    if isinstance(value, float) and not isfinite(value):
        raise Wrong("must be a finite number")
    if isinstance(value, int) and abs(value) > _EXACT:
        raise Wrong(f"must be from -{_EXACT} to {_EXACT}: larger numbers lose digits on the wire; leave a text")
