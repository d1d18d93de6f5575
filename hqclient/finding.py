"""Finding jobs: the pages of `findJobs`, one after the other (CONTRACT 10, Finding)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .connection import Caller

JOBS_A_PAGE = 1000
"""How many jobs one `findJobs` asks for, the most that it takes."""


@dataclass(frozen=True, slots=True)
class JobCount:
    """How many jobs match; where `more`, there may be more than that."""

    count: int
    more: bool


def pages(
    farm: Caller,
    wanted: Mapping[str, Any] | None,
    *,
    attribs: Iterable[str] | None,
    sort: Iterable[str] = (),
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """What `findJobs` answers, page after page, until there are `limit` jobs (None = all there are).

    `next` of the last page is None where no job follows.
    """
    names = None if attribs is None else list(attribs)
    asked, order, after = sent(wanted), list(sort), None
    left = limit
    while left is None or left > 0:
        most = JOBS_A_PAGE if left is None else min(left, JOBS_A_PAGE)
        page = farm.call("findJobs", asked, names, order, most, after)
        yield page
        after = page["next"]
        if after is None:
            return
        if left is not None:
            left -= len(page["jobs"])


def sent(wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """A filter as it is sent: times as UTC, other iterables as lists."""
    return {key: _plain(value) for key, value in (wanted or {}).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)  # a word of an enum is none that XML-RPC knows
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return [_plain(each) for each in value]
    return value
