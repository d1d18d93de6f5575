"""The jobs page: lists of jobs by filters, and the counts that stand above them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hqserver.domain.job_filter import AT_WORK, NEWEST_FIRST, WAITING_FOR_RESOURCES, JobFilter, SortTerm
from hqserver.domain.status import FAILED_JOB, FINISHED_JOB, RUNNING_JOB, JobStatus
from hqserver.services.clients.directory import registered
from hqserver.services.farm import Farm
from hqserver.store import runs, search
from hqserver.store.search import Count as Count

from .finding import read_token, token
from .overview import listed, picture

JOBS_A_PAGE = 100
RECENT_JOBS = 20


@dataclass(frozen=True, slots=True)
class Counters:
    """HQueue's four counters (CONTRACT 6.1).

    Active jobs are those that have not ended; running ones are really on clients, their parents not counted.
    """

    active_jobs: int
    running_jobs: int
    clients: int
    clients_running: int


class Roots(StrEnum):
    """The lists of jobs without a parent."""

    UNFINISHED = "unfinished"
    RUNNING = "running"
    WAITING = "waiting"
    FINISHED = "finished"
    FAILED = "failed"
    ALL = "all"


def _roots(*words: str) -> JobFilter:
    return JobFilter(roots_only=True, status=frozenset(map(str, words)) or None)


ROOT_LISTS = {
    Roots.UNFINISHED: _roots(*(status for status in JobStatus if status not in FINISHED_JOB)),
    Roots.RUNNING: _roots(*RUNNING_JOB, AT_WORK),
    Roots.WAITING: _roots(WAITING_FOR_RESOURCES, JobStatus.PAUSED),
    Roots.FINISHED: _roots(*FINISHED_JOB),
    Roots.FAILED: _roots(*FAILED_JOB),
    Roots.ALL: _roots(),
}
"""Which jobs are in each list: every root is in one of RUNNING, WAITING and FINISHED."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A list to show: which jobs, in which order, how many at most, and `after` what (`findJobs`, `next`)."""

    jobs: JobFilter
    most: int
    sort: tuple[SortTerm, ...] = NEWEST_FIRST
    after: str | None = None


@dataclass(frozen=True, slots=True)
class JobList:
    """Jobs of a list by attribute. `next`: where the list goes on, None at its end."""

    jobs: list[dict[str, Any]]
    next: str | None


@dataclass(frozen=True, slots=True)
class JobsOverview:
    """The jobs page: counters, how long each list is, and the lists asked for."""

    counters: Counters
    counts: Mapping[Roots, Count]
    lists: list[JobList]


def jobs_overview(farm: Farm, lists: Sequence[Wanted]) -> JobsOverview:
    """These lists, and what stands above them.

    Raises `BadParameters` for an `after` that is none, and `TooLarge` for an order in which so many cannot be given.
    """
    with picture(farm) as connection:
        found = []
        for wanted in lists:
            key = None if wanted.after is None else read_token(wanted.after, wanted.sort)
            page = search.find(connection, wanted.jobs, wanted.sort, key, wanted.most)
            following = None if page.last is None else token(page.last, wanted.sort)
            found.append(JobList(listed(farm, connection, page.ids), following))
        counts = {which: search.count(connection, jobs) for which, jobs in ROOT_LISTS.items()}
        return JobsOverview(_counters(farm, connection), counts, found)


def _counters(farm: Farm, connection: sqlite3.Connection) -> Counters:
    clients = {presence.row.id for presence in registered(farm)}
    jobs = search.count_by_status(connection)
    return Counters(
        active_jobs=sum(count for status, count in jobs.items() if status not in FINISHED_JOB),
        running_jobs=sum(jobs.get(status, 0) for status in RUNNING_JOB),
        clients=len(clients),
        clients_running=len(clients & runs.occupancy(connection).keys()),
    )
