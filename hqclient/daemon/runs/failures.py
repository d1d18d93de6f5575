"""Finds in what a command prints why it will fail, or has (CONTRACT 10, Trouble)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hqserver.domain.pattern import compiled
from hqserver.domain.run import Stream

from .lines import StreamLines, TookTooLong, limited_time

FATAL, RETRY, LICENCE = "fatal", "retry", "licence"
ACTIONS = (FATAL, RETRY, LICENCE)
"""What the server may do about a failure: no retry, another try, or later and no try burnt."""

MAX_FAILURE_LINE = 500
"""Characters of the line that are told."""
_WINDOW = 256 << 10
_MAX_LINES = 4000


class FailurePattern(NamedTuple):
    """A regular expression and what its match in a line means, one of `ACTIONS`."""

    pattern: str
    action: str


class Failure(NamedTuple):
    """What was found: one of `ACTIONS`, and the line, cut to `MAX_FAILURE_LINE`."""

    action: str
    line: str


class FailureScanner:
    """Finds the first line that one of the patterns matches, at a bounded cost.

    Of what came between two looks only the end is looked at: 256 KB of each stream, 4000 lines of at most 4 KB. A
    pattern that takes more than a second of CPU time for them is given up, so that however bad all of them are, the
    output waits for them once and for less than a minute. Nothing is looked for any more once a line was found: what
    follows a failure is mostly its consequence.
    """

    def __init__(self, patterns: Sequence[FailurePattern]) -> None:
        self._patterns = list(patterns)
        self._lines = StreamLines(_WINDOW, _MAX_LINES)
        self._complaints: list[str] = []
        self.found: Failure | None = None

    @property
    def pending(self) -> bool:
        """Whether whole lines wait for a look."""
        return self.found is None and self._lines.pending

    def feed(self, data: bytes, stream: Stream = Stream.STDOUT) -> None:
        """Take a piece of output; lines may be cut anywhere between two pieces of a stream."""
        if self._patterns and self.found is None:
            self._lines.feed(data, stream)

    def end_line(self) -> None:
        """No more output comes: the last line is whole too."""
        self._lines.end_line()

    def scan(self) -> None:
        """Look at what has come since the previous look. Raises nothing."""
        lines = self._lines.take()
        first = len(lines)
        for each in tuple(self._patterns):
            try:
                number = _first_match(each.pattern, lines[:first])
            except ValueError as problem:
                self._give_up(each, str(problem))
            except TookTooLong:
                self._give_up(each, "takes too long")
            else:
                if number < first:
                    first = number
                    self.found = Failure(each.action, lines[number].strip()[:MAX_FAILURE_LINE])

    def complaints(self) -> list[str]:
        """Sentences about patterns that were given up since the last call."""
        said, self._complaints = self._complaints, []
        return said

    def _give_up(self, pattern: FailurePattern, why: str) -> None:
        self._patterns.remove(pattern)
        self._complaints.append(f"the failure pattern {pattern.pattern!r} {why}; it is no longer used")


def _first_match(text: str, lines: Sequence[str]) -> int:
    """The number of the first line with a match, that of lines where there is none.

    Raises `ValueError` for an unusable pattern and `TookTooLong`.
    """
    search = compiled(text).search
    with limited_time():
        return next((number for number, line in enumerate(lines) if search(line)), len(lines))
