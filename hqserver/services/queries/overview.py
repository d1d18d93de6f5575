"""A job as the page shows it: each function is one consistent picture, bounded in size.

What a job is like is read through the same attributes as `getJobs` reads it. Lists of jobs stand in `overview_jobs`,
clients in `overview_clients`, everything else of the farm in `overview_inventory`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hqserver.domain.errors import Busy, NotFound
from hqserver.services.attributes import Batch, chosen, moment, read
from hqserver.services.farm import Farm
from hqserver.store import callbacks, lookup, overview, results
from hqserver.store.callbacks import CallbackRow

from .job_attributes import JOB_ATTRIBUTES, unknown_properties

CHILDREN_A_PAGE = 200
MOST_CELLS = 2000
MOST_RUNS = 50
MOST_LINES = 200
MOST_NOTES = 50
MOST_PARENTS = 50
MOST_BLOCKED = 50
MOST_OF_RESULT = 20_000

_LISTED = (
    *("name", "description", "submittedBy", "priority", "status", "uiStatus", "waitingFor", "overallProgress"),
    *("tasks", "ETA", "queueTime", "startTime", "endTime", "threadId", "latestNote", "held", "blockedClients"),
    "showBlockedClientsWarning",
)
_SHOWN = (
    *(*_LISTED, "progress", "root", "cpus", "triesLeft", "outcome", "unconfirmed", "uuid", "runnableTime"),
    *("commandStartTime", "commandEndTime", "command", "hooks", "shell", "environment", "properties", "workCounts"),
    *("clientsOnHold", "conditions", "tags", "resources", "hosts", "maxTime", "emailTo", "emailReasons"),
    "splitOutput",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A child at a glance. `held`: what holds it back, "" for nothing; `clients`: how many are at work for it and
    below. Times are UTC epoch seconds."""

    id: int
    name: str
    status: str
    held: str
    clients: int
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as people read it. Times are UTC epoch seconds, memory is in kB, `signal` 0 stands for none.

    `kind` names the hook that it ran, "" for the command; `slot` is above 0 on the further clients of a job that has
    several. `listed`: the client has a page, since it was not removed from the farm.
    """

    id: str
    job_id: int
    job_name: str
    work_name: str
    client_id: int
    client: str
    listed: bool
    kind: str
    slot: int
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
class BlockedClient:
    """A client that failed so much of a root job that it gets no more of it (CONTRACT 3.6). `listed` as in `Run`."""

    client_id: int
    client: str
    listed: bool
    failures: int


@dataclass(frozen=True, slots=True)
class JobOverview:
    """One job by attribute, and what belongs to it.

    `unknown` are properties that nobody knows, as `x-NAME`. `children` is a page of the direct ones, `children_next`
    the id after which they go on; `children_total` counts them all. `cells` are the first `MOST_CELLS` children.
    `parents` are the ids of the oldest, `parents_total` counts them all; `names` has theirs and the root's. `runs` are
    the newest, newest first; `notes` the newest, oldest first; `log` the newest lines of the status log as attribute
    `logs` has them, oldest first, and `log_cut` says that there are more. `callbacks` are its own, not those for every
    job. `result`: the first `MOST_OF_RESULT` characters of its result, which is JSON, and how many it has.
    """

    job: dict[str, Any]
    unknown: dict[str, Any]
    names: Mapping[int, str]
    parents: list[int]
    parents_total: int
    children_total: int
    children: list[dict[str, Any]]
    children_next: int | None
    cells: list[Cell]
    runs: list[Run]
    blocked: list[BlockedClient]
    log: list[dict[str, Any]]
    log_cut: bool
    notes: list[Note]
    callbacks: list[CallbackRow]
    result: tuple[str, int] | None


@contextmanager
def readable() -> Iterator[None]:
    """Raises `Busy` where the database cannot be read within."""
    try:
        yield
    except sqlite3.Error as problem:
        raise Busy(f"the database cannot be read: {problem}") from problem


@contextmanager
def picture(farm: Farm) -> Iterator[sqlite3.Connection]:
    """One consistent picture of the database. Raises `Busy` where it cannot be read."""
    with readable(), farm.database.read() as connection:
        yield connection


def read_check(farm: Farm) -> None:
    """Raises `Busy` where the database cannot be read."""
    with picture(farm) as connection:
        lookup.read_anything(connection)


def listed(farm: Farm, connection: sqlite3.Connection, job_ids: Sequence[int]) -> list[dict[str, Any]]:
    """These jobs, with what lists show of them."""
    rows = lookup.jobs_by_id(connection, job_ids)
    return read(chosen(JOB_ATTRIBUTES, _LISTED, ["id"]), Batch(farm, connection, rows))


def job_overview(farm: Farm, job_id: int, children_after: int = 0) -> JobOverview:
    """One job; of its children those above the id `children_after`. Raises `NotFound`."""
    with picture(farm) as connection:
        rows = lookup.jobs_by_id(connection, [job_id])
        if not rows:
            raise NotFound(f"there is no job {job_id}")
        row, most_failures = rows[0], farm.policy.max_failures_per_client
        job = read(chosen(JOB_ATTRIBUTES, _SHOWN, ["id"]), Batch(farm, connection, rows))[0]
        parents = overview.parents_of(connection, job_id, MOST_PARENTS)
        ids = overview.children_after(connection, job_id, children_after, CHILDREN_A_PAGE + 1)
        log = overview.newest_history(connection, job_id, MOST_LINES + 1)
        return JobOverview(
            job=job,
            unknown=unknown_properties(row),
            names=overview.job_names(connection, [*parents, job["root"]]),
            parents=parents,
            parents_total=row["parents"],
            children_total=row["children"],
            children=listed(farm, connection, ids[:CHILDREN_A_PAGE]),
            children_next=ids[CHILDREN_A_PAGE - 1] if len(ids) > CHILDREN_A_PAGE else None,
            cells=[_cell(cell) for cell in overview.child_statuses(connection, job_id, MOST_CELLS)],
            runs=runs_of(farm, overview.newest_runs_of_job(connection, job_id, MOST_RUNS)),
            blocked=[
                BlockedClient(client_id, farm.watch.label(client_id), is_listed(farm, client_id), failed)
                for client_id, failed in overview.blocked_clients(
                    connection, row["root_id"], most_failures, MOST_BLOCKED
                )
            ],
            log=[_line(farm, line) for line in log[:MOST_LINES]][::-1],
            log_cut=len(log) > MOST_LINES,
            notes=notes_of(connection, job["threadId"]),
            callbacks=callbacks.of_job(connection, job_id),
            result=results.start_of(connection, job_id, MOST_OF_RESULT),
        )


def _cell(row: sqlite3.Row) -> Cell:
    held, clients = row["held"], row["tree_clients"]
    return Cell(row["id"], row["name"], row["status"], held, clients, row["started_at"], row["ended_at"])


def _line(farm: Farm, row: sqlite3.Row) -> dict[str, Any]:
    """A line of history in the shape that attribute `logs` has (CONTRACT 9.14)."""
    shown = {name: row[name] for name in ("event", "status", "message")}
    return {"time": moment(row["at"]), **shown, "client": farm.watch.label(row["client_id"])}


def is_listed(farm: Farm, client_id: int | None) -> bool:
    """Whether the client is in the lists of the farm, and has a page: it was not removed."""
    presence = None if client_id is None else farm.watch.get(client_id)
    return presence is not None and not presence.row.removed


def runs_of(farm: Farm, rows: Sequence[sqlite3.Row]) -> list[Run]:
    """Rows of runs, with the names of their job and work, as people read them."""
    return [
        Run(
            **{name: row[name] for name in ("id", "job_id", "job_name", "work_name", "client_id", "status")},
            **{name: row[name] for name in ("offered_at", "started_at", "ended_at", "exit_code", "reason")},
            **{name: row[name] for name in ("log_size", "cpu_seconds", "max_memory", "kind", "slot")},
            client=farm.watch.label(row["client_id"]),
            listed=is_listed(farm, row["client_id"]),
            signal=row["signal"] or 0,
            log_truncated=bool(row["log_truncated"] or row["stderr_truncated"]),
        )
        for row in rows
    ]


def notes_of(connection: sqlite3.Connection, thread_id: int | None) -> list[Note]:
    """The newest notes of a thread, oldest first; none of None."""
    if thread_id is None:
        return []
    rows = overview.newest_notes_of_thread(connection, thread_id, None, MOST_NOTES)
    return [Note(row["at"], row["text"]) for row in reversed(rows)]
