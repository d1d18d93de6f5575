"""Dictionaries of a document that people may have edited, read key by key: what is wrong names its place.

Times are UTC epoch seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .errors import BadSpecification, near_match
from .values import Wrong, as_job_id

_T = TypeVar("_T")
_LATEST = 1e11


class Entry:
    """A dictionary at a place of the document, such as `jobs[3].work[0]`.

    Raises `BadSpecification` for what is none.
    """

    def __init__(self, value: Any, place: str):
        self.place = place
        if not isinstance(value, Mapping):
            raise BadSpecification(f"{place} must be a dictionary, not {value!r:.80}")
        self._values = value

    def read(self, key: str, reader: Callable[[Any], _T], default: Any = None) -> _T:
        """The value of a key, `default` where there is none or None. Raises `BadSpecification` naming the place."""
        value = self._values.get(key)
        if value is None:
            value = default
        try:
            return reader(value)
        except Wrong as problem:
            if value is None:
                raise BadSpecification(f"{self.place}.{key} is missing: it {problem}") from None
            told = str(problem)
            # A sentence that quotes what is wrong needs not show it again.
            shown = "" if "'" in told else f", not {value!r:.80}"
            raise BadSpecification(f"{self.place}.{key} {told}{shown}") from None

    def each(self, key: str) -> list[Entry]:
        """The dictionaries in the list of a key, none where there is no list. Raises `BadSpecification`."""
        entries = self.read(key, as_list, ())
        return [Entry(value, f"{self.place}.{key}[{index}]") for index, value in enumerate(entries)]


def optional(reader: Callable[[Any], _T]) -> Callable[[Any], _T | None]:
    """A reader that takes None too."""
    return lambda value: None if value is None else reader(value)


def as_list(value: Any) -> Sequence[Any]:
    """A list of anything."""
    if not isinstance(value, list | tuple):
        raise Wrong("must be a list")
    return value


def as_mapping(value: Any) -> Mapping[str, Any]:
    """A dictionary of anything."""
    if not isinstance(value, Mapping):
        raise Wrong("must be a dictionary")
    return value


def as_job_ids(value: Any) -> tuple[int, ...]:
    """A list of job ids."""
    return tuple(as_job_id(each) for each in as_list(value))


def as_time(value: Any) -> float:
    """A time in UTC epoch seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise Wrong("must be a time in seconds since 1970, UTC")
    return float(value)


def as_status(value: Any, words: Mapping[str, _T]) -> _T:
    """The status of this name among `words`."""
    if value is None:
        raise Wrong("must be a status")
    found = words.get(value) if isinstance(value, str) else None
    if found is None:
        raise Wrong(f"must be a status, not {str(value)!r:.80}{near_match(str(value), words)}")
    return found
