"""Events: what happened on the farm, in the order in which it did, and what of it somebody wants (CONTRACT 10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from .errors import BadParameters, near_match


class EventKind(StrEnum):
    """What an event is about; `was` and `now` are of that."""

    JOB = "job"
    HISTORY = "history"
    WORK = "work"
    RUN = "run"
    CLIENT = "client"
    GROUP = "group"
    RESOURCE = "resource"
    LOCK = "lock"
    FARM = "farm"


EVENT_MEANINGS: dict[EventKind, str] = {
    EventKind.JOB: 'the status of a job changed; was is "" for a new job, now is "deleted" for one that was removed',
    EventKind.HISTORY: "a line of a job's history that is no change of its status; now says what happened",
    EventKind.WORK: 'the status of a piece of an agenda changed; work is "" where reason says of how many',
    EventKind.RUN: "what befell a run beside its start, success or failure, which its job or piece tells",
    EventKind.CLIENT: "a client: now is registered, lost, back, sick, well, disabled, enabled or removed",
    EventKind.GROUP: "a group of clients, named in reason: now is created, deleted, joined or left",
    EventKind.RESOURCE: "a resource, named in reason: now is set or deleted",
    EventKind.LOCK: "a lock, named in reason: now is broken",
    EventKind.FARM: "the farm itself: now is resetting (all its jobs are being removed) or reset",
}
"""What the events of each kind tell."""

DELETED = "deleted"
"""What a job is that was removed."""

MOST_JOBS = 1_000
"""Jobs that a filter may name."""


class Event(NamedTuple):
    """One event. `at`: UTC epoch seconds. `client` is a label, and stays what it was; `root_id` is the job's root."""

    kind: EventKind
    job_id: int | None
    root_id: int | None
    work: str
    client: str
    was: str
    now: str
    reason: str
    id: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Page:
    """Events in their order. `next` is the cursor that goes on behind them; `more`: there may be some at once.
    `lost`: between the cursor asked for and the first of them, some are not kept any more."""

    events: Sequence[Event]
    next: int
    more: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events somebody wants. None is no limit; `jobs` and `roots` together mean either."""

    jobs: frozenset[int] | None = None
    roots: frozenset[int] | None = None
    kinds: frozenset[EventKind] | None = None

    @property
    def wants_all(self) -> bool:
        """Whether nothing is left out."""
        return self == EventFilter()

    def matches(self, event: Event) -> bool:
        """Whether the event is among them."""
        if self.kinds is not None and event.kind not in self.kinds:
            return False
        if self.jobs is None and self.roots is None:
            return True
        return event.job_id in (self.jobs or ()) or event.root_id in (self.roots or ())


def parse_event_filter(given: Mapping[str, Any] | None) -> EventFilter:
    """The filter that a dictionary means: `job` and `root` (an id, a list, a comma list), `kind` (a word or several).

    What is None or blank does not count. Raises `BadParameters` naming the key, with the near match of an unknown one.
    """
    found: dict[str, Any] = {}
    for key, value in (given or {}).items():
        if key not in _READERS:
            raise BadParameters(f"filter: there is no key {key!r}{near_match(str(key), _READERS)}")
        words = _words(key, value)
        if words is not None:
            field, read = _READERS[key]
            found[field] = frozenset(read(word) for word in words)
    if sum(len(found.get(field, ())) for field in ("jobs", "roots")) > MOST_JOBS:
        raise BadParameters(f"filter: at most {MOST_JOBS} jobs can be named")
    return EventFilter(**found)


def _words(key: str, value: Any) -> list[str] | None:
    if value is None or value == "":
        return None
    given = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else [value]
    if not all(isinstance(each, str | int) and not isinstance(each, bool) for each in given):
        raise BadParameters(f"filter.{key} must be a word, a number or a list of such, not {value!r:.60}")
    return [str(each).strip() for each in given]


def _as_job(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 16):
        raise BadParameters(f"filter: {word!r:.60} is not the id of a job")
    return int(word)


def _as_kind(word: str) -> EventKind:
    try:
        return EventKind(word)
    except ValueError:
        hint = near_match(word, [each.value for each in EventKind])
        raise BadParameters(f"filter: there is no kind {word!r:.60}{hint}") from None


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "job": ("jobs", _as_job),
    "root": ("roots", _as_job),
    "kind": ("kinds", _as_kind),
}
