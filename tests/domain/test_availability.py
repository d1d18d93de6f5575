"""When a client takes work (CONTRACT 5.3, 9.14)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqserver.domain.availability import DEFAULT_RULES, EVERY_DAY, Rule, as_rules, available, from_text, to_text
from hqserver.domain.values import Wrong

MONDAY = datetime(2024, 1, 1)  # noqa: DTZ001 a client's local time has no zone
DAY, WEEK = 1_440, 10_080  # minutes
WEEKDAYS = (0, 1, 2, 3, 4)


def at(minute: int, second: int = 0) -> datetime:
    """The local time so many minutes after midnight on a Monday."""
    return MONDAY + timedelta(minutes=minute, seconds=second)


def clock(day: int, text: str) -> datetime:
    return at(day * DAY + minute_of(text))


def minute_of(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def is_available(rule: Rule, local: datetime, idle_minutes: int = -1) -> bool:
    return available([rule], local, idle_minutes) == ""


def minutes_covered(rule: Rule) -> set[int]:
    """The obvious definition of 9.14: walk through each day's window, minute by minute."""
    covered = set()
    for day in rule.days:
        if rule.start == rule.end:
            covered |= set(range(day * DAY, (day + 1) * DAY))
            continue
        minute = day * DAY + minute_of(rule.start)
        while minute % DAY != minute_of(rule.end):
            covered.add(minute % WEEK)
            minute += 1
    return covered


TIMES = st.one_of(
    st.sampled_from(["00:00", "00:01", "08:00", "17:59", "18:00", "23:59"]),
    st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59)),
)
DAYS = st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))
WINDOWS = st.builds(Rule, st.just(1), st.just(True), st.just("time"), DAYS, TIMES, TIMES)


# Windows -----------------------------------------------------------------------------------------------------------


@given(WINDOWS, st.lists(st.integers(0, WEEK - 1), max_size=20), st.integers(0, 59))
def test_a_window_is_that_of_9_14_on_both_sides_of_each_of_its_boundaries(
    rule: Rule, others: list[int], second: int
) -> None:
    edges = {day * DAY + minute_of(text) for day in range(7) for text in (rule.start, rule.end, "00:00")}
    covered = minutes_covered(rule)
    for minute in {(edge + step) % WEEK for edge in edges for step in (-1, 0, 1)} | set(others):
        assert is_available(rule, at(minute, second)) is (minute in covered), at(minute)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(1, days=WEEKDAYS, start="18:00", end="08:00"),
        Rule(1, days=(6,), start="23:59", end="00:01"),
        Rule(1, days=(0, 6), start="09:00", end="17:30"),
        Rule(1, days=(2,), start="12:00", end="12:00"),
        Rule(1, days=(6,), start="20:00", end="00:00"),
    ],
)
def test_a_window_is_that_of_9_14_in_every_minute_of_the_week(rule: Rule) -> None:
    assert {minute for minute in range(WEEK) if is_available(rule, at(minute))} == minutes_covered(rule)


def test_a_window_past_midnight_belongs_to_the_day_it_starts() -> None:
    """9.14."""
    friday_night = Rule(1, days=(4,), start="18:00", end="08:00")
    assert is_available(friday_night, clock(4, "18:00"))
    assert is_available(friday_night, clock(5, "07:59"))
    assert not is_available(friday_night, clock(5, "08:00"))
    assert not is_available(friday_night, clock(4, "07:59"))
    assert not is_available(friday_night, clock(5, "18:00"))


def test_sunday_night_ends_on_monday() -> None:
    assert is_available(Rule(1, days=(6,), start="22:00", end="06:00"), clock(0, "05:59"))


def test_a_window_ends_with_its_last_second_before_the_end() -> None:
    rule = Rule(1, start="09:00", end="17:00")
    assert is_available(rule, at(17 * 60 - 1, 59))
    assert not is_available(rule, at(17 * 60))
    assert not is_available(rule, at(9 * 60 - 1, 59))


def test_start_equal_to_end_is_the_whole_day() -> None:
    """9.14."""
    saturday = Rule(1, days=(5,), start="18:00", end="18:00")
    assert [is_available(saturday, clock(day, text)) for day in (4, 5, 6) for text in ("00:00", "17:59", "23:59")] == [
        *[False] * 3,
        *[True] * 3,
        *[False] * 3,
    ]


@given(st.integers(0, WEEK - 1), st.integers(-1, 100))
def test_a_new_client_is_available_at_any_time(minute: int, idle_minutes: int) -> None:
    assert available(DEFAULT_RULES, at(minute), idle_minutes) == ""


# Idle time ---------------------------------------------------------------------------------------------------------


@given(st.integers(1, 1_000), st.integers(-1, 1_001))
def test_an_idle_rule_is_true_from_its_minutes_on(minutes: int, idle_minutes: int) -> None:
    rule = Rule(1, kind="idle", minutes=minutes)
    assert is_available(rule, at(0), idle_minutes) is (idle_minutes >= minutes)


