"""Which jobs are meant: the one definition of a filter (CONTRACT 10, Finding), and the order in which they come.

The methods, the page, `hq` and the dialects all read the same dictionary here; `store.search` turns it into questions
to the database. What is not given, None or a blank text does not narrow; an empty list means that no job matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fnmatch import translate
from typing import Any

from .errors import BadParameters, near_match
from .status import WAITING, JobStatus
from .values import Wrong, as_flag, as_ids, as_integer, as_job_id, as_moment, as_text, as_texts_by_name, as_words

WAITING_FOR_RESOURCES = "waiting for resources"
"""The page's word for a job that could run, or whose children could (CONTRACT 3.2)."""
AT_WORK = "running (clients assigned)"
"""The page's word for a job while clients work for it or below it; it is written with any number of clients."""
BLOCKED = "blocked"
"""Held back by a block (CONTRACT 9.9): `paused` on the wire, with `held` saying so."""

STATUS_WORDS = (*map(str, JobStatus), WAITING, WAITING_FOR_RESOURCES, "waiting for machine", AT_WORK, BLOCKED)
"""What a filter takes as a status: HQueue's internal ones and those of its page."""

_SPELLINGS = {WAITING: str(JobStatus.RUNNABLE), "waiting for machine": WAITING_FOR_RESOURCES}
_AT_WORK = re.compile(r"running \(.*clients? assigned\)")


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What must hold of a job, all of it. None stands for a key that was not given.

    `status`: words of `STATUS_WORDS`, of which its `status` or its `uiStatus` must be one; `name`: a shell pattern, in
    which case counts; `text`: a part of its name or description, in any case. `submitted_by`, `root`, `parent`: any one
    of these. `tags`: all of these; `properties`: each with exactly this text. `client`: any of these runs it or ran it,
    by label or id; `group`: its conditions ask for any of these groups. Ids and times (UTC epoch seconds) include their
    `since` and `min_id` and `max_id`, and exclude their `before`. `since` and `before` are about its submission;
    `active_since`: it has not ended, or ended since.
    """

    ids: tuple[int, ...] | None = None
    uuids: tuple[str, ...] | None = None
    status: frozenset[str] | None = None
    name: str | None = None
    submitted_by: tuple[str, ...] | None = None
    root: tuple[int, ...] | None = None
    parent: tuple[int, ...] | None = None
    tags: tuple[str, ...] | None = None
    client: tuple[str, ...] | None = None
    group: tuple[str, ...] | None = None
    priority: int | None = None
    min_id: int | None = None
    max_id: int | None = None
    since: float | None = None
    before: float | None = None
    updated_since: float | None = None
    updated_before: float | None = None
    active_since: float | None = None
    ended_since: float | None = None
    ended_before: float | None = None
    properties: Mapping[str, str] | None = None
    roots_only: bool = False
    text: str | None = None

    @property
    def matches_nothing(self) -> bool:
        """Whether a list of what may match was given and is empty."""
        lists = (self.ids, self.uuids, self.status, self.submitted_by, self.root, self.parent, self.client, self.group)
        return any(each is not None and not each for each in lists)

    def given(self) -> set[str]:
        """Names of the fields that narrow."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name for name, value in values.items() if value is not None and value is not False}


def _words(value: Any) -> tuple[str, ...]:
    """A list of texts, or one; an id is taken as its text."""
    return as_words([value] if isinstance(value, int) and not isinstance(value, bool) else value)


def _statuses(value: Any) -> frozenset[str]:
    found = set()
    for word in as_words(value):
        plain = AT_WORK if _AT_WORK.fullmatch(word) else _SPELLINGS.get(word, word)
        if plain not in STATUS_WORDS:
            raise Wrong(f"must name statuses of jobs ({word!r} is none{near_match(word, STATUS_WORDS)})")
        found.add(str(plain))
    return frozenset(found)


