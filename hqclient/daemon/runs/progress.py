"""Finds the progress in what a command prints (CONTRACT 9.18)."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from functools import lru_cache

from hqserver.domain.progress import DEFAULT_PATTERNS, check_pattern
from hqserver.domain.run import Stream

from .lines import PATIENCE_SECONDS, StreamLines, TookTooLong, limited_time

_WINDOW = 64 << 10
_MAX_LINES = 1000


class ProgressScanner:
    """Finds the last progress told in the output, at a bounded cost.

    Of what came between two looks only the end is looked at: 64 KB of each stream, a thousand lines of at most 4 KB. A
    caller's pattern that takes more than a second of CPU time for them is given up.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = list(patterns)
        self._lines = StreamLines(_WINDOW, _MAX_LINES)
        self._complaints: list[str] = []
        self._spent: dict[str, float] = {}

    @property
    def pending(self) -> bool:
        """Whether whole lines wait for a look."""
        return self._lines.pending

    def feed(self, data: bytes, stream: Stream = Stream.STDOUT) -> None:
        """Take a piece of output; lines may be cut anywhere between two pieces of a stream."""
        if self._patterns:
            self._lines.feed(data, stream)

    def end_line(self) -> None:
        """No more output comes: the last line is whole too."""
        self._lines.end_line()

    def scan(self) -> float | None:
        """The progress told last since the previous look, 0.0 .. 1.0, or None. Raises nothing."""
        self._spent.clear()
        for line in reversed(self._lines.take()):
            found = self._in_line(line)
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
                for position, fraction in self._matches(text, line):
                    if best is None or position >= best[0]:
                        best = position, fraction
            except ValueError as problem:
                self._give_up(text, str(problem))
            except TookTooLong:
                self._give_up(text, "takes too long")
        return None if best is None else best[1]

    def _matches(self, text: str, line: str) -> list[tuple[int, float]]:
        """Each match's end in the line and its fraction. Raises `ValueError` for an unusable pattern, `TookTooLong`."""
        pattern = _compiled(text)
        if text in DEFAULT_PATTERNS:
            matches = list(pattern.finditer(line))
        else:
            spent, began = self._spent.get(text, 0.0), time.process_time()
            with limited_time(PATIENCE_SECONDS - spent):
                matches = list(pattern.finditer(line))
            self._spent[text] = spent + time.process_time() - began
        fractions = ((match.end(), _fraction(match)) for match in matches)
        return [(end, fraction) for end, fraction in fractions if fraction is not None]

    def _give_up(self, pattern: str, why: str) -> None:
        self._patterns.remove(pattern)
        self._complaints.append(f"the progress pattern {pattern!r} {why}; it is no longer used")


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
