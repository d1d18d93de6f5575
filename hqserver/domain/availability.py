"""When a client takes work: its availability rules (CONTRACT 5.3, 9.14).

A client is available while any enabled rule is true. A rule is true at certain times on certain days; one of kind
"idle" asks besides that nobody has used keyboard or mouse for some minutes (CONTRACT 9.24).
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import count
from typing import Any

from .errors import near_match
from .values import LARGEST_INTEGER, Wrong, as_integer

DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
KINDS = ("time", "idle")
LONGEST_IDLE_MINUTES = 525_600
"""A year."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `days` (0 is Monday) are those on which the window starts.

    `start` and `end` are "HH:MM" in the client's own time zone. The window runs from `start` up to, not including,
    `end`; past midnight where `end` is earlier; over the whole day where they are equal. `minutes` without user input
    are what kind "idle" asks for; 0 in kind "time".
    """

    id: int
    enabled: bool = True
    kind: str = "time"
    days: tuple[int, ...] = EVERY_DAY
    start: str = "00:00"
    end: str = "00:00"
    minutes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The rule as attribute `availabilityRules` gives it (CONTRACT 9.14)."""
        return {
            "id": self.id,
            "enabled": self.enabled,
            "kind": self.kind,
            "days": list(self.days),
            "start": self.start,
            "end": self.end,
            "minutes": self.minutes,
        }


DEFAULT_RULES: tuple[Rule, ...] = (Rule(1),)
"""What a new client has: any day, all day."""


# Whether rules are true --------------------------------------------------------------------------------------------


def available(rules: Iterable[Rule], local: datetime, idle_minutes: int) -> str:
    """Why the client is not available, as half a sentence ("is available Mon-Fri 18:00-08:00 only"); "" where it is.

    `local`: the time in the client's own zone, without a zone. `idle_minutes`: minutes since its user's last input,
    -1 where that is not known, which never satisfies a rule of kind "idle".
    """
    enabled = [rule for rule in rules if rule.enabled]
    if not enabled:
        return "has no availability rule that is enabled"
    if any(_covers(rule, local) and _is_idle(rule, idle_minutes) for rule in enabled):
        return ""
    found = " or ".join(dict.fromkeys(_spoken(rule, idle_minutes) for rule in enabled))
    only = "" if any(rule.kind == "idle" for rule in enabled) else " only"
    return f"is available {found}{only}"


def _covers(rule: Rule, local: datetime) -> bool:
    day, now = local.weekday(), f"{local.hour:02}:{local.minute:02}"
    if rule.start == rule.end:
        return day in rule.days
    if rule.start < rule.end:
        return day in rule.days and rule.start <= now < rule.end
    return (day in rule.days and now >= rule.start) or ((day - 1) % 7 in rule.days and now < rule.end)


def _is_idle(rule: Rule, idle_minutes: int) -> bool:
    return rule.kind != "idle" or (idle_minutes >= 0 and idle_minutes >= rule.minutes)


def _spoken(rule: Rule, idle_minutes: int) -> str:
    hours = "" if rule.start == rule.end else f"{rule.start}-{rule.end}"
    days = _spoken_days(rule.days) if rule.days != EVERY_DAY else "every day" if hours or rule.kind == "time" else ""
    idle = ""
    if rule.kind == "idle":
        now = idle_minutes if idle_minutes >= 0 else "unknown"
        idle = f"after {rule.minutes} minute{'s' * (rule.minutes != 1)} without user input (now {now})"
    return " ".join(part for part in (days, hours, idle) if part)


def _spoken_days(days: Iterable[int]) -> str:
    """`(0, 1, 2, 5)` -> "Mon-Wed, Sat"."""
    stretches: list[tuple[int, int]] = []
    for day in days:
        if stretches and day == stretches[-1][1] + 1:
            stretches[-1] = stretches[-1][0], day
        else:
            stretches.append((day, day))
    short = [name[:3] for name in DAY_NAMES]
    return ", ".join(short[first] if first == last else f"{short[first]}-{short[last]}" for first, last in stretches)


# Reading and writing them ------------------------------------------------------------------------------------------


def as_rules(value: Any) -> tuple[Rule, ...]:
    """The rules a caller sent, in its order: a list of dictionaries or one alone. An empty list is no rule.

    A key that is missing, None or "" has `Rule`'s default; a missing id is the lowest free one. `days` may also be one
    day, and days may be names ("Monday", "Mon") or "Weekdays", "Weekends", "Anyday", in a list or a comma list.
    Raises `Wrong` with a sentence that names the entry, counted from 1, and the key.
    """
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple):
        raise Wrong("must be a list of dictionaries")
    documents: list[dict[str, Any]] = []
    owners: dict[int, int] = {}
    for number, entry in enumerate(value, start=1):
        try:
            document = _as_document(entry)
            if "id" in document and owners.setdefault(document["id"], number) != number:
                raise Wrong(f"id {document['id']} is that of entry {owners[document['id']]}")
        except Wrong as problem:
            raise Wrong(f"entry {number}: {problem}") from None
        documents.append(document)
    free = (number for number in count(1) if number not in owners)
    return tuple(Rule(**document) if "id" in document else Rule(next(free), **document) for document in documents)


