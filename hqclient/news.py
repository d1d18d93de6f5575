"""Waiting for something to happen to jobs: for an event of the server's stream, or else for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hqserver.domain.event import MOST_JOBS

from .connection import Caller
from .errors import Busy, FarmUnreachable, NoStream
from .event_stream import EventStream

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
"""How long a server may be away before watching it is given up."""

QUIET_SECONDS = 30.0
"""After so long without an event the server is asked all the same."""

_AGAIN_SECONDS = 10.0


class Pauses:
    """The time between two questions: each longer than the one before, short again after news."""

    def __init__(
        self,
        longest_seconds: float = LONGEST_PAUSE_SECONDS,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`clock` gives monotonic seconds."""
        self.clock = clock
        self.longest_seconds = longest_seconds
        self._sleep = sleep
        self._next_seconds = min(FIRST_PAUSE_SECONDS, longest_seconds)

    def take(self, deadline: float | None = None) -> None:
        """Sleep until the next question is due, but never past `deadline` (a time of the clock)."""
        seconds = self._next_seconds
        if deadline is not None:
            seconds = min(seconds, max(0.0, deadline - self.clock()))
        self._sleep(seconds)
        self._next_seconds = min(self._next_seconds * 1.5, self.longest_seconds)

    def rest(self) -> None:
        """Sleep for the shortest pause: what happens at once is asked about once."""
        self._sleep(min(FIRST_PAUSE_SECONDS, self.longest_seconds))

    def news(self) -> None:
        """Something has happened, so more may follow soon."""
        self._next_seconds = min(FIRST_PAUSE_SECONDS, self.longest_seconds)


class Patience:
    """Lets a server be away for `PATIENCE_SECONDS` at a time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._away_since: float | None = None

    def ask(self, farm: Caller, name: str, *args: object) -> Any | None:
        """The answer, or None while the server may still come back."""
        try:
            answer = farm.call(name, *args)
        except (FarmUnreachable, Busy):
            now = self._clock()
            if self._away_since is None:
                self._away_since = now
            if now - self._away_since >= PATIENCE_SECONDS:
                raise
            return None
        self._away_since = None
        return answer


class News:
    """Waits for news of jobs: their events, where the server has a stream of them, else `pauses`.

    A stream that breaks is opened anew, and until then pauses are taken; each new one is news, because something may
    have happened in between.
    """

    def __init__(self, farm: Caller, wanted: Mapping[str, Any] | None, pauses: Pauses, longest_seconds: float) -> None:
        """`wanted`: the filter of `getEvents`, None for no stream. `longest_seconds`: how long a wait may be while
        nothing happens."""
        self._farm = farm
        self._wanted = wanted
        self._pauses = pauses
        self._longest_seconds = longest_seconds
        self._stream: EventStream | None = None
        self._not_before = 0.0

    def wait(self, deadline: float | None = None) -> None:
        """Return once something may have happened, at `deadline` (a time of the pauses' clock) at the latest."""
        if self._stream is None and self._open():
            return
        if self._stream is None:
            self._pauses.take(deadline)
            return
        seconds = self._longest_seconds
        if deadline is not None:
            seconds = min(seconds, max(0.0, deadline - self._pauses.clock()))
        try:
            if self._stream.take(seconds):
                self._pauses.news()
                self._pauses.rest()
                self._stream.take(0.0)
        except FarmUnreachable:
            self.close()

    def _open(self) -> bool:
        if self._wanted is None or self._pauses.clock() < self._not_before:
            return False
        try:
            self._stream = self._farm.event_stream(-1, self._wanted)
        except NoStream as problem:
            # Too many streams are open there, or it is of an older version and never will have one.
            self._not_before = self._pauses.clock() + _AGAIN_SECONDS if problem.status == 503 else float("inf")
        except FarmUnreachable:
            pass  # whoever waits finds that out, and has the patience
        else:
            if self._stream is None:
                self._not_before = float("inf")
        return self._stream is not None

    def close(self) -> None:
        """Close the stream, if there is one."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def news_of(farm: Caller, job_ids: Sequence[int], pauses: Pauses, longest_seconds: float = QUIET_SECONDS) -> News:
    """News of these jobs. Those of more jobs than a filter names are had by asking."""
    wanted = {"job": list(job_ids)} if len(job_ids) <= MOST_JOBS else None
    return News(farm, wanted, pauses, longest_seconds)
