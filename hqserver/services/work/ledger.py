"""The ledger: the job rows a transaction touches, read once, changed in memory and written once, with what they count.

A change of a work item adds its delta to the job and to every distinct ancestor, so that what stands on a job's row
always equals a recount from scratch (DESIGN, How a job moves; CONTRACT 9.19).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable

from hqserver.domain.errors import NotFound
from hqserver.domain.event import DELETED, Event, EventKind
from hqserver.domain.job import Tree
from hqserver.domain.status import WORK_ON_CLIENT, JobStatus
from hqserver.services.events import events
from hqserver.services.events.notices import queue_mail
from hqserver.services.farm import Farm
from hqserver.store import history, jobs, lineage, runs, work
from hqserver.store.database import Transaction
from hqserver.store.kin import ancestors_of_each


class Ledger:
    """One transaction's job rows, their counters and their history."""

    def __init__(self, farm: Farm, transaction: Transaction):
        self.farm = farm
        self.transaction = transaction
        self.connection: sqlite3.Connection = transaction.connection
        self.now = farm.clock.now()
        """UTC epoch seconds: the time of everything that happens in this transaction."""
        self._rows: dict[int, jobs.JobRow] = {}
        self._tree_changes: dict[int, Tree] = {}
        self._presence: dict[tuple[int, int], int] = {}
        self._ancestors: dict[int, tuple[int, ...]] = {}
        self._at_rest: set[int] = set()
        self._history: list[history.Entry] = []
        self._was: dict[int, JobStatus] = {}
        self._told: list[Event] = []

    def job(self, job_id: int) -> jobs.JobRow:
        """The job's row. Raises `NotFound`."""
        row = self.find(job_id)
        if row is None:
            raise NotFound(f"there is no job {job_id}")
        return row

    def find(self, job_id: int) -> jobs.JobRow | None:
        """The job's row, None for an unknown id."""
        row = self._rows.get(job_id)
        if row is None:
            row = jobs.load(self.connection, job_id)
            if row is not None:
                self._rows[job_id] = row
        return row

    def read(self, job_ids: Iterable[int]) -> None:
        """Read the rows of these jobs at once, and who stands above them, so that asking for each costs nothing."""
        missing = [each for each in job_ids if each not in self._rows]
        self._rows.update((row.id, row) for row in jobs.load_all(self.connection, missing))
        wanted = [each for each in missing if each in self._rows and each not in self._ancestors]
        above = ancestors_of_each(self.connection, wanted)
        self._ancestors.update((each, tuple(above.get(each, ()))) for each in wanted)

    def read_runs(self, job_ids: Collection[int]) -> None:
        """Find out at once which of these jobs have live runs, so that asking for those of the others costs nothing."""
        self._at_rest |= set(job_ids) - runs.jobs_with_live(self.connection, job_ids)

    def live_runs(self, job_id: int) -> list[runs.RunRow]:
        """The job's runs that have not ended, those of further clients left out: they follow the first."""
        return [] if job_id in self._at_rest else runs.live_of_job(self.connection, job_id)

    def ancestors(self, job_id: int) -> tuple[int, ...]:
        """Ids of the job's distinct ancestors."""
        found = self._ancestors.get(job_id)
        if found is None:
            has_any = self.job(job_id).parents > 0
            found = tuple(lineage.ancestors_of(self.connection, [job_id])) if has_any else ()
            self._ancestors[job_id] = found
        return found

    def note(self, job_id: int, event: str, message: str = "", client_id: int | None = None) -> None:
        """A line of the job's history that is no change of its status."""
        row = self.job(job_id)
        self._history.append(history.Entry(job_id, self.now, event, row.status, message, client_id))
        self.tell(row, EventKind.HISTORY, "", event, message, client_id)

    def log(self, row: jobs.JobRow, was: JobStatus, reason: str, client_id: int | None) -> None:
        """The line of the job's history that tells a change of its status."""
        self._was.setdefault(row.id, was)
        self._history.append(history.Entry(row.id, self.now, "status", row.status, reason, client_id))
        self.tell(row, EventKind.JOB, was, row.status, reason, client_id)

    def tell(
        self, row: jobs.JobRow, kind: EventKind, was: str, now: str, reason: str, client_id: int | None, work: str = ""
    ) -> None:
        """An event of the job, of its `work` or of a run, for the farm's journal."""
        label = self.farm.watch.label(client_id)
        self._told.append(Event(kind, row.id, row.root_id, work, label, was, now, reason))

    # Counters --------------------------------------------------------------------------------------------------

    def tree_change(self, job_id: int) -> Tree:
        """What this transaction adds to the counters of the job and of every distinct ancestor."""
        change = self._tree_changes.get(job_id)
        if change is None:
            change = self._tree_changes[job_id] = Tree()
        return change

    def count_progress(self, row: jobs.JobRow, progress: int, live: int) -> None:
        """Progress of the job's own work changed, and the part of it that stands on work which has not ended."""
        row.own_progress += progress
        row.own_progress_live += live
        if not row.weightless:
            change = self.tree_change(row.id)
            change.progress += progress
            change.progress_live += live

    def count_duration(self, row: jobs.JobRow, milliseconds: int, items: int) -> None:
        """Run times of the job's own work that succeeded changed."""
        row.own_durations_ms += milliseconds
        row.own_work_timed += items
        if not row.weightless:
            change = self.tree_change(row.id)
            change.durations_ms += milliseconds
            change.work_timed += items

    def run_began(self, job_id: int, client_id: int) -> None:
        """A client holds a run of the job from now on."""
        self._at_rest.discard(job_id)
        self._presence[job_id, client_id] = self._presence.get((job_id, client_id), 0) + 1

    def run_ended(self, job_id: int, client_id: int) -> None:
        """A client holds one run of the job less."""
        self._presence[job_id, client_id] = self._presence.get((job_id, client_id), 0) - 1

    def command_started(self, job_id: int, at: float) -> None:
        """The job's command runs: note the time on it and, where it is the first, on its ancestors."""
        row = self.job(job_id)
        if row.command_started_at is None:
            row.command_started_at = at
        for each in (job_id, *self.ancestors(job_id)):
            relative = self.job(each)
            if relative.started_at is None:
                relative.started_at = at

    def at_work(self, row: jobs.JobRow) -> int:
        """How many of the job's work items are on a client that is not lost: what `maxConcurrent` limits."""
        held = sum(row.work[status] for status in WORK_ON_CLIENT)
        return held - work.count_lost(self.connection, row.id) if held else 0

    def write_rows(self) -> None:
        """Write the jobs' rows, so that queries see them. Their history is written with `flush`."""
        for job_id, change in self._tree_changes.items():
            for each in (job_id, *self.ancestors(job_id)):
                self.job(each).tree.add(change)
        for (job_id, client_id), count in self._presence.items():
            if count:
                for each in (job_id, *self.ancestors(job_id)):
                    self.job(each).tree_clients += lineage.count_presence(self.connection, each, client_id, count)
        for row in self._rows.values():
            row.updated_at = max(row.updated_at, self.now)
            if row.max_concurrent:
                row.capped = int(self.at_work(row) >= row.max_concurrent)
        jobs.save(self.connection, self._rows.values())
        self._tree_changes.clear()
        self._presence.clear()

    def flush(self) -> None:
        """Write what changed. The ledger may be used on."""
        self.write_rows()
        entries = [entry for entry in self._history if entry.event != "status" or not self._only_between(entry.job_id)]
        history.append(self.connection, entries)
        mailed = [entry for entry in entries if self._rows[entry.job_id].mail_reasons]
        if mailed:
            queue_mail(self.farm, self.connection, mailed, self.now)
        told = [each for each in self._told if each.kind is not EventKind.JOB or not self._only_between(each.job_id)]
        events.tell(self.farm, self.transaction, told, self.now)
        self._history.clear()
        self._told.clear()
        self._was.clear()

    def _only_between(self, job_id: int | None) -> bool:
        """Whether the job's changes of status tell nobody anything: between two pieces of an agenda none runs, and
        the next one is given out in the transaction in which the one before it ended."""
        row = self._rows.get(job_id or 0)
        return row is not None and bool(row.agenda) and self._was.get(row.id) is row.status

    def reread(self) -> None:
        """Write what changed and read every row anew from here on, because a query is about to change some."""
        self.flush()
        self._rows.clear()

    def forget(self, job_ids: Collection[int]) -> None:
        """These jobs are about to be deleted: nothing of them is written any more. All else is written first."""
        for job_id in job_ids:
            row = self._rows.pop(job_id, None)
            if row is not None:
                self.tell(row, EventKind.JOB, row.status, DELETED, "", None)
        self.flush()
        self._ancestors.clear()
