"""The farm as the page and the metrics show it: each function is one consistent picture, bounded in size.

What a job or a client is like is read through the same attributes as `getJobs` and `getClients` read it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hqserver.domain.errors import Busy, NotFound
from hqserver.domain.status import FINISHED_JOB, LIVE_RUN, RUNNING_JOB, JobStatus
from hqserver.store import lookup, overview, runs
from hqserver.store.overview import MOST_COUNTED
from hqserver.store.overview import Roots as Roots

from .attributes import Batch, chosen, read
from .client_attributes import CLIENT_ATTRIBUTES
from .farm import Farm
from .job_attributes import JOB_ATTRIBUTES, unknown_properties

JOBS_A_PAGE = 100
RECENT_JOBS = 20
CHILDREN_A_PAGE = 200
MOST_CELLS = 2000
MOST_RUNS = 50
MOST_LINES = 200
MOST_NOTES = 50

_LISTED = (
    *("name", "description", "submittedBy", "priority", "status", "uiStatus", "waitingFor", "overallProgress"),
    *("tasks", "ETA", "queueTime", "startTime", "endTime", "latestNote"),
)
_SHOWN = (
    *(*_LISTED, "progress", "parents", "root", "clients", "cpus", "triesLeft", "outcome", "unconfirmed", "uuid"),
    *("runnableTime", "commandStartTime", "commandEndTime", "command", "shell", "environment", "properties"),
    *("workCounts", "logs", "threadId"),
)


class Availability(StrEnum):
    """How a client is, as HQueue's dot tells it (CONTRACT 6.3): the first that holds is shown."""

    OFFLINE = "offline"
    RUNNING = "running jobs"
    UNAVAILABLE = "unavailable"
    AVAILABLE = "available"


@dataclass(frozen=True, slots=True)
class Counters:
    """HQueue's four counters (CONTRACT 6.1).

    Active jobs are those that have not ended; running ones are really on clients, their parents not counted.
    """

    active_jobs: int
    running_jobs: int
    clients: int
    clients_running: int


@dataclass(frozen=True, slots=True)
class Count:
    """A number of jobs; where `more`, there are more than that."""

    number: int
    more: bool


@dataclass(frozen=True, slots=True)
class RootList:
    """Jobs of a list, newest first, by attribute. `older`: the id below which the list goes on, None at its end."""

    which: Roots
    jobs: list[dict[str, Any]]
    older: int | None


@dataclass(frozen=True, slots=True)
class JobsOverview:
    """The jobs page: counters, how long each list is, and the lists asked for."""

    counters: Counters
    counts: Mapping[Roots, Count]
    lists: list[RootList]


@dataclass(frozen=True, slots=True)
class Cell:
    """A child at a glance. `clients`: how many are at work for it and below."""

    id: int
    name: str
    status: str
    clients: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run as people read it. Times are UTC epoch seconds, memory is in kB, `signal` 0 stands for none."""

    id: str
    job_id: int
    job_name: str
    work_name: str
    client_id: int
    client: str
    status: str
    offered_at: float
    started_at: float | None
    ended_at: float | None
    exit_code: int | None
    signal: int
    reason: str
    log_size: int | None
    log_truncated: bool
    cpu_seconds: float | None
    max_memory: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """A note; `at` is UTC epoch seconds."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class JobOverview:
    """One job by attribute, and what belongs to it.

    `unknown` are properties that nobody knows, as `x-NAME`. `children` is a page of the direct ones, `children_next`
    the id after which they go on; `children_total` counts them all. `cells` are the first `MOST_CELLS` children.
    `runs` are the newest, newest first; `notes` the newest, oldest first.
    """

    job: dict[str, Any]
    unknown: dict[str, Any]
    names: Mapping[int, str]
    children_total: int
    children: list[dict[str, Any]]
    children_next: int | None
    cells: list[Cell]
    runs: list[Run]
    notes: list[Note]