_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "ids": ("ids", as_ids),
    "uuids": ("uuids", _words),
    "status": ("status", _statuses),
    "name": ("name", as_text),
    "submittedBy": ("submitted_by", _words),
    "root": ("root", as_ids),
    "parent": ("parent", as_ids),
    "tags": ("tags", _words),
    "client": ("client", _words),
    "group": ("group", _words),
    "priority": ("priority", as_integer(0)),
    "minId": ("min_id", as_job_id),
    "maxId": ("max_id", as_job_id),
    "since": ("since", as_moment),
    "before": ("before", as_moment),
    "updatedSince": ("updated_since", as_moment),
    "updatedBefore": ("updated_before", as_moment),
    "activeSince": ("active_since", as_moment),
    "endedSince": ("ended_since", as_moment),
    "endedBefore": ("ended_before", as_moment),
    "properties": ("properties", as_texts_by_name),
    "rootsOnly": ("roots_only", as_flag),
    "text": ("text", as_text),
}

FILTER_KEYS = tuple(_READERS)
"""The keys of a filter, as callers write them."""


def parse_job_filter(given: object, what: str = "filter") -> JobFilter:
    """The filter that a dictionary means; None and an empty one mean every job.

    Raises `BadParameters` naming `what`, the key, and the near match for a key that is none.
    """
    if given is None:
        return JobFilter()
    if not isinstance(given, Mapping):
        raise BadParameters(f"{what} must be a dictionary, not {type(given).__name__}")
    found: dict[str, Any] = {}
    for key, value in given.items():
        if key not in _READERS:
            raise BadParameters(f"{what}: there is no key {key!r}{near_match(str(key), _READERS)}")
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        field, read = _READERS[key]
        try:
            found[field] = read(value)
        except Wrong as problem:
            raise BadParameters(f"{what}.{key} {problem}") from None
    return JobFilter(**found)


@dataclass(frozen=True, slots=True)
class SortTerm:
    """An attribute by which jobs are sorted; the largest first where `descending`."""

    attribute: str
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.attribute}" if self.descending else self.attribute


SORTABLE = (
    *("id", "name", "status", "priority", "submittedBy", "cpus"),
    *("queueTime", "runnableTime", "startTime", "endTime", "updatedTime"),
)
"""Attributes by which jobs can be sorted. A time that is missing is before all others."""

NEWEST_FIRST = (SortTerm("id", descending=True),)
"""The order in which jobs come when nobody asks for another."""


def parse_sort(given: object, what: str = "sort") -> tuple[SortTerm, ...]:
    """The order that a list of attributes means, "-" before those that descend; None and an empty list mean
    `NEWEST_FIRST`.

    What comes after `id` changes nothing and is left out; without it, jobs that are equal come by id, in the direction
    of the last attribute. Raises `BadParameters` with the near match for what cannot be sorted by.
    """
    try:
        words = () if given is None else as_words(given)
    except Wrong:
        raise BadParameters(f"{what} must be a list of attributes") from None
    terms: list[SortTerm] = []
    for word in words:
        attribute = word.removeprefix("-")
        if attribute not in SORTABLE:
            raise BadParameters(f"{what}: jobs cannot be sorted by {attribute!r}{near_match(attribute, SORTABLE)}")
        terms.append(SortTerm(attribute, word.startswith("-")))
        if attribute == "id":
            return tuple(terms)
    return (*terms, SortTerm("id", terms[-1].descending)) if terms else NEWEST_FIRST


def name_test(pattern: str) -> Callable[[str], bool]:
    """Whether a name matches a shell pattern, case counted on every platform."""
    match = re.compile(translate(pattern)).match
    return lambda name: match(name) is not None


def text_test(part: str) -> Callable[[str], bool]:
    """Whether a text holds a part, in upper or lower case."""
    lowered = part.lower()
    return lambda text: lowered in text.lower()


def literal_parts(pattern: str) -> list[str]:
    """The parts of a shell pattern that stand in every name it matches."""
    parts = re.split(r"\*|\?|\[!?.[^]]*\]", pattern)
    return [part for part in parts if part]
