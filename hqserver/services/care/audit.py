"""Counting anew what stands on the rows of jobs, and saying so where it differs (DESIGN, How a job moves).

Nothing is repaired: a counter that is wrong has a cause, and repairing it would hide that.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from hqserver.domain.family import rollup
from hqserver.domain.status import JobStatus
from hqserver.store import audit, jobs, lineage
from hqserver.store.database import Database

_LOG = logging.getLogger(__name__)
_SLICE_SECONDS = 0.05
_JOBS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """What stands on a job's row under a name, and what a count from scratch gives."""

    job_id: int
    name: str
    stands: object
    counted: object

    def __str__(self) -> str:
        return f"job {self.job_id}: {self.name} is {self.stands}, counted {self.counted}"


@dataclass(slots=True)
class Audit:
    """An audit of the whole farm in slices, round after round, so that nobody waits behind it."""

    database: Database
    last: int = 0
    """The job after which the next slice begins."""
    jobs: int = 0
    """Jobs counted in this round."""
    told: set[str] = field(default_factory=set)
    """What was found in the round before and in this one: it is told once, however many rounds find it."""
    found: set[str] = field(default_factory=set)
    """What was found in this round."""

    def slice(self, seconds: float = _SLICE_SECONDS) -> list[Difference]:
        """Count the next jobs, for about so long, and log every new difference as an error; the differences."""
        began, found = time.monotonic(), list[Difference]()
        with self.database.read() as connection:
            ids = audit.ids_after(connection, self.last, _JOBS_AT_ONCE)
            for job_id in ids:
                found += differences(connection, job_id)
                self.last = job_id
                self.jobs += 1
                if time.monotonic() - began > seconds:
                    break
        for each in map(str, found):
            if each not in self.told:
                _LOG.error("the audit found: %s", each)
            self.found.add(each)
        self.told |= self.found
        if not ids:
            _LOG.debug("the audit counted %d jobs and found %d differences", self.jobs, len(self.found))
            self.told, self.found = self.found, set()
            self.last = self.jobs = 0
        return found


def audit_all(database: Database) -> tuple[int, list[Difference]]:
    """Count the whole farm at once: how many jobs that were, and the differences."""
    found, counted, last = list[Difference](), 0, 0
    while True:
        with database.read() as connection:
            ids = audit.ids_after(connection, last, _JOBS_AT_ONCE)
            if not ids:
                return counted, found
            for job_id in ids:
                found += differences(connection, job_id)
        counted, last = counted + len(ids), ids[-1]


def differences(connection: sqlite3.Connection, job_id: int) -> list[Difference]:
    """Where the job's row differs from a count, and its status from the rollup of what was counted."""
    row = jobs.load(connection, job_id)
    if row is None:
        return []
    return [
        Difference(job_id, name, stands, counted)
        for name, stands, counted in _compared(connection, row)
        if stands != counted
    ]


def _compared(connection: sqlite3.Connection, row: jobs.JobRow) -> Iterator[tuple[str, object, object]]:
    work = audit.count_work(connection, row.id)
    children, unfinished, failed, ending = audit.count_children(connection, row.id)
    yield "tree", row.tree, lineage.recount_tree(connection, row.id)
    yield "clients at work", row.tree_clients, lineage.count_clients(connection, row.id)
    yield "clients miscounted", [], audit.clients_miscounted(connection, row.id)
    for status, count in row.work.items():
        yield f"{status} work", count, work.by_status[status]
    yield "claimable work", row.claimable, work.claimable
    yield "progress", row.own_progress, work.progress
    yield "live progress", row.own_progress_live, work.progress_live
    yield "run times", row.own_durations_ms, work.durations_ms
    yield "timed work", row.own_work_timed, work.timed
    yield "pending work", row.pending, work.pending
    yield "work without a run", [], audit.work_without_owner(connection, row.id)
    yield "parents", row.parents, audit.count_parents(connection, row.id)
    yield "children", row.children, children
    yield "unfinished children", row.children_unfinished, unfinished
    yield "failed children", row.children_failed, failed
    yield "ending children", row.children_ending, ending
    rolled_up = rollup(
        work.by_status,
        cancelled=bool(row.cancelled),
        has_run=row.command_started_at is not None,
        children_unfinished=unfinished,
        children_failed=failed + row.deleted_failed,
        children_ending=0 if row.status is JobStatus.CANCELLED else ending,
        held=row.held,
        pending=work.pending,
        by_hand=bool(row.by_hand),
    )
    yield "status", str(row.status), str(rolled_up)
