"""Watching jobs until they end: their statuses, and their output as it comes.

A paused job has not ended: whoever watches it goes on until it was resumed and has ended, or was cancelled.
Both ask the server again and again, quickly at first and then about once a second. They outlive a server that
is away for a while, because the jobs do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hqserver.domain.status import FINISHED_JOB

from .connection import Caller
from .errors import Busy, FarmUnreachable, NotFound, WaitTimedOut

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
"""How long a server may be away before watching it is given up."""


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
        self._sleep = sleep
        self._longest_seconds = longest_seconds
        self._next_seconds = min(FIRST_PAUSE_SECONDS, longest_seconds)

    def take(self, deadline: float | None = None) -> None:
        """Sleep until the next question is due, but never past `deadline` (a time of the clock)."""
        seconds = self._next_seconds
        if deadline is not None:
            seconds = min(seconds, max(0.0, deadline - self.clock()))
        self._sleep(seconds)
        self._next_seconds = min(self._next_seconds * 1.5, self._longest_seconds)

    def news(self) -> None:
        """Something has happened, so more may follow soon."""
        self._next_seconds = min(FIRST_PAUSE_SECONDS, self._longest_seconds)


class _Patience:
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


def watch(
    farm: Caller,
    job_ids: Sequence[int],
    attribs: Sequence[str] = ("status",),
    *,
    timeout_seconds: float | None = None,
    pauses: Pauses | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """The attributes of the jobs, again and again; the last time all of them have ended.

    `id` and `status` are always among the attributes. Raises `NotFound` for a job the farm does not have (any
    more), `WaitTimedOut`, and `FarmUnreachable` where the server has been away for too long. A server that
    cannot be reached at the first question is given up at once.
    """
    pauses = pauses or Pauses()
    deadline = None if timeout_seconds is None else pauses.clock() + timeout_seconds
    names = list(dict.fromkeys(["id", "status", *attribs]))
    patience = _Patience(pauses.clock)
    answer = farm.call("getJobs", list(job_ids), names)
    statuses: dict[int, str] = {}
    while True:
        if answer is not None:
            now = {job["id"]: job["status"] for job in answer}
            _check_complete(job_ids, now)
            if now != statuses:
                pauses.news()
            statuses = now
            yield answer
            if all(status in FINISHED_JOB for status in statuses.values()):
                return
        if deadline is not None and pauses.clock() >= deadline:
            raise WaitTimedOut(_unfinished(statuses, timeout_seconds or 0.0), statuses)
        pauses.take(deadline)
        answer = patience.ask(farm, "getJobs", list(job_ids), names)


def _check_complete(job_ids: Sequence[int], found: dict[int, str]) -> None:
    missing = [str(job_id) for job_id in job_ids if job_id not in found]
    if missing:
        raise NotFound(404, f"no job {', '.join(missing)}")


def _unfinished(statuses: dict[int, str], timeout_seconds: float) -> str:
    rest = [f"{job_id} is {status}" for job_id, status in statuses.items() if status not in FINISHED_JOB]
    more = f" and {len(rest) - 3} more" if len(rest) > 3 else ""
    return f"not finished within {timeout_seconds:g} seconds: job {', '.join(rest[:3])}{more}"


class OutputFollower:
    """Gives the output of one job as it comes, until the job has ended.

    It asks for the whole text and gives what is new. Everything about how news of output is had is in here.
    """

    def __init__(self, farm: Caller, job_id: int, pauses: Pauses | None = None) -> None:
        self._farm = farm
        self._job_id = job_id
        self._pauses = pauses or Pauses()
        self._seen = 0

    def __iter__(self) -> Iterator[str]:
        """Pieces of text, none empty. Raises `NotFound`, and `FarmUnreachable` as `watch` does.

        A job that is run afresh while it is followed is followed from the start of its new output.
        """
        for jobs in watch(self._farm, [self._job_id], pauses=self._pauses):
            # The status was read first: what a finished job has written is complete by the time of this call.
            ended = jobs[0]["status"] in FINISHED_JOB
            text = self._read() if ended else self._read_or_nothing()
            if text is None:
                continue
            if len(text) < self._seen:
                self._seen = 0
            if len(text) > self._seen:
                news, self._seen = text[self._seen :], len(text)
                self._pauses.news()
                yield news

    def _read(self) -> str:
        """The whole output of an ended job: worth waiting for while the server is away."""
        patience = _Patience(self._pauses.clock)
        while True:
            text = patience.ask(self._farm, "getJobOutput", self._job_id)
            if text is not None:
                return str(text)
            self._pauses.take()

    def _read_or_nothing(self) -> str | None:
        """The output so far; None where the server is away, which the next look at the status deals with."""
        try:
            return str(self._farm.call("getJobOutput", self._job_id))
        except (FarmUnreachable, Busy):
            return None