@pytest.mark.parametrize("minutes", [0, 1, 30])
def test_an_unknown_idle_time_satisfies_no_idle_rule(minutes: int) -> None:
    """9.24: -1 is unknown."""
    assert not is_available(Rule(1, kind="idle", minutes=minutes), at(0), -1)


@pytest.mark.parametrize("idle_minutes", [-1, 0, 30])
@pytest.mark.parametrize("text", ["07:00", "12:00"])
def test_an_idle_rule_with_a_window_asks_for_both(text: str, idle_minutes: int) -> None:
    rule = Rule(1, kind="idle", start="09:00", end="17:00", minutes=30)
    assert is_available(rule, clock(0, text), idle_minutes) is (text == "12:00" and idle_minutes == 30)


# Several rules -----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(WINDOWS, st.booleans()), max_size=4), st.integers(0, WEEK - 1))
def test_a_client_is_available_while_any_enabled_rule_is_true(drawn: list[tuple[Rule, bool]], minute: int) -> None:
    rules = [Rule(1, enabled, "time", rule.days, rule.start, rule.end) for rule, enabled in drawn]
    expected = any(enabled and minute in minutes_covered(rule) for rule, enabled in drawn)
    assert (available(rules, at(minute), -1) == "") is expected


NIGHTS = Rule(1, days=WEEKDAYS, start="18:00", end="08:00")
WEEKEND = Rule(2, days=(5, 6))
IDLE = Rule(3, kind="idle", minutes=30)


@pytest.mark.parametrize(
    ("rules", "idle_minutes", "sentence"),
    [
        ([NIGHTS], -1, "is available Mon-Fri 18:00-08:00 only"),
        ([NIGHTS, WEEKEND], -1, "is available Mon-Fri 18:00-08:00 or Sat-Sun only"),
        ([NIGHTS, NIGHTS], -1, "is available Mon-Fri 18:00-08:00 only"),
        ([IDLE], 3, "is available after 30 minutes without user input (now 3)"),
        ([IDLE], -1, "is available after 30 minutes without user input (now unknown)"),
        ([Rule(1, kind="idle", minutes=1)], 0, "is available after 1 minute without user input (now 0)"),
        (
            [NIGHTS, IDLE],
            3,
            "is available Mon-Fri 18:00-08:00 or after 30 minutes without user input (now 3)",
        ),
        (
            [Rule(1, True, "idle", (5, 6), "09:00", "17:00", 30)],
            45,
            "is available Sat-Sun 09:00-17:00 after 30 minutes without user input (now 45)",
        ),
        ([Rule(1, start="13:00", end="14:00")], -1, "is available every day 13:00-14:00 only"),
        ([Rule(1, days=(1, 3, 4, 6))], -1, "is available Tue, Thu-Fri, Sun only"),
        ([Rule(1, False)], -1, "has no availability rule that is enabled"),
        ([], -1, "has no availability rule that is enabled"),
        ([Rule(1, False), NIGHTS], -1, "is available Mon-Fri 18:00-08:00 only"),
    ],
)
def test_a_client_that_is_not_available_says_when_it_would_be(
    rules: list[Rule], idle_minutes: int, sentence: str
) -> None:
    assert available(rules, clock(0, "12:00"), idle_minutes) == sentence


# Reading and writing -----------------------------------------------------------------------------------------------


def test_a_rule_has_the_shape_of_9_14() -> None:
    assert NIGHTS.as_dict() == {
        "id": 1,
        "enabled": True,
        "kind": "time",
        "days": [0, 1, 2, 3, 4],
        "start": "18:00",
        "end": "08:00",
        "minutes": 0,
    }


def test_what_is_not_given_is_any_time_and_enabled() -> None:
    assert as_rules([{}]) == DEFAULT_RULES == (Rule(1, True, "time", EVERY_DAY, "00:00", "00:00", 0),)
    assert as_rules([dict.fromkeys(NIGHTS.as_dict())]) == DEFAULT_RULES
    assert as_rules([dict.fromkeys(NIGHTS.as_dict(), "")]) == DEFAULT_RULES


def test_an_empty_list_is_no_rule_and_one_rule_needs_no_list() -> None:
    assert as_rules([]) == ()
    assert as_rules({"kind": "idle", "minutes": "30"}) == (Rule(1, kind="idle", minutes=30),)