@dataclass(frozen=True, slots=True)
class ClientOverview:
    """One client by attribute, how it is, how many seconds it has been silent (None: not heard since the server's
    start), how many runs and CPUs are taken there, and the jobs that run there by id and name."""

    client: dict[str, Any]
    availability: Availability
    silence_seconds: float | None
    runs: int
    cpus_used: int
    jobs: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class ClientDetail:
    """One client with its live runs, those that ended last (latest first), and its notes (oldest first)."""

    overview: ClientOverview
    live: list[Run]
    ended: list[Run]
    notes: list[Note]


@dataclass(frozen=True, slots=True)
class FarmCounts:
    """What metrics tell: jobs by status, clients by availability, live runs by status."""

    jobs: Mapping[str, int]
    clients: Mapping[Availability, int]
    runs: Mapping[str, int]


@contextmanager
def _picture(farm: Farm) -> Iterator[sqlite3.Connection]:
    """One consistent picture of the database. Raises `Busy` where it cannot be read."""
    try:
        with farm.database.read() as connection:
            yield connection
    except sqlite3.Error as problem:
        raise Busy(f"the database cannot be read: {problem}") from problem


def read_check(farm: Farm) -> None:
    """Raises `Busy` where the database cannot be read."""
    with _picture(farm) as connection:
        lookup.read_anything(connection)


def jobs_overview(farm: Farm, lists: Sequence[tuple[Roots, int]], before: int | None = None) -> JobsOverview:
    """The lists asked for, each with the most jobs it may show; only jobs below the id `before`, where given."""
    with _picture(farm) as connection:
        found = []
        for which, most in lists:
            ids = overview.newest_roots(connection, which, before, most + 1)
            older = ids[most - 1] if len(ids) > most else None
            found.append(RootList(which, _listed(farm, connection, ids[:most]), older))
        counts = {}
        for which in Roots:
            number = overview.count_roots(connection, which)
            counts[which] = Count(min(number, MOST_COUNTED), number > MOST_COUNTED)
        return JobsOverview(_counters(farm, connection), counts, found)


def _listed(farm: Farm, connection: sqlite3.Connection, job_ids: Sequence[int]) -> list[dict[str, Any]]:
    rows = lookup.jobs_by_id(connection, job_ids)
    return read(chosen(JOB_ATTRIBUTES, _LISTED, ["id"]), Batch(farm, connection, rows))


def _counters(farm: Farm, connection: sqlite3.Connection) -> Counters:
    jobs = overview.count_by_status(connection, [status for status in JobStatus if status not in FINISHED_JOB])
    return Counters(
        active_jobs=sum(jobs.values()),
        running_jobs=sum(jobs.get(status, 0) for status in RUNNING_JOB),
        clients=len(farm.watch.every()),
        clients_running=len(runs.occupancy(connection)),
    )


def job_overview(farm: Farm, job_id: int, children_after: int = 0) -> JobOverview:
    """One job; of its children those above the id `children_after`. Raises `NotFound`."""
    with _picture(farm) as connection:
        rows = lookup.jobs_by_id(connection, [job_id])
        if not rows:
            raise NotFound(f"there is no job {job_id}")
        job = read(chosen(JOB_ATTRIBUTES, _SHOWN, ["id"]), Batch(farm, connection, rows))[0]
        ids = overview.children_after(connection, job_id, children_after, CHILDREN_A_PAGE + 1)
        cells = overview.child_statuses(connection, job_id, MOST_CELLS)
        relatives = [*job["parents"], job["root"]]
        return JobOverview(
            job=job,
            unknown=unknown_properties(rows[0]),
            names=overview.job_names(connection, relatives),
            children_total=rows[0]["children"],
            children=_listed(farm, connection, ids[:CHILDREN_A_PAGE]),
            children_next=ids[CHILDREN_A_PAGE - 1] if len(ids) > CHILDREN_A_PAGE else None,
            cells=[Cell(row["id"], row["name"], row["status"], row["tree_clients"]) for row in cells],
            runs=_runs(farm, overview.newest_runs_of_job(connection, job_id, MOST_RUNS)),
            notes=_notes(connection, job["threadId"]),
        )


