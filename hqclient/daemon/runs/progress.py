"""Finds the progress in what a command prints (CONTRACT 9.18)."""

from __future__ import annotations

import math
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType

from hqserver.domain.progress import DEFAULT_PATTERNS, check_pattern

MAX_LINE = 4096
"""Bytes of a line that are looked at."""
_WINDOW = 64 << 10
_MAX_LINES = 1000
_PATIENCE_SECONDS = 1.0
_LINE_END = re.compile(r"[\r\n]+")


class ProgressScanner:
    """Finds the last progress told in a stream of output, at a bounded cost.

    Of what came between two looks only the end is looked at: 64 KB, a thousand lines. A line ends with a newline
    or a carriage return, because renderers redraw their progress on one line.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = list(patterns)
        self._buffer = bytearray()
        self._complaints: list[str] = []
        self.pending = False
        """Whether whole lines wait for a look."""

    def feed(self, data: bytes) -> None:
        """Take a piece of output; lines may be cut anywhere between two pieces."""
        if not self._patterns:
            return
        self.pending = self.pending or b"\n" in data or b"\r" in data
        self._buffer += data[-_WINDOW:]
        if len(self._buffer) > 2 * _WINDOW:
            del self._buffer[:-_WINDOW]

    def end_line(self) -> None:
        """No more output comes: the last line is whole too."""
        self.pending = bool(self._buffer)

    def scan(self) -> float | None:
        """The progress told last since the previous look, 0.0 .. 1.0, or None. Raises nothing."""
        end = max(self._buffer.rfind(b"\n"), self._buffer.rfind(b"\r")) + 1 or len(self._buffer)
        text = self._buffer[:end][-_WINDOW:].decode("utf-8", "replace")
        del self._buffer[:end]
        self.pending = False
        for line in reversed(_LINE_END.split(text)[-_MAX_LINES:]):
            found = self._in_line(line[:MAX_LINE])
            if found is not None:
                return found
        return None

    def complaints(self) -> list[str]:
        """Sentences about patterns that were given up since the last call."""
        said, self._complaints = self._complaints, []
        return said

    def _in_line(self, line: str) -> float | None:
        best: tuple[int, float] | None = None
        for text in tuple(self._patterns):
            try:
                for position, fraction in _matches(text, line):
                    if best is None or position >= best[0]:
                        best = position, fraction
            except ValueError as problem:
                self._give_up(text, str(problem))
            except _TookTooLong:
                self._give_up(text, "takes too long")
        return None if best is None else best[1]

    def _give_up(self, pattern: str, why: str) -> None:
        self._patterns.remove(pattern)
        self._complaints.append(f"the progress pattern {pattern!r} {why}; it is no longer used")


def _matches(text: str, line: str) -> list[tuple[int, float]]:
    """Each match's end in the line and its fraction. Raises `ValueError` for an unusable pattern."""
    pattern = _compiled(text)
    if text in DEFAULT_PATTERNS:
        matches = list(pattern.finditer(line))
    else:
        with _limited_time():
            matches = list(pattern.finditer(line))
    fractions = ((match.end(), _fraction(match)) for match in matches)
    return [(end, fraction) for end, fraction in fractions if fraction is not None]


def compile_defaults() -> None:
    """Compile the farm's own patterns now, for all processes that are forked from this one."""
    for text in DEFAULT_PATTERNS:
        _compiled(text)


@lru_cache(maxsize=64)
def _compiled(text: str) -> re.Pattern[str]:
    check_pattern(text)
    return re.compile(text)


def _fraction(match: re.Match[str]) -> float | None:
    groups = match.groups()
    try:
        numerator, denominator = float(groups[0]), float(groups[1]) if len(groups) == 2 else 100.0
    except (ValueError, TypeError):
        return None
    if not math.isfinite(numerator) or not math.isfinite(denominator) or denominator <= 0:
        return None
    return min(max(numerator / denominator, 0.0), 1.0)


class _TookTooLong(Exception):
    """A pattern used up its CPU time."""


if sys.platform == "win32":

    @contextmanager
    def _limited_time() -> Iterator[None]:
        """Nothing stops a pattern here: Windows has no such timer. `killing.force_kill` still ends the run."""
        yield

else:
    _watching = False

    def _on_time_up(number: int, frame: FrameType | None) -> None:
        if _watching:
            raise _TookTooLong

    @contextmanager
    def _limited_time() -> Iterator[None]:
        """Give a caller's pattern a second of CPU time. Matching listens to signals: even a catastrophic one ends."""
        global _watching
        before = signal.signal(signal.SIGVTALRM, _on_time_up)
        _watching = True
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, _PATIENCE_SECONDS)
            yield
        finally:
            _watching = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)
