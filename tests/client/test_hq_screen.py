"""What `hq` puts on a screen: widths, colours, harmless text, words for values."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta

import pytest

from hqclient.cli import words
from hqclient.cli.screen import STYLES, Screen, columns_of, harmless, shortened
from hqclient.cli.tables import Cell, Column, table_lines
from hqserver.domain.status import JobStatus


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def _screen(width: int | None = None, *, colour: bool = False) -> Screen:
    return Screen(io.StringIO(), io.StringIO(), width=width, colour=colour)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Überblick 映像 🎬", "Überblick 映像 🎬"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc\rd\0", "a\\nb\\tc\\rd\\x00"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("\u202eabc\u2066\u200b\ufeff\u2028", "\\u202eabc\\u2066\\u200b\\ufeff\\u2028"),
        ("\ud800", "\\ud800"),
    ],
)
def test_text_of_strangers_is_shown_and_does_nothing(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_width_counts_columns_of_the_terminal() -> None:
    assert [columns_of(text) for text in ("abc", "映像", "e\u0301")] == [3, 4, 1]
    assert shortened("映像映像", 5) == "映像…"
    assert shortened("abc", 3) == "abc"


_COLUMNS = (Column("ID", right=True), Column("NAME", flexible=True), Column("BY", rank=1), Column("AGE", rank=2))
_ROWS = [[Cell(7), Cell("a long name of a job"), Cell("ada"), Cell("2 h")]]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (None, " 7  a long name of a job  ada  2 h"),
        (80, " 7  a long name of a job  ada  2 h"),
        (30, " 7  a long name of…  ada  2 h"),
        (24, " 7  a long name…  2 h"),
        (18, " 7  a long name…"),
        (5, " 7  a long name…"),
    ],
)
def test_a_table_gives_up_its_name_first_and_then_columns_by_rank(width: int | None, line: str) -> None:
    shown = table_lines(_screen(width), _COLUMNS, _ROWS)[1]
    assert shown.startswith(line[:12])
    assert ("ada" in shown, "2 h" in shown) == ("ada" in line, "2 h" in line)
    if width is not None and width >= 18:
        assert columns_of(shown) <= width


def test_a_table_lines_up_wide_characters_and_colours() -> None:
    columns = (Column("NAME", flexible=True), Column("STATUS"))
    rows = [[Cell("映像"), Cell("failed", "failed")], [Cell("abcd"), Cell("queued")]]
    lines = table_lines(_screen(colour=True), columns, rows)
    assert lines[1] == "映像  \x1b[31;1mfailed\x1b[0m"
    assert lines[2] == "abcd  queued"


def test_every_status_has_a_colour() -> None:
    assert set(JobStatus) <= set(STYLES)


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.name", "posix")
    assert Screen.of(Terminal(), io.StringIO(), {}).colour
    assert not Screen.of(Terminal(), io.StringIO(), {"NO_COLOR": "1"}).colour
    assert not Screen.of(Terminal(), io.StringIO(), {"TERM": "dumb"}).colour
    assert not Screen.of(io.StringIO(), io.StringIO(), {}).colour
    assert _screen().paint("x", "failed") == "x"


def test_lines_are_as_long_as_they_like_where_nobody_watches() -> None:
    assert Screen.of(io.StringIO(), io.StringIO(), {}).width is None
    assert Screen.of(Terminal(), io.StringIO(), {}).width is not None


def test_a_stream_that_cannot_show_blocks_gets_plain_bars() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    screen = Screen.of(out, io.StringIO(), {})
    assert screen.bar(0.5) == "#####-----  50%"
    assert screen.ellipsis == "..."
    out.close()


def test_a_bar_is_full_only_when_all_is_done() -> None:
    screen = _screen()
    assert screen.bar(0.999).endswith("░  99%")
    assert screen.bar(1.0) == "██████████ 100%"
    assert screen.bar(-3.0) == "░░░░░░░░░░   0%"
    assert screen.bar(7.0) == "██████████ 100%"


@pytest.mark.parametrize("percents", range(101))
def test_percents_survive_being_a_fraction(percents: int) -> None:
    assert words.percent(percents / 100) == percents


def test_a_passing_line_is_for_people_only() -> None:
    quiet, watched = _screen(), Screen(io.StringIO(), Terminal(), width=10)
    quiet.passing("half way there")
    watched.passing("half way there")
    assert isinstance(quiet.err, io.StringIO)
    assert isinstance(watched.err, io.StringIO)
    assert quiet.err.getvalue() == ""
    assert watched.err.getvalue() == "\r\x1b[Khalf way…"


def test_json_carries_times_and_bytes() -> None:
    screen = _screen()
    screen.json({"time": datetime(2026, 11, 21, 4, 2, 11), "data": b"\0\1", "text": "é\x9b"})  # noqa: DTZ001
    assert isinstance(screen.out, io.StringIO)
    text = screen.out.getvalue()
    assert text.isascii()
    assert json.loads(text) == {"time": "2026-11-21T04:02:11Z", "data": "AAE=", "text": "é\x9b"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-5, "0 s"), (0, "0 s"), (3.24, "3.2 s"), (4.0, "4 s"), (42.9, "42 s"), (60, "1 m"), (75, "1 m 15 s")),
        *((3600, "1 h"), (8040, "2 h 14 m"), (86_400 * 9 + 3600 * 3 + 59, "9 d 3 h")),
    ],
)
def test_durations_have_their_two_largest_units(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_values_that_are_missing_are_blank() -> None:
    now = datetime(2026, 11, 21)  # noqa: DTZ001
    assert words.between(None, now) == words.local_time(None) == words.ago(None, now) == ""
    assert words.memory(0) == words.memory(None) == words.tasks(None) == words.tasks({"total": 0}) == ""
    assert words.between(now - timedelta(minutes=2), now) == "2 m"


def test_counts_have_their_plural() -> None:
    assert (words.count(1, "job"), words.count(0, "job"), words.count(2, "job")) == ("1 job", "0 jobs", "2 jobs")
