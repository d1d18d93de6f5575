"""Availability rules in words: `weekdays 18:00-08:00 or weekends or idle 30` (CONTRACT 5.3, 9.14).

A client takes jobs while any of its rules is true; `or` stands between them. A rule is one or more of

    days     weekdays, weekends, anyday, mon, mon-fri, mon,wed,fri
    hours    18:00-08:00 in the client's own time zone; past midnight they belong to the day they start
    idle N   nobody has used keyboard or mouse for N minutes

and means any day, or all day, where it names none. `off` before a rule keeps it without using it. `always` is a rule
without limits, which HQueue calls `anytime`; `never`, alone, is no rule at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from hqserver.domain.availability import DAY_NAMES, EVERY_DAY
from hqserver.domain.errors import near_match

from .errors import BadParameters

_DAYS: dict[str, tuple[int, ...]] = {
    "weekdays": (0, 1, 2, 3, 4),
    "weekends": (5, 6),
    "anyday": EVERY_DAY,
    **{name.lower(): (day,) for day, name in enumerate(DAY_NAMES)},
    **{name[:3].lower(): (day,) for day, name in enumerate(DAY_NAMES)},
}
_KNOWN = (*_DAYS, "idle", "always", "anytime", "never", "off")
_HOURS = re.compile(r"([0-9]{1,2})(:[0-9]{2})?-([0-9]{1,2})(:[0-9]{2})?")


def rules_from(text: str) -> list[dict[str, Any]]:
    """The rules that the words say, as `setAvailabilityRules` takes them.

    Raises `BadParameters` for words that say none, with the near match.
    """
    parts = re.split(r"\bor\b", re.sub(r"\s*,\s*", ",", text.lower()))
    if [part.strip() for part in parts] == ["never"]:
        return []
    return [_rule(part.split()) for part in parts]


def _rule(words: list[str]) -> dict[str, Any]:
    rule: dict[str, Any] = {}

    def put(word: str, **found: Any) -> None:
        for key in found:
            if key in rule:
                raise _wrong(f"{word!r} says the {key} of a rule again; 'or' stands between two rules")
        rule.update(found)

    left = list(words)
    while left:
        word = left.pop(0)
        if word == "off" and not rule:
            put(word, enabled=False)
        elif word in ("always", "anytime"):
            put(word, days=list(EVERY_DAY))
        elif word == "never":
            raise _wrong("'never' stands alone")
        elif word == "idle":
            minutes = left.pop(0) if left and left[0].isdecimal() else ""
            if not minutes:
                raise _wrong("'idle' is followed by a number of minutes")
            put(word, kind="idle", minutes=int(minutes))
        elif hours := _HOURS.fullmatch(word):
            put(word, start=f"{hours[1]:0>2}{hours[2] or ':00'}", end=f"{hours[3]:0>2}{hours[4] or ':00'}")
        else:
            put(word, days=_days(word))
    if not rule.keys() - {"enabled"}:
        raise _wrong("a rule is missing; say 'always' for one without limits")
    return rule


def _days(word: str) -> list[int]:
    """The days of `mon-fri,sun`."""
    days: set[int] = set()
    for part in word.split(","):
        first, dash, last = part.partition("-")
        if dash and len(_day(first)) == 1 == len(_day(last)):
            start, end = _day(first)[0], _day(last)[0]
            days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
        else:
            days.update(_day(part))
    return sorted(days)


def _day(word: str) -> tuple[int, ...]:
    if word not in _DAYS:
        raise _wrong(f"{word!r} is no day, no hours like 18:00-08:00 and no other word of a rule{_hint(word)}")
    return _DAYS[word]


def _hint(word: str) -> str:
    return near_match(word, _KNOWN)


def _wrong(sentence: str) -> BadParameters:
    return BadParameters(-32602, f"availability: {sentence}")


def spoken(rules: Iterable[Mapping[str, Any]]) -> str:
    """The words for rules as attribute `availabilityRules` gives them; `rules_from` reads them again."""
    return " or ".join(map(_spoken_rule, rules)) or "never"


def _spoken_rule(rule: Mapping[str, Any]) -> str:
    days = _spoken_days(list(rule["days"]))
    hours = "" if rule["start"] == rule["end"] else f"{rule['start']}-{rule['end']}"
    idle = f"idle {rule['minutes']}" if rule["kind"] == "idle" else ""
    said = " ".join(part for part in (days, hours, idle) if part) or "always"
    return said if rule["enabled"] else f"off {said}"


def _spoken_days(days: list[int]) -> str:
    """`weekdays`, `mon-wed,sat`; "" for all of them."""
    if days == list(EVERY_DAY):
        return ""
    for word in ("weekdays", "weekends"):
        if days == list(_DAYS[word]):
            return word
    stretches: list[list[int]] = []
    for day in days:
        if stretches and day == stretches[-1][-1] + 1:
            stretches[-1].append(day)
        else:
            stretches.append([day])
    short = [name[:3].lower() for name in DAY_NAMES]
    return ",".join(short[each[0]] + (f"-{short[each[-1]]}" if len(each) > 1 else "") for each in stretches)
