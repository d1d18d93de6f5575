"""Words for people, and what hostile text becomes on a page (PROMISES 6.4)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqserver.domain.availability import as_rules
from webui import wording


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("frame 12", "frame 12"),
        ("Übergröße 日本語 👩‍💻", "Übergröße 日本語 👩‍💻"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("a\u2066b\u2069", "a\ufffdb\ufffd"),
        ("zero\u200bwidth\ufeff", "zero\ufffdwidth\ufffd"),
        ("bell\x07 nul\x00", "bell\ufffd nul\ufffd"),
        ("line\u2028separator", "line\ufffdseparator"),
        ("lone \ud800", "lone \ufffd"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_signs_that_hide_or_reorder_are_made_visible(text: str, shown: str) -> None:
    assert wording.visible(text) == shown


@given(st.text(alphabet=st.characters()))
def test_whatever_is_visible_can_be_sent_as_utf8_and_keeps_its_length(text: str) -> None:
    shown = wording.visible(text)
    shown.encode()
    assert len(shown) == len(text)
    assert wording.visible(shown) == shown


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (b"plain\n", "plain\n"),
        (b"dos\r\nlines\r\n", "dos\nlines\n"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07text", "text"),
        (b"10%\r50%\r100%\ndone", "100%\ndone"),
        (b"100%\r", "100%"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"nul\x00", "nul\ufffd"),
    ],
)
def test_output_is_shown_as_a_terminal_would(output: bytes, shown: str) -> None:
    assert wording.terminal_text(output) == shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (0, "0 s"), (0.42, "0.4 s"), (9, "9 s"), (61, "1 m 1 s"), (8040, "2 h 14 m"), (788_400, "9 d 3 h")],
)
def test_a_duration_has_the_two_largest_units(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(-5, "now"), (0.9, "now"), (59, "59 s ago"), (90_000, "1 d ago")])
def test_an_age_has_one_unit(seconds: float, words: str) -> None:
    assert wording.ago(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"), [(512, "512 kB"), (1024, "1 MB"), (16_000_000, "15.3 GB"), (2**40, "1024 TB")]
)
def test_a_size_has_three_digits(size: float, words: str) -> None:
    assert wording.kilobytes(size) == words


def test_a_percentage_is_a_hundred_only_when_all_is_done() -> None:
    assert [wording.percent(part) for part in (0, 0.29, 0.9999, 1, 1.5, -1)] == [0, 29, 99, 100, 100, 0]


def test_a_time_reads_the_same_from_seconds_and_from_a_datetime() -> None:
    moment = datetime(2026, 11, 21, 4, 2, 11, tzinfo=UTC)
    assert wording.utc(moment) == wording.utc(moment.timestamp()) == "2026-11-21 04:02:11 UTC"
    assert wording.iso(moment) == "2026-11-21T04:02:11Z"


def test_a_long_text_ends_with_an_ellipsis() -> None:
    assert wording.shortened("x" * 10, 10) == "x" * 10
    assert wording.shortened("x" * 11, 10) == "x" * 9 + "…"


def test_thousands_stand_apart() -> None:
    assert wording.grouped(1_234_567) == "1\u202f234\u202f567"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "any time"),
        ({"days": "Weekends"}, "weekends"),
        ({"start": "22:00", "end": "05:00"}, "every day 22:00 to 05:00"),
        ({"days": "Mon, Wed", "start": "08:00", "end": "12:00"}, "Mon, Wed 08:00 to 12:00"),
        ({"kind": "idle", "minutes": 90}, "after 1 h 30 m without user input"),
        ({"kind": "idle", "minutes": 5, "days": "Weekdays"}, "weekdays, after 5 m without user input"),
    ],
)
def test_a_rule_of_availability_is_told_in_words(rule: dict[str, object], words: str) -> None:
    (found,) = as_rules(rule)
    assert wording.availability(found.as_dict()) == words


@pytest.mark.parametrize(("minutes", "words"), [(0, "UTC"), (120, "UTC+2"), (-210, "UTC-3:30")])
def test_a_time_zone_is_told_by_its_hours(minutes: int, words: str) -> None:
    assert wording.utc_offset(minutes) == words
