"""Lines of a command's output, and callers' patterns that are looked for in them, both at a bounded cost."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from hqserver.domain.run import Stream

MAX_LINE = 4096
"""Characters of a line that are looked at."""
PATIENCE_SECONDS = 1.0
"""CPU time of one caller's pattern at one look, however many lines that has."""
_LINE_END = re.compile(r"[\r\n]+")


class LineWindow:
    """The lines that have come between two looks: of a flood the last ones only, `size` bytes and `most` lines.

    A line ends with a newline or a carriage return, because renderers redraw their progress on one line.
    """

    def __init__(self, size: int, most: int) -> None:
        self._size = size
        self._most = most
        self._buffer = bytearray()
        self.pending = False
        """Whether whole lines wait for a look."""

    def feed(self, data: bytes) -> None:
        """Take a piece of output; lines may be cut anywhere between two pieces."""
        self.pending = self.pending or b"\n" in data or b"\r" in data
        self._buffer += data[-self._size :]
        if len(self._buffer) > 2 * self._size:
            del self._buffer[: -self._size]

    def end_line(self) -> None:
        """No more output comes: the last line is whole too."""
        self.pending = bool(self._buffer)

    def take(self) -> list[str]:
        """The lines since the last call, each cut to `MAX_LINE`, in order."""
        end = max(self._buffer.rfind(b"\n"), self._buffer.rfind(b"\r")) + 1 or len(self._buffer)
        text = self._buffer[:end][-self._size :].decode("utf-8", "replace")
        del self._buffer[:end]
        self.pending = False
        return [line[:MAX_LINE] for line in _LINE_END.split(text)[-self._most :]]


class StreamLines:
    """A `LineWindow` for each stream, so that no line of one is cut by what comes on the other."""

    def __init__(self, size: int, most: int) -> None:
        self._size = size
        self._most = most
        self._windows: dict[Stream, LineWindow] = {}
        self._latest = Stream.STDOUT

    @property
    def pending(self) -> bool:
        """Whether whole lines wait for a look."""
        return any(window.pending for window in self._windows.values())

    def feed(self, data: bytes, stream: Stream) -> None:
        """Take a piece of output; lines may be cut anywhere between two pieces of a stream."""
        self._latest = stream
        if stream not in self._windows:
            self._windows[stream] = LineWindow(self._size, self._most)
        self._windows[stream].feed(data)

    def end_line(self) -> None:
        """No more output comes: the last line of each stream is whole too."""
        for window in self._windows.values():
            window.end_line()

    def take(self) -> list[str]:
        """The lines since the last call: in the order of their stream, those of the one that spoke last at the end."""
        streams = sorted(self._windows, key=lambda stream: stream is self._latest)
        return [line for stream in streams if self._windows[stream].pending for line in self._windows[stream].take()]


class TookTooLong(Exception):
    """A pattern used up its CPU time."""


if sys.platform == "win32":

    @contextmanager
    def limited_time(seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Nothing stops a pattern here: Windows has no such timer. `killing.force_kill` still ends the run."""
        yield

else:
    _watching = False

    def _on_time_up(number: int, frame: FrameType | None) -> None:
        if _watching:
            raise TookTooLong

    @contextmanager
    def limited_time(seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Give a caller's pattern so much CPU time. Matching listens to signals: even a catastrophic one ends.

        Raises `TookTooLong`.
        """
        global _watching
        if seconds <= 0:
            raise TookTooLong
        before = signal.signal(signal.SIGVTALRM, _on_time_up)
        _watching = True
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
            yield
        finally:
            _watching = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)
