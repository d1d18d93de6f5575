"""The sheet: a ledger on which work moves and jobs settle. Jobs' statuses change here and nowhere else.

A job whose work or children changed is unsettled: its waiting work is released, its status worked out anew, and a
change of that is pushed to its parents until nothing changes any more (DESIGN, How a job moves).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from hqserver.domain.event import EventKind
from hqserver.domain.family import fails_its_parent, rollup
from hqserver.domain.hooks import hooks_after
from hqserver.domain.job import PROGRESS_UNIT
from hqserver.domain.lifecycle import WorkEvent, advance_work
from hqserver.domain.status import FINISHED_JOB, FINISHED_WORK, WORK_ON_CLIENT, JobStatus, WorkStatus
from hqserver.services.events.events import pieces
from hqserver.services.farm import Farm
from hqserver.store import failures, jobs, lineage, notes, runs, work
from hqserver.store.database import Transaction

from .ledger import Ledger

_FROM_NOUGHT = (WorkStatus.QUEUED, WorkStatus.RUNNABLE)


class Sheet(Ledger):
    """One transaction's jobs. Use as a context manager: leaving the block settles and writes."""

    def __init__(self, farm: Farm, transaction: Transaction, caller: int | None = None):
        """`caller`: the client whose call this is; it is answered and need not be woken."""
        super().__init__(farm, transaction)
        self._caller = caller
        # Taken from its front, which a plain dictionary would look for anew each time.
        self._unsettled: OrderedDict[int, tuple[str, int | None]] = OrderedDict()
        self.orders: set[int] = set()
        """Clients for which there is something new to do."""

    def __enter__(self) -> Sheet:
        return self

    def __exit__(self, kind: object, problem: object, trace: object) -> None:
        if kind is None:
            self.settle()
            self.flush()
            if self.orders:
                self.transaction.after_commit(self._announce)

    def _announce(self) -> None:
        """Tell the clients for which there is something new to do."""
        for client_id in self.orders:
            presence = self.farm.watch.get(client_id)
            if presence is not None:
                presence.orders_waiting = True
                if client_id != self._caller:
                    self.farm.wake(client_id)

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
    ) -> None:
        """Move one work item. `client_id`: the client on which `reason` lies. `seconds`: run time of one that
        succeeded."""
        was, now = item.status, advance_work(item.status, event)
        row = self.job(item.job_id)
        row.work[was] -= 1
        row.work[now] += 1
        item.status = now
        item.delayed = int(event is WorkEvent.POSTPONED)
        wanted = int(now is WorkStatus.RUNNABLE and not item.delayed)
        row.claimable += wanted - item.claimable
        item.claimable = wanted
        change = self.tree_change(item.job_id)
        was_live = 0 if was in FINISHED_WORK else item.progress
        old_progress = item.progress
        if now is WorkStatus.SUCCEEDED or event is WorkEvent.COMMAND_ENDED:
            item.progress = PROGRESS_UNIT
        elif not item.pending and (now in _FROM_NOUGHT or event is WorkEvent.CLAIMED):
            item.progress = 0
        now_live = 0 if now in FINISHED_WORK else item.progress
        self.count_progress(row, item.progress - old_progress, now_live - was_live)
        if not row.weightless:
            change.work_ended += (now in FINISHED_WORK) - (was in FINISHED_WORK)
        if item.duration_ms is not None:
            self.count_duration(row, -item.duration_ms, -1)
            item.duration_ms = None
        if now is WorkStatus.SUCCEEDED:
            item.duration_ms = int((seconds or 0.0) * 1000)
            self.count_duration(row, item.duration_ms, 1)
        work.save(self.connection, item)
        if row.agenda and now is not was:
            self.tell(row, EventKind.WORK, was, now, reason, client_id, item.name)
        self.unsettle(item.job_id, reason, client_id)

    def add_work(self, row: jobs.JobRow, status: WorkStatus, added: Sequence[work.NewWork]) -> None:
        """Store further work items of the job, all in one status."""
        work.insert(self.connection, added)
        row.work[status] += len(added)
        row.claimable += len(added) * (status is WorkStatus.RUNNABLE)
        if not row.weightless:
            self.tree_change(row.id).work += len(added)
        self._tell_of_pieces(row, len(added), "", status, "work was added")
        self.unsettle(row.id, "work was added")

    def offer_again(self, item: work.WorkRow, claimable: bool) -> None:
        """Whether dispatch may give running work to another client, because the one that has it is lost."""
        self.job(item.job_id).claimable += int(claimable) - item.claimable
        item.claimable = int(claimable)
        work.save(self.connection, item)

    def end_delay(self, item: work.WorkRow) -> None:
        """Work that was put back for a while may be given out again."""
        item.delayed = 0
        self.offer_again(item, claimable=item.status is WorkStatus.RUNNABLE)

    def move_waiting_work(self, row: jobs.JobRow, was: WorkStatus, event: WorkEvent, reason: str) -> None:
        """Move all the job's work items that wait in one status; no run holds such."""
        if not row.work[was]:
            return
        now = advance_work(was, event)
        if now in FINISHED_WORK and (row.own_progress_live or now is WorkStatus.SUCCEEDED):
            # A command may have ended while children that it added live: what it did is not ahead any more.
            ahead = work.progress_of(self.connection, row.id, was)
            whole = row.work[was] * PROGRESS_UNIT if now is WorkStatus.SUCCEEDED else ahead
            self.count_progress(row, whole - ahead, -ahead)
        were_claimable = self._claimable_in(row, was)
        moved = work.move_all(self.connection, row.id, was, now)
        row.work[was] -= moved
        row.work[now] += moved
        row.claimable += moved * (now is WorkStatus.RUNNABLE) - were_claimable
        if not row.weightless:
            self.tree_change(row.id).work_ended += moved * ((now in FINISHED_WORK) - (was in FINISHED_WORK))
        self._tell_of_pieces(row, moved, was, now, reason)
        self.unsettle(row.id, reason)

    def _claimable_in(self, row: jobs.JobRow, status: WorkStatus) -> int:
        """How many of the job's work items that wait in this status dispatch may give out."""
        if status is not WorkStatus.RUNNABLE or not row.claimable:
            return 0
        # Else some may be those of lost clients.
        alone = not any(row.work[each] for each in WORK_ON_CLIENT)
        return row.claimable if alone else work.count_claimable(self.connection, row.id, status)

    def _tell_of_pieces(self, row: jobs.JobRow, count: int, was: str, now: str, reason: str) -> None:
        """One event for pieces of an agenda that changed together, however many they are."""
        if row.agenda and count:
            self.tell(row, EventKind.WORK, was, now, pieces(count, reason), None)

    def reset_work(self, row: jobs.JobRow, statuses: Sequence[WorkStatus], reason: str) -> None:
        """Have the job's work items in these statuses, which have all ended, done again with all their tries."""
        found = work.sums(self.connection, row.id, statuses)
        work.reset(self.connection, row.id, statuses, row.tries_given)
        for was, each in found.items():
            now = advance_work(was, WorkEvent.RESET)
            row.work[was] -= each.items
            row.work[now] += each.items
            self.count_progress(row, -each.progress, 0)
            self.count_duration(row, -each.durations_ms, -each.timed)
            if not row.weightless:
                self.tree_change(row.id).work_ended -= each.items
            self._tell_of_pieces(row, each.items, was, now, reason)
        self.unsettle(row.id, reason)

    def set_progress(self, item: work.WorkRow, progress: int) -> None:
        """How far the running command is, in `PROGRESS_UNIT`."""
        change = progress - item.progress
        item.progress = progress
        work.save_progress(self.connection, item.id, progress)
        self.count_progress(self.job(item.job_id), change, change)

    # Runs ------------------------------------------------------------------------------------------------------

    def client_failed(self, job_id: int, client_id: int) -> None:
        """A client failed work of the job; too often for one root job, and it gets no more of that (CONTRACT 3.6)."""
        root_id = self.job(job_id).root_id
        if failures.count(self.connection, root_id, client_id) == self.farm.policy.max_failures_per_client:
            label = self.farm.watch.label(client_id)
            text = f"{label} is blocked: it failed {self.farm.policy.max_failures_per_client} times"
            root = self.find(root_id) or self.job(job_id)
            notes.add_automatic(self.connection, root.id, None, text, self.now)
            self.note(root.id, "blocked client", text, client_id)

    def mark_cancelled(self, row: jobs.JobRow, cancelled: bool) -> None:
        """Somebody cancelled the job, or takes that back. Parents that are cancelled, too, end after it."""
        change = cancelled - row.cancelled
        row.cancelled = int(cancelled)
        if change and not row.finished and row.parents:
            for parent_id in lineage.parents_of(self.connection, row.id):
                self.job(parent_id).children_ending += change

    # Settling --------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Work out the statuses that may have changed and push what follows to the parents, until it is quiet."""
        while self._unsettled:
            job_id, (reason, client_id) = self._unsettled.popitem(last=False)
            row = self.job(job_id)
            self._release_work(row)
            row.pending = work.count_pending(self.connection, row.id) if row.hooks else 0
            status = rollup(
                row.work,
                cancelled=bool(row.cancelled),
                has_run=row.command_started_at is not None,
                children_unfinished=row.children_unfinished,
                children_failed=row.failed_children,
                # What was cancelled stays so, whatever becomes later of a child that it shared with another.
                children_ending=0 if row.status is JobStatus.CANCELLED else row.children_ending,
                held=row.held,
                pending=row.pending,
                by_hand=bool(row.by_hand),
            )
            if status is not row.status:
                because = _because_of_children(row, status) or _because_of_pieces(row, status)
                self._set_status(row, status, because or reason, None if because else client_id)

    def _release_work(self, row: jobs.JobRow) -> None:
        """Work waits while a child lives; children that ended let it go, or fail it (CONTRACT 2.2)."""
        if row.children_unfinished:
            # A command that added children and is to be tried again waits for them like any parent's.
            self.move_waiting_work(row, WorkStatus.RUNNABLE, WorkEvent.CHILD_ADDED, "its children have not ended")
            return
        if row.failed_children and row.work[WorkStatus.RUNNABLE]:
            # ... and is not tried again once one of them has failed.
            if not row.hooks:
                self.move_waiting_work(row, WorkStatus.RUNNABLE, WorkEvent.CHILD_ADDED, "a child failed")
            for item in work.of_job(self.connection, row.id) if row.hooks else ():
                if item.status is WorkStatus.RUNNABLE and not item.pending:
                    self.move_work(item, WorkEvent.CHILD_ADDED, "a child failed")
        if row.failed_children:
            self.move_waiting_work(row, WorkStatus.BLOCKED, WorkEvent.CHILDREN_FAILED, "a child failed")
        if not row.work[WorkStatus.QUEUED]:
            return
        if row.hooks:
            self._release_to_hooks(row)
        elif row.failed_children:
            self.move_waiting_work(row, WorkStatus.QUEUED, WorkEvent.CHILDREN_FAILED, "a child failed")
        else:
            self.move_waiting_work(row, WorkStatus.QUEUED, WorkEvent.CHILDREN_SUCCEEDED, "all children succeeded")

    def _release_to_hooks(self, row: jobs.JobRow) -> None:
        """The children of a job with hooks have ended: its command is next, or its hooks, or nothing is left to run
        (CONTRACT 9.13)."""
        event = WorkEvent.CHILDREN_FAILED if row.failed_children else WorkEvent.CHILDREN_SUCCEEDED
        reason = "a child failed" if row.failed_children else "all children succeeded"
        for item in work.of_job(self.connection, row.id):
            if item.status is not WorkStatus.QUEUED:
                continue
            command_ended = bool(item.pending) or jobs.command_of(self.connection, row.id) == '""'
            if not row.failed_children and not command_ended:
                self.move_work(item, event, reason)
                continue
            if not item.pending:
                item.pending = event if row.failed_children else WorkEvent.RUN_SUCCEEDED
                item.pending_reason = reason
            item.hooks = ",".join(hooks_after(event, row.hooks.split(",")))
            ended = WorkEvent(item.pending)
            if item.hooks:
                self.move_work(item, WorkEvent.HOOKS_DUE, reason)
            else:
                item.pending = item.pending_reason = ""
                self.move_work(item, ended, reason, seconds=self.command_seconds(item))

    def command_seconds(self, item: work.WorkRow) -> float:
        """How long the last run of the work item's command took, 0.0 where it had none."""
        run = runs.last_of_command(self.connection, item.id)
        if run is None or run.started_at is None or run.ended_at is None:
            return 0.0
        return max(run.ended_at - run.started_at, 0.0)

    def _set_status(self, row: jobs.JobRow, status: JobStatus, reason: str, client_id: int | None) -> None:
        was, row.status = row.status, status
        row.updated_at = self.now
        finished = status in FINISHED_JOB
        if status is JobStatus.RUNNABLE and row.runnable_at is None:
            row.runnable_at = self.now
        row.ended_at = self.now if finished else None
        if finished:
            row.held = ""  # it ended before it stood still, or without running: nothing is held any more
        row.outcome = _outcome(row) if status is JobStatus.SUCCEEDED else ""
        # A job that failed only because a child did says nothing new (CONTRACT 9.26).
        if status in (JobStatus.FAILED, JobStatus.ABANDONED) and not row.failed_children:
            notes.add_automatic(self.connection, row.id, None, f"{status}: {reason}", self.now)
        self.log(row, was, reason, client_id)
        ended = finished - (was in FINISHED_JOB)
        failed = fails_its_parent(status) - fails_its_parent(was)
        change = self.tree_change(row.id)
        change.jobs_finished += ended
        change.jobs_failed += failed
        if ended or failed:
            for parent_id in lineage.parents_of(self.connection, row.id) if row.parents else ():
                parent = self.job(parent_id)
                parent.children_unfinished -= ended
                parent.children_failed += failed
                parent.children_ending -= ended if row.cancelled else 0
                self.unsettle(parent_id, f"child {row.id} {status}")


def _outcome(row: jobs.JobRow) -> str:
    """How a job came to succeed (CONTRACT 9.9)."""
    if row.by_hand:
        return "byHand"
    return "exit" if row.command_started_at else "empty"


def _because_of_pieces(row: jobs.JobRow, status: JobStatus) -> str:
    """The reason of a status that pieces of an agenda decided together; "" for others."""
    if not row.agenda or status not in FINISHED_JOB or row.by_hand:
        return ""
    decided = WorkStatus(status)
    return f"{row.work[decided]} of {sum(row.work.values())} pieces {status}"


def _because_of_children(row: jobs.JobRow, status: JobStatus) -> str:
    """The reason of a status that all the children decided together and not the last one to end; "" for others."""
    if status is JobStatus.FAILED and row.failed_children:
        return f"{row.failed_children} of {row.children + row.deleted_failed} children did not succeed"
    if (
        row.children
        and not row.failed_children
        and row.status is JobStatus.QUEUED
        and status in (JobStatus.RUNNABLE, JobStatus.SUCCEEDED)
    ):
        return "all children succeeded"
    return ""