def to_text(rules: Iterable[Rule]) -> str:
    """The rules as the database keeps them: JSON."""
    return json.dumps([rule.as_dict() for rule in rules], separators=(",", ":"))


@lru_cache(maxsize=1024)
def from_text(text: str) -> tuple[Rule, ...]:
    """The rules that `to_text` wrote down; "" is `DEFAULT_RULES`, what a client has that nobody gave others."""
    return as_rules(json.loads(text)) if text else DEFAULT_RULES


def _as_document(entry: Any) -> dict[str, Any]:
    """The fields of one rule that were given, checked."""
    if not isinstance(entry, Mapping):
        raise Wrong(f"must be a dictionary, not {reprlib.repr(entry)}")
    document = {}
    for key, value in entry.items():
        read = _READERS.get(key)
        if read is None:
            raise Wrong(f"a rule has no {reprlib.repr(key)}{near_match(str(key), _READERS)}")
        if value is None or value == "":
            continue
        try:
            document[key] = read(value)
        except Wrong as problem:
            raise Wrong(f"{key} {problem}") from None
    minutes = document.get("minutes", 0)
    if document.get("kind") == "idle" and minutes == 0:
        raise Wrong("minutes must be given, 1 or more, in a rule of kind 'idle'")
    if document.get("kind") != "idle" and minutes != 0:
        raise Wrong(f"minutes must be 0, not {minutes}, but in a rule of kind 'idle'")
    return document


def _integer(low: int, high: int) -> Callable[[Any], int]:
    read = as_integer(low, high)

    def read_or_show(value: Any) -> int:
        try:
            return read(value)
        except Wrong as problem:
            raise Wrong(f"{problem}, not {reprlib.repr(value)}") from None

    return read_or_show


_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def _enabled(value: Any) -> bool:
    found = _FLAGS.get(str(value).strip().lower()) if isinstance(value, bool | int | str) else None
    if found is None:
        raise Wrong(f"must be true or false, not {reprlib.repr(value)}")
    return found


def _kind(value: Any) -> str:
    if value not in KINDS:
        raise Wrong(f"must be 'time' or 'idle', not {reprlib.repr(value)}{near_match(str(value), KINDS)}")
    return str(value)


_DAY_WORDS: dict[str, tuple[int, ...]] = {
    "Anyday": EVERY_DAY,
    "Weekdays": (0, 1, 2, 3, 4),
    "Weekends": (5, 6),
    **{name: (day,) for day, name in enumerate(DAY_NAMES)},
}
_DAYS_BY_WORD = {word.lower(): days for word, days in _DAY_WORDS.items()} | {
    name[:3].lower(): (day,) for day, name in enumerate(DAY_NAMES)
}
_as_day = as_integer(0, 6)


def _days(value: Any) -> tuple[int, ...]:
    entries = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    found: set[int] = set()
    for entry in entries:
        word = entry.strip() if isinstance(entry, str) else None
        if word == "":
            continue
        try:
            found.update(_DAYS_BY_WORD.get((word or "").lower()) or (_as_day(entry),))
        except Wrong:
            hint = near_match(word, _DAY_WORDS) if word else ""
            raise Wrong(
                "must be from 0 (Monday) to 6, names of days, Weekdays, Weekends or Anyday, "
                f"not {reprlib.repr(entry)}{hint}"
            ) from None
    if not found:
        raise Wrong("must hold at least one day")
    return tuple(sorted(found))


def _start(value: Any) -> str:
    found = re.fullmatch(r"\s*([01]?[0-9]|2[0-3]):([0-5][0-9])\s*", value) if isinstance(value, str) else None
    if not found:
        raise Wrong(f"must be a time from '00:00' to '23:59', not {reprlib.repr(value)}")
    return f"{int(found[1]):02}:{found[2]}"


def _end(value: Any) -> str:
    return "00:00" if isinstance(value, str) and value.strip() == "24:00" else _start(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "id": _integer(1, LARGEST_INTEGER),
    "enabled": _enabled,
    "kind": _kind,
    "days": _days,
    "start": _start,
    "end": _end,
    "minutes": _integer(0, LONGEST_IDLE_MINUTES),
}
