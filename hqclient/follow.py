"""Watching jobs until they end.

A paused job has not ended: whoever watches it goes on until it was resumed and has ended, or was cancelled. The server
is asked when an event says that something happened; one without a stream of events is asked again and again, quickly
at first and then about once a second. Watching outlives a server that is away for a while, because the jobs do.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Any

from hqserver.domain.status import FINISHED_JOB

from .connection import Caller
from .errors import NotFound, WaitTimedOut
from .news import QUIET_SECONDS, Patience, Pauses, news_of


def watch(
    farm: Caller,
    job_ids: Sequence[int],
    attribs: Sequence[str] = ("status",),
    *,
    timeout_seconds: float | None = None,
    pauses: Pauses | None = None,
    quiet_seconds: float = QUIET_SECONDS,
) -> Generator[list[dict[str, Any]]]:
    """The attributes of the jobs, again and again; the last time all of them have ended.

    `id` and `status` are always among the attributes. `quiet_seconds`: how often they are read though no event says
    that something changed, as their progress may. Raises `NotFound` for a job the farm does not have (any more),
    `WaitTimedOut`, and `FarmUnreachable` where the server has been away for too long. A server that cannot be reached
    at the first question is given up at once.
    """
    pauses = pauses or Pauses()
    deadline = None if timeout_seconds is None else pauses.clock() + timeout_seconds
    names = list(dict.fromkeys(["id", "status", *attribs]))
    patience = Patience(pauses.clock)
    answer = farm.call("getJobs", list(job_ids), names)
    statuses: dict[int, str] = {}
    with closing(news_of(farm, job_ids, pauses, quiet_seconds)) as news:
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
            news.wait(deadline)
            answer = patience.ask(farm, "getJobs", list(job_ids), names)


def _check_complete(job_ids: Sequence[int], found: dict[int, str]) -> None:
    missing = [str(job_id) for job_id in job_ids if job_id not in found]
    if missing:
        raise NotFound(404, f"no job {', '.join(missing)}")


def _unfinished(statuses: dict[int, str], timeout_seconds: float) -> str:
    rest = [f"{job_id} is {status}" for job_id, status in statuses.items() if status not in FINISHED_JOB]
    more = f" and {len(rest) - 3} more" if len(rest) > 3 else ""
    return f"not finished within {timeout_seconds:g} seconds: job {', '.join(rest[:3])}{more}"
