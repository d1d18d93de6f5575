"""The sheet: every job row a transaction touches, read once, changed in memory, settled and written once.

All counters move here, so that what stands on a job's row always equals a recount from scratch: a change of a work
item adds its delta to the job and to every distinct ancestor, a change of a job's status moves its parents' counts and
is pushed to them until nothing changes any more (DESIGN, How a job moves).
"""

from __future__ import annotations

import sqlite3

from hqserver.domain.errors import NotFound
from hqserver.domain.family import fails_its_parent, rollup
from hqserver.domain.job import PROGRESS_UNIT, Tree
from hqserver.domain.lifecycle import WorkEvent, advance_work
from hqserver.domain.status import FINISHED_JOB, FINISHED_WORK, JobStatus, WorkStatus
from hqserver.store import history, jobs, runs, work
from hqserver.store.database import Transaction


class Sheet:
    """One transaction's jobs. Use as a context manager: leaving the block settles and writes."""

    def __init__(self, transaction: Transaction, now: float):
        """`now`: UTC epoch seconds, the time of everything that happens in this transaction."""
        self.transaction = transaction
        self.connection: sqlite3.Connection = transaction.connection
        self.now = now
        self._rows: dict[int, jobs.JobRow] = {}
        self._unsettled: dict[int, tuple[str, int | None]] = {}
        self._tree_changes: dict[int, Tree] = {}
        self._presence: dict[tuple[int, int], int] = {}
        self._ancestors: dict[int, tuple[int, ...]] = {}
        self._history: list[history.Entry] = []

    def __enter__(self) -> Sheet:
        return self

    def __exit__(self, kind: object, problem: object, trace: object) -> None:
        if kind is None:
            self.settle()
            self.flush()

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

    def ancestors(self, job_id: int) -> tuple[int, ...]:
        """Ids of the job's distinct ancestors."""
        found = self._ancestors.get(job_id)
        if found is None:
            has_any = self.job(job_id).parents > 0
            found = tuple(jobs.ancestors_of(self.connection, [job_id])) if has_any else ()
            self._ancestors[job_id] = found
        return found

    def note(self, job_id: int, event: str, message: str = "", client_id: int | None = None) -> None:
        """A line of the job's history that is no change of its status."""
        self._history.append(history.Entry(job_id, self.now, event, self.job(job_id).status, message, client_id))

    def unsettle(self, job_id: int, reason: str, client_id: int | None = None) -> None:
        """The job's status may have changed: work it out when the transaction settles.

        `reason`, and the client on which it lies, go to history.
        """
        self._unsettled.setdefault(job_id, (reason, client_id))

    # Work items ------------------------------------------------------------------------------------------------

    def move_work(
        self,
        item: work.WorkRow,
        event: WorkEvent,
        reason: str,
        *,
        client_id: int | None = None,
        seconds: float | None = None,
        claimable: bool = False,
    ) -> None:
        """Move one work item. `client_id`: the client on which `reason` lies. `seconds`: run time of one that
        succeeded. `claimable`: its client is lost, so another may have it."""
        was, now = item.status, advance_work(item.status, event)
        row = self.job(item.job_id)
        row.work[was] -= 1
        row.work[now] += 1
        item.status = now
        wanted = int(claimable or now is WorkStatus.RUNNABLE)
        row.claimable += wanted - item.claimable
        item.claimable = wanted
        change = self._tree_change(item.job_id)
        was_live = 0 if was in FINISHED_WORK else item.progress
        old_progress = item.progress
        if now is WorkStatus.SUCCEEDED:
            item.progress = PROGRESS_UNIT
        elif now is WorkStatus.RUNNABLE or event is WorkEvent.CLAIMED:
            item.progress = 0
        now_live = 0 if now in FINISHED_WORK else item.progress
        self._count_progress(row, change, item.progress - old_progress, now_live - was_live)
        change.work_ended += (now in FINISHED_WORK) - (was in FINISHED_WORK)
        duration_ms = None
        if now is WorkStatus.SUCCEEDED:
            duration_ms = int((seconds or 0.0) * 1000)
            row.own_durations_ms += duration_ms
            row.own_work_timed += 1
            change.durations_ms += duration_ms
            change.work_timed += 1
        work.save(self.connection, item, duration_ms)
        self.unsettle(item.job_id, reason, client_id)

    def offer_again(self, item: work.WorkRow, claimable: bool) -> None:
        """Whether dispatch may give running work to another client, because the one that has it is lost."""
        self.job(item.job_id).claimable += int(claimable) - item.claimable
        item.claimable = int(claimable)
        work.save(self.connection, item, None)

    def move_waiting_work(self, row: jobs.JobRow, was: WorkStatus, event: WorkEvent, reason: str) -> None:
        """Move all the job's work items that wait in one status; no run holds such."""
        if not row.work[was]:
            return
        now = advance_work(was, event)
        moved = work.move_all(self.connection, row.id, was, now)
        row.work[was] -= moved
        row.work[now] += moved
        row.claimable += moved * ((now is WorkStatus.RUNNABLE) - (was is WorkStatus.RUNNABLE))
        self._tree_change(row.id).work_ended += moved * ((now in FINISHED_WORK) - (was in FINISHED_WORK))
        self.unsettle(row.id, reason)

    def set_progress(self, item: work.WorkRow, progress: int) -> None:
        """How far the running command is, in `PROGRESS_UNIT`."""
        change = progress - item.progress
        item.progress = progress
        work.save_progress(self.connection, item.id, progress)
        self._count_progress(self.job(item.job_id), self._tree_change(item.job_id), change, change)

    def _count_progress(self, row: jobs.JobRow, change: Tree, progress: int, live: int) -> None:
        row.own_progress += progress
        row.own_progress_live += live
        change.progress += progress
        change.progress_live += live

    def _tree_change(self, job_id: int) -> Tree:
        change = self._tree_changes.get(job_id)
        if change is None:
            change = self._tree_changes[job_id] = Tree()
        return change

    # Runs ------------------------------------------------------------------------------------------------------

    def run_began(self, job_id: int, client_id: int) -> None:
        """A client holds a run of the job from now on."""
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

    # Settling --------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Work out the statuses that may have changed and push what follows to the parents, until it is quiet."""
        while self._unsettled:
            job_id, (reason, client_id) = next(iter(self._unsettled.items()))
            del self._unsettled[job_id]
            row = self.job(job_id)
            self._release_work(row)
            status = rollup(
                row.work,
                cancelled=bool(row.cancelled),
                has_run=row.command_started_at is not None,
                children_unfinished=row.children_unfinished,
                children_failed=row.children_failed,
            )
            if status is not row.status:
                because = _because_of_children(row, status)
                self._set_status(row, status, because or reason, None if because else client_id)

    def _release_work(self, row: jobs.JobRow) -> None:
        """Work waits while a child lives; children that ended let it go, or fail it (CONTRACT 2.2)."""
        if row.children_unfinished:
            # A command that added children and is to be tried again waits for them like any parent's.
            self.move_waiting_work(row, WorkStatus.RUNNABLE, WorkEvent.CHILD_ADDED, "its children have not ended")
        elif not row.work[WorkStatus.QUEUED]:
            return
        elif row.children_failed:
            self.move_waiting_work(row, WorkStatus.QUEUED, WorkEvent.CHILDREN_FAILED, "a child failed")
        else:
            self.move_waiting_work(row, WorkStatus.QUEUED, WorkEvent.CHILDREN_SUCCEEDED, "all children succeeded")

    def _set_status(self, row: jobs.JobRow, status: JobStatus, reason: str, client_id: int | None) -> None:
        was, row.status = row.status, status
        row.updated_at = self.now
        finished = status in FINISHED_JOB
        if status is JobStatus.RUNNABLE and row.runnable_at is None:
            row.runnable_at = self.now
        row.ended_at = self.now if finished else None
        row.outcome = "" if status is not JobStatus.SUCCEEDED else "exit" if sum(row.work.values()) else "empty"
        self._history.append(history.Entry(row.id, self.now, "status", status, reason, client_id))
        ended = finished - (was in FINISHED_JOB)
        failed = fails_its_parent(status) - fails_its_parent(was)
        change = self._tree_change(row.id)
        change.jobs_finished += ended
        change.jobs_failed += failed
        if ended or failed:
            for parent_id in jobs.parents_of(self.connection, row.id) if row.parents else ():
                parent = self.job(parent_id)
                parent.children_unfinished -= ended
                parent.children_failed += failed
                self.unsettle(parent_id, f"child {row.id} {status}")

    def flush(self) -> None:
        """Write what changed. The sheet may be used on."""
        for job_id, change in self._tree_changes.items():
            for each in (job_id, *self.ancestors(job_id)):
                self.job(each).tree.add(change)
        for (job_id, client_id), count in self._presence.items():
            if count:
                for each in (job_id, *self.ancestors(job_id)):
                    self.job(each).tree_clients += runs.count_presence(self.connection, each, client_id, count)
        for row in self._rows.values():
            row.updated_at = max(row.updated_at, self.now)
        jobs.save(self.connection, self._rows.values())
        history.append(self.connection, self._history)
        self._tree_changes.clear()
        self._presence.clear()
        self._history.clear()


def _because_of_children(row: jobs.JobRow, status: JobStatus) -> str:
    """The reason of a status that all the children decided together and not the last one to end; "" for others."""
    if status is JobStatus.FAILED and row.children_failed:
        return f"{row.children_failed} of {row.children} children did not succeed"
    if row.children and row.status is JobStatus.QUEUED and status in (JobStatus.RUNNABLE, JobStatus.SUCCEEDED):
        return "all children succeeded"
    return ""