def _runs(farm: Farm, rows: Sequence[sqlite3.Row]) -> list[Run]:
    return [
        Run(
            **{name: row[name] for name in ("id", "job_id", "job_name", "work_name", "client_id", "status")},
            **{name: row[name] for name in ("offered_at", "started_at", "ended_at", "exit_code", "reason")},
            **{name: row[name] for name in ("log_size", "cpu_seconds", "max_memory")},
            client=farm.watch.label(row["client_id"]),
            signal=row["signal"] or 0,
            log_truncated=bool(row["log_truncated"]),
        )
        for row in rows
    ]


def _notes(connection: sqlite3.Connection, thread_id: int | None) -> list[Note]:
    if thread_id is None:
        return []
    rows = lookup.notes_of_threads(connection, [thread_id]).get(thread_id, [])
    return [Note(row["at"], row["text"]) for row in rows[-MOST_NOTES:]]


def clients_overview(farm: Farm) -> list[ClientOverview]:
    """All clients by label."""
    with _picture(farm) as connection:
        return _clients_in(farm, connection)


def _clients_in(farm: Farm, connection: sqlite3.Connection, only: int | None = None) -> list[ClientOverview]:
    """All clients by label, or only one, in a picture that is open already."""
    presences = [each for each in farm.watch.every() if only is None or each.row.id == only]
    presences.sort(key=lambda presence: (presence.row.hostname.casefold(), presence.row.name.casefold()))
    found = read(list(CLIENT_ATTRIBUTES.values()), Batch(farm, connection, [each.row for each in presences]))
    occupancy = runs.occupancy(connection, only)
    names = overview.job_names(connection, {job_id for client in found for job_id in client["runningJobs"]})
    monotonic = farm.clock.monotonic()
    clients = []
    for presence, client in zip(presences, found, strict=True):
        cpus_used, live_runs = occupancy.get(presence.row.id, (0, 0))
        silence = presence.silence(monotonic) if presence.heard else None
        clients.append(
            ClientOverview(
                client=client,
                availability=_availability(farm, silence, live_runs, client["available"]),
                silence_seconds=silence,
                runs=live_runs,
                cpus_used=cpus_used,
                jobs=[(job_id, names[job_id]) for job_id in client["runningJobs"]],
            )
        )
    return clients


def _availability(farm: Farm, silence: float | None, live_runs: int, available: bool) -> Availability:
    if silence is None or silence > farm.policy.lost_seconds:
        return Availability.OFFLINE
    if live_runs:
        return Availability.RUNNING
    return Availability.AVAILABLE if available else Availability.UNAVAILABLE


def client_overview(farm: Farm, client_id: int) -> ClientDetail:
    """One client. Raises `NotFound`."""
    with _picture(farm) as connection:
        found = _clients_in(farm, connection, client_id)
        if not found:
            raise NotFound(f"there is no client {client_id}")
        return ClientDetail(
            overview=found[0],
            live=_runs(farm, overview.live_runs_of_client(connection, client_id, MOST_RUNS)),
            ended=_runs(farm, overview.newest_ended_runs_of_client(connection, client_id, MOST_RUNS)),
            notes=_notes(connection, found[0].client["threadId"]),
        )


def farm_counts(farm: Farm) -> FarmCounts:
    """The counts that metrics tell; statuses and availabilities without any are 0."""
    with _picture(farm) as connection:
        jobs = overview.count_by_status(connection, JobStatus)
        clients = [client.availability for client in _clients_in(farm, connection)]
        live = overview.count_live_runs(connection)
    return FarmCounts(
        jobs={str(status): jobs.get(status, 0) for status in JobStatus},
        clients={availability: clients.count(availability) for availability in Availability},
        runs={str(status): live.get(status, 0) for status in LIVE_RUN},
    )