@pytest.mark.parametrize(
    ("value", "days"),
    [
        (0, (0,)),
        (6, (6,)),
        (3.0, (3,)),
        ("3", (3,)),
        ([6, 0, 6], (0, 6)),
        (["1", 2], (1, 2)),
        ("Weekdays", (0, 1, 2, 3, 4)),
        ("weekends", (5, 6)),
        ("Anyday", EVERY_DAY),
        ("Monday", (0,)),
        ("sun", (6,)),
        ("Mon, Wed,", (0, 2)),
        (["Weekends", "Wednesday", 0], (0, 2, 5, 6)),
    ],
)
def test_days_are_numbers_or_words_in_a_list_or_alone(value: Any, days: tuple[int, ...]) -> None:
    assert as_rules([{"days": value}]) == (Rule(1, days=days),)


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("enabled", False, False),
        ("enabled", 0, False),
        ("enabled", "0", False),
        ("enabled", "False", False),
        ("enabled", 1, True),
        ("enabled", "true", True),
        ("start", "8:05", "08:05"),
        ("start", " 23:59 ", "23:59"),
        ("end", "0:00", "00:00"),
        ("end", "24:00", "00:00"),
        ("id", "7", 7),
    ],
)
def test_single_values_are_read_as_callers_write_them(key: str, value: Any, read: Any) -> None:
    (rule,) = as_rules([{key: value}])
    assert rule.as_dict()[key] == read
    assert type(rule.as_dict()[key]) is type(read)


def test_a_missing_id_is_the_lowest_free_one() -> None:
    assert [rule.id for rule in as_rules([{}, {"id": 2}, {"id": ""}, {"id": 9}, {}])] == [1, 2, 3, 9, 4]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"strt": "18:00"}, "a rule has no 'strt'; did you mean 'start'?"),
        ({"localStartHour": 18}, "a rule has no 'localStartHour'"),
        ({"id": 1}, "id 1 is that of entry 1"),
        ({"id": 0}, "id must be from 1 to 2147483647, not 0"),
        ({"enabled": 2}, "enabled must be true or false, not 2"),
        ({"enabled": []}, "enabled must be true or false, not []"),
        ({"kind": "idel"}, "kind must be 'time' or 'idle', not 'idel'; did you mean 'idle'?"),
        ({"kind": []}, "kind must be 'time' or 'idle', not []"),
        ({"kind": "idle"}, "minutes must be given, 1 or more, in a rule of kind 'idle'"),
        ({"kind": "idle", "minutes": 0}, "minutes must be given, 1 or more, in a rule of kind 'idle'"),
        ({"minutes": 30}, "minutes must be 0, not 30, but in a rule of kind 'idle'"),
        ({"kind": "idle", "minutes": "half an hour"}, "minutes must be a whole number, not 'half an hour'"),
        ({"kind": "idle", "minutes": -1}, "minutes must be from 0 to 525600, not -1"),
        ({"days": []}, "days must hold at least one day"),
        ({"days": ","}, "days must hold at least one day"),
        ({"start": "24:00"}, "start must be a time from '00:00' to '23:59', not '24:00'"),
        ({"start": "18"}, "start must be a time from '00:00' to '23:59', not '18'"),
        ({"start": 18}, "start must be a time from '00:00' to '23:59', not 18"),
        ({"end": "12:60"}, "end must be a time from '00:00' to '23:59', not '12:60'"),
        ({"end": "24:01"}, "end must be a time from '00:00' to '23:59', not '24:01'"),
        ("18:00", "must be a dictionary, not '18:00'"),
        (None, "must be a dictionary, not None"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_entry_its_key_and_the_near_match(entry: Any, sentence: str) -> None:
    with pytest.raises(Wrong) as found:
        as_rules([{"id": 1}, entry])
    assert str(found.value) == f"entry 2: {sentence}"


@pytest.mark.parametrize(
    ("days", "shown"),
    [
        ("Mondey", "'Mondey'; did you mean 'Monday'?"),
        (["Friday", "weekday"], "'weekday'; did you mean 'Weekdays'?"),
        (7, "7"),
        ([0, -1], "-1"),
        (True, "True"),
        ([[0]], "[0]"),
        ({"a": 1}, "{'a': 1}"),
    ],
)
def test_a_day_that_is_none_is_named(days: Any, shown: str) -> None:
    with pytest.raises(Wrong) as found:
        as_rules([{"days": days}])
    words = "names of days, Weekdays, Weekends or Anyday"
    assert str(found.value) == f"entry 1: days must be from 0 (Monday) to 6, {words}, not {shown}"


@pytest.mark.parametrize("value", [None, "", "Anytime", 5, True])
def test_what_is_no_list_of_rules_is_refused(value: Any) -> None:
    with pytest.raises(Wrong, match=r"^must be a list of dictionaries$"):
        as_rules(value)


RULES = st.lists(
    st.one_of(
        st.builds(Rule, st.integers(1, 2**31 - 1), st.booleans(), st.just("time"), DAYS, TIMES, TIMES),
        st.builds(
            Rule, st.integers(1, 2**31 - 1), st.booleans(), st.just("idle"), DAYS, TIMES, TIMES, st.integers(1, 525_600)
        ),
    ),
    max_size=4,
    unique_by=lambda rule: rule.id,
)


@given(RULES)
def test_rules_come_back_from_their_text_and_from_the_wire(rules: list[Rule]) -> None:
    assert from_text(to_text(rules)) == tuple(rules)
    assert as_rules([rule.as_dict() for rule in rules]) == tuple(rules)


def test_a_client_that_nobody_gave_rules_has_the_default_and_one_with_none_has_none() -> None:
    assert from_text("") == DEFAULT_RULES
    assert from_text(to_text(())) == ()
