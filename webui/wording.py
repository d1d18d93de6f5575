"""Values in the words people read, and hostile text made harmless to look at. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_JOINERS = "\u200c\u200d"  # scripts of India and Persia, and emoji, are written with them
_HARMLESS = {"\n", "\t", *_JOINERS}
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def visible(text: str) -> str:
    """The text with a U+FFFD for each character that hides, reorders or breaks what stands around it.

    Those are control and format characters (bidirectional overrides, zero-width signs), surrogates and Unicode's line
    separators; line feeds, tabs and joiners stay. ASCII text is given back as it is, unless it holds controls.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        "\ufffd" if unicodedata.category(sign) in _INVISIBLE and sign not in _HARMLESS else sign for sign in text
    )


def shortened(text: str, most: int) -> str:
    """At most so many characters; where some were cut off, the last is an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def terminal_text(output: bytes) -> str:
    """What a terminal would show of a command's output: no escape sequences, and of a line that was written over
    (progress bars do so) its last version. Bytes that are not UTF-8 become U+FFFD."""
    text = output.decode("utf-8", "replace").replace("\r\n", "\n")
    if "\x1b" in text:
        text = _ESCAPE_SEQUENCE.sub("", text)
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return visible(text)


def duration(seconds: float) -> str:
    """The two largest units that matter: `0.4 s`, `42 s`, `2 h 14 m`, `9 d 3 h`. Below zero is zero."""
    seconds = max(0.0, seconds)
    if 0 < seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    left = int(seconds)
    for (size, letter), (smaller, smaller_letter) in pairwise(_UNITS):
        if left >= size:
            rest = left % size // smaller
            return f"{left // size} {letter}" + (f" {rest} {smaller_letter}" if rest else "")
    return f"{left} s"


def ago(seconds: float) -> str:
    """How long since, in one unit, so that it seldom changes: `now`, `5 s ago`, `3 m ago`, `2 d ago`."""
    for size, letter in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {letter} ago"
    return "now"


def utc(at: float | datetime) -> str:
    """A time to the second: `2026-11-21 04:02:11 UTC`. Epoch seconds or an aware datetime."""
    return _aware(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(at: float | datetime) -> str:
    """The time as HTML's `datetime` attribute has it."""
    return _aware(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def _aware(at: float | datetime) -> datetime:
    return at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)


def kilobytes(size: float) -> str:
    """A size given in kB of 1,024 bytes, to three digits: `812 kB`, `15.3 GB`."""
    for unit in ("kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TB" if size < 1000 else f"{size:.0f} TB"


def percent(fraction: float) -> int:
    """Whole percents done; 100 only when all is done."""
    return int(min(max(fraction, 0.0), 1.0) * 100 + 1e-9)  # 0.29 * 100 is 28.999999999999996


def grouped(number: int) -> str:
    """A number with its thousands apart: `12 345`, by a narrow space that does not break."""
    return f"{number:,}".replace(",", "\u202f")


_DAYS = {(0, 1, 2, 3, 4, 5, 6): "every day", (0, 1, 2, 3, 4): "weekdays", (5, 6): "weekends"}
_DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def availability(rule: Mapping[str, Any]) -> str:
    """An availability rule (CONTRACT 9.14) in words: `any time`, `weekdays 18:00 to 08:00, after 15 m idle`."""
    days = _DAYS.get(tuple(rule["days"])) or ", ".join(_DAY_NAMES[day] for day in rule["days"])
    hours = "" if rule["start"] == rule["end"] else f" {rule['start']} to {rule['end']}"
    idle = f"after {duration(60 * rule['minutes'])} without user input" if rule["kind"] == "idle" else ""
    time = "" if days == "every day" and not hours else f"{days}{hours}"
    return ", ".join(part for part in (time, idle) if part) or "any time"


def utc_offset(minutes: int) -> str:
    """A time zone by the minutes that it is east of UTC: `UTC`, `UTC+5:30`."""
    hours, rest = divmod(abs(minutes), 60)
    return "UTC" if minutes == 0 else f"UTC{'+' if minutes > 0 else '-'}{hours}{f':{rest:02}' if rest else ''}"
