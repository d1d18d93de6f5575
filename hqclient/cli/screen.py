"""Where `hq` writes: text for people or JSON for programs, with the terminal's width and colours.

Names, notes and commands come from strangers. What a person is shown goes through `harmless` first, so that
no text of theirs can move the cursor, colour the screen or reorder a line.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from hqserver.domain.status import JobStatus

from .words import percent

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that act on a terminal or cannot be seen: control, format, line separators."""

STYLES: dict[str, str] = {
    JobStatus.QUEUED: "2",
    JobStatus.RUNNABLE: "36",
    JobStatus.RUNNING: "34;1",
    JobStatus.PAUSING: "33",
    JobStatus.PAUSED: "33",
    JobStatus.RESUMING: "33",
    JobStatus.SUCCEEDED: "32",
    JobStatus.FAILED: "31;1",
    JobStatus.CANCELLED: "35",
    JobStatus.ABANDONED: "31",
    "heading": "1",
    "faint": "2",
    "good": "32",
    "bad": "31",
}
"""What each status and each kind of text looks like: parameters of the terminal's SGR sequence."""


def harmless(text: object) -> str:
    """One line of text, safe to show: control and format characters are written as escapes (`\\x1b`)."""
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _UNPRINTABLE else character
        for character in shown
    )


def columns_of(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of_character, text))


def _columns_of_character(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shortened(text: str, columns: int, ellipsis: str = "…") -> str:
    """The text, cut where it takes more than `columns`, with an ellipsis in place of the rest."""
    if columns_of(text) <= columns:
        return text
    kept, room = "", columns - columns_of(ellipsis)
    for character in text:
        room -= _columns_of_character(character)
        if room < 0:
            break
        kept += character
    return kept + ellipsis


@dataclass
class Screen:
    """The two streams of a program. `width` is None where lines may be of any length (not a terminal)."""

    out: TextIO
    err: TextIO
    as_json: bool = False
    width: int | None = None
    colour: bool = False
    unicode: bool = True

    @classmethod
    def of(cls, out: TextIO, err: TextIO, environ: Mapping[str, str] = os.environ) -> Screen:
        """The screen of these streams. COLUMNS sets a width for any stream, NO_COLOR takes colours away."""
        terminal = out.isatty()
        sized = terminal or environ.get("COLUMNS", "").isdigit()
        # Consoles of Windows older than its Terminal print escape sequences as they are.
        able = environ.get("TERM") != "dumb" and (os.name != "nt" or "WT_SESSION" in environ)
        return cls(
            out=out,
            err=err,
            width=shutil.get_terminal_size().columns if sized else None,
            colour=terminal and able and not environ.get("NO_COLOR"),
            unicode=_can_write(out, "█░…├─"),
        )

    @property
    def ellipsis(self) -> str:
        return "…" if self.unicode else "..."

    @property
    def arrow(self) -> str:
        return "→" if self.unicode else "->"

    def line(self, text: str = "") -> None:
        """A line of the answer. What strangers wrote in it must be harmless already."""
        self.out.write(text + "\n")

    def raw(self, text: str) -> None:
        """Text of a command as it is, at once."""
        self.out.write(text)
        self.out.flush()

    def json(self, value: object) -> None:
        """The answer for a program: one JSON document, times in ISO 8601 with Z."""
        self.line(json.dumps(value, indent=2, default=json_value))

    def note(self, text: object) -> None:
        """A line for the person only, beside the answer."""
        self.err.write(f"hq: {harmless(text)}\n")
        self.err.flush()

    def passing(self, text: str) -> None:
        """A line that the next one replaces, where a person is watching; "" takes the last one away."""
        if self.err.isatty():
            self.err.write("\r\x1b[K" + shortened(text, (self.width or 80) - 1, self.ellipsis))
            self.err.flush()

    def paint(self, text: str, style: str) -> str:
        """The text in the colours of a style of `STYLES`; as it is where there are none."""
        parameters = STYLES.get(style)
        return f"\x1b[{parameters}m{text}\x1b[0m" if self.colour and parameters and text.strip() else text

    def bar(self, fraction: float, columns: int = 10) -> str:
        """How much of something is done: `██████░░░░  62%`. 100% is shown only when all of it is."""
        done = percent(fraction)
        full, rest = ("█", "░") if self.unicode else ("#", "-")
        filled = done * columns // 100
        return f"{full * filled}{rest * (columns - filled)} {done:3d}%"


def _can_write(stream: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def json_value(value: object) -> object:
    """What JSON has no word for: a time in ISO 8601 with Z, bytes in base64."""
    if isinstance(value, datetime):
        utc = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat() + "Z"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
