"""Taking in jobs: one specification or ten thousand nested ones, whole or not at all (CONTRACT 2, 9.5 to 9.8)."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hqserver.domain.errors import BadSpecification, Conflict, NotFound
from hqserver.domain.event import EventKind
from hqserver.domain.family import fails_its_parent, rollup
from hqserver.domain.hooks import hooks_after
from hqserver.domain.job import Tree
from hqserver.domain.jobspec import JobSpec, parse_jobspec, walk
from hqserver.domain.lifecycle import WorkEvent
from hqserver.domain.status import JobStatus, WorkStatus
from hqserver.services.events.notices import queue_mail
from hqserver.services.farm import Farm
from hqserver.services.work.sheet import Sheet
from hqserver.store import history, jobs, lineage, resources, submissions, work
from hqserver.store.database import Transaction
from hqserver.store.jobs import JobRow

from .drafts import (
    SUBMITTED,
    Draft,
    children_first,
    first_lines,
    make_drafts,
    note_start,
    own_tree,
    place_of,
    texts_of,
    work_of,
)
from .inheritance import inherit


def submit(
    farm: Farm,
    jobspec: Any,
    parent_id: int | None = None,
    child_ids: Sequence[int] = (),
    *,
    along: Callable[[sqlite3.Connection, list[int]], None] = lambda connection, ids: None,
) -> list[int]:
    """Store new jobs and answer their ids: first those of the specifications in order, then of nested children,
    depth first.

    The new jobs become children of `parent_id`; the existing `child_ids` become children of each of them. `along` is
    done in the same transaction, before anybody is told of them.

    Raises `BadSpecification` naming the place, `NotFound` for a parent or child that does not exist, `Conflict` for a
    finished parent, a cycle, or a `submitKey` that was used for something else.
    """
    specs = parse_jobspec(jobspec, refuse_unknown=farm.policy.refuse_unknown_properties)
    check_leases(farm, [spec for spec, _ in walk(specs)])
    key = next((spec.submit_key for spec in specs if spec.submit_key), "")
    digest = _digest(jobspec, parent_id, child_ids) if key else ""

    def write(transaction: Transaction) -> list[int]:
        if key:
            known = submissions.find(transaction.connection, key)
            if known is not None:
                if known[0] != digest:
                    raise Conflict(f"submitKey {key!r} was used for another submission")
                return known[1]
        with Sheet(farm, transaction) as sheet:
            ids = _Intake(sheet, specs, parent_id, child_ids).store()
            along(transaction.connection, ids)
        if key:
            submissions.remember(transaction.connection, key, digest, ids, farm.clock.now())
        transaction.after_commit(farm.ask_for_pass)
        return ids

    return farm.database.write(write)


def check_leases(farm: Farm, specs: Iterable[JobSpec]) -> None:
    """A lease that ends before it can be renewed would end every run of its job. Raises `BadSpecification`."""
    least = 3 * farm.policy.beat_seconds
    for spec in specs:
        if 0 < spec.lease < least:
            place = place_of(spec, "lease")
            raise BadSpecification(f"{place} must be at least {least:g}, three beats of a client, not {spec.lease}")


def _digest(jobspec: Any, parent_id: int | None, child_ids: Sequence[int]) -> str:
    """What a `submitKey` stands for: the submission as it was sent, so that no later version reads it otherwise."""
    sent = json.dumps([jobspec, parent_id, list(child_ids)], sort_keys=True, default=str)
    return hashlib.sha256(sent.encode()).hexdigest()


class _Intake:
    """One submission: drafts in the order of their ids, linked, given their statuses, then stored."""

    def __init__(self, sheet: Sheet, specs: Sequence[JobSpec], parent_id: int | None, child_ids: Sequence[int]):
        self.sheet = sheet
        self.connection = sheet.connection
        self.parent_id = parent_id
        self.child_ids = list(dict.fromkeys(child_ids))
        self.pairs: dict[tuple[int, int], None] = {}
        self.adopting: set[int] = set()
        self.above: dict[int, None] = {}
        self.drafts = make_drafts(sheet.connection, specs, sheet.now)

    def store(self) -> list[int]:
        """Store everything; the ids."""
        self._link()
        for draft in children_first(self.drafts):
            self._set_status(draft)
        jobs.insert(self.connection, ((draft.row, texts_of(draft)) for draft in self.drafts))
        lineage.link(self.connection, self.pairs)
        work.insert(self.connection, (new for draft in self.drafts for new in work_of(draft)))
        self._write_first_lines()
        self._count_in_ancestors()
        return [draft.row.id for draft in self.drafts]

    def _write_first_lines(self) -> None:
        mail = self.sheet.farm.policy.mail
        known = resources.totals(self.connection)
        lines = [entry for draft in self.drafts for entry in first_lines(draft, mail, known)]
        history.append(self.connection, lines)
        self._tell(lines)
        wanting = {draft.row.id for draft in self.drafts if draft.row.mail_reasons}
        if wanting:
            mailed = [line for line in lines if line.job_id in wanting]
            queue_mail(self.sheet.farm, self.connection, mailed, self.sheet.now)

    def _tell(self, lines: Sequence[history.Entry]) -> None:
        rows = {draft.row.id: draft.row for draft in self.drafts}
        for line in lines:
            row = rows[line.job_id]
            if line.event == SUBMITTED:
                self.sheet.tell(row, EventKind.JOB, "", row.status, line.event, None)
            else:
                self.sheet.tell(row, EventKind.HISTORY, "", line.event, line.message, None)

    # Links -------------------------------------------------------------------------------------------------------

    def _link(self) -> None:
        """Link drafts to each other and to jobs of the farm, then let them inherit from their first parent."""
        for draft in self.drafts:
            top = not draft.parents
            asked = [self.parent_id] if top and self.parent_id is not None else []
            draft.outside_parents = list(dict.fromkeys([*asked, *draft.spec.parent_ids]))
            for parent_id in draft.outside_parents:
                self._adopt_into(parent_id, draft)
            draft.existing = list(dict.fromkeys([*draft.spec.children_ids, *(self.child_ids if top else ())]))
            for parent in draft.parents:
                self._pair(parent.row, draft.row)
        for draft in self.drafts:
            for child_id in draft.existing:
                self._adopt(draft, child_id)
        if self.adopting and self.above:
            self._refuse_cycles()
        inherit(self.sheet, children_first(self.drafts)[::-1])

    def _pair(self, parent: JobRow, child: JobRow) -> None:
        if (parent.id, child.id) not in self.pairs:
            self.pairs[parent.id, child.id] = None
            parent.children += 1
            child.parents += 1

    def _adopt_into(self, parent_id: int, draft: Draft) -> None:
        parent = self.sheet.find(parent_id)
        place = "parent_id" if parent_id == self.parent_id else place_of(draft.spec, "parentIds")
        if parent is None:
            raise NotFound(f"{place}: there is no job {parent_id}")
        if parent.finished or parent.cancelled:
            what = parent.status if parent.finished else "being cancelled"
            raise Conflict(f"{place}: job {parent_id} is {what} and takes no more children")
        self.above.setdefault(parent_id)
        if draft.row.first_parent_id is None and draft.first_parent is None:
            draft.row.first_parent_id = parent_id
        self._pair(parent, draft.row)
        parent.children_unfinished += 1
        self.sheet.move_waiting_work(parent, WorkStatus.RUNNABLE, WorkEvent.CHILD_ADDED, f"got child {draft.row.id}")
        self.sheet.unsettle(parent_id, f"got child {draft.row.id}")

    def _adopt(self, draft: Draft, child_id: int) -> None:
        child = self.sheet.find(child_id)
        if child is None:
            place = "child_ids" if child_id in self.child_ids else place_of(draft.spec, "childrenIds")
            raise NotFound(f"{place}: there is no job {child_id}")
        self.adopting.add(child_id)
        self._pair(draft.row, child)
        draft.row.children_unfinished += not child.finished
        draft.row.children_ending += not child.finished and bool(child.cancelled)
        draft.row.children_failed += fails_its_parent(child.status)
        note_start(draft.row, child)

    def _refuse_cycles(self) -> None:
        """An adopted job must not stand above a job of the farm that becomes its ancestor."""
        hung: dict[int, list[Draft]] = {}
        for draft in self.drafts:
            for parent_id in draft.outside_parents:
                for each in self.adopting & {parent_id, *self.sheet.ancestors(parent_id)}:
                    hung.setdefault(each, []).append(draft)
        for start in sorted(self.adopting):
            below: dict[int, None] = {}
            waiting = list(hung.get(start, ()))
            while waiting:
                draft = waiting.pop()
                if draft.row.id in below:
                    continue
                below[draft.row.id] = None
                if start in draft.existing:
                    raise Conflict(f"job {start} would become its own descendant")
                waiting += draft.children
                for child_id in draft.existing:
                    waiting += hung.get(child_id, ())

    def _first_status_of_work(self, draft: Draft) -> WorkStatus:
        """Where the job's work stands; with its children ended, only hooks may be left to run (CONTRACT 9.13)."""
        row = draft.row
        if row.children_unfinished:
            return WorkStatus.QUEUED
        if draft.spec.command and not row.children_failed:
            return WorkStatus.RUNNABLE
        event = WorkEvent.CHILDREN_FAILED if row.children_failed else WorkEvent.RUN_SUCCEEDED
        draft.hooks = hooks_after(event, draft.spec.hooks)
        if draft.hooks:
            draft.pending = event
            return WorkStatus.RUNNABLE
        return WorkStatus.FAILED if row.children_failed else WorkStatus.SUCCEEDED

    # Statuses and counters -----------------------------------------------------------------------------------------

    def _set_status(self, draft: Draft) -> None:
        """Where the job stands from its first moment; its children have their statuses already."""
        row = draft.row
        for child in draft.children:
            row.children_unfinished += not child.row.finished
            row.children_failed += fails_its_parent(child.row.status)
            note_start(row, child.row)
        if draft.spec.command or draft.spec.hooks:
            draft.waiting = self._first_status_of_work(draft)
            pieces = len(draft.spec.agenda.pieces) if draft.spec.agenda else 1
            row.work[draft.waiting] = pieces
            row.claimable = pieces if draft.waiting is WorkStatus.RUNNABLE else 0
        row.status = rollup(
            row.work,
            cancelled=False,
            has_run=False,
            children_unfinished=row.children_unfinished,
            children_failed=row.children_failed,
            held=row.held,
        )
        if row.status is JobStatus.RUNNABLE:
            row.runnable_at = self.sheet.now
        if row.finished:
            row.held = ""  # nothing of it is left to hold back
            row.ended_at = self.sheet.now
            row.outcome = "empty" if row.status is JobStatus.SUCCEEDED else ""
            for parent_id in draft.outside_parents:
                parent = self.sheet.job(parent_id)
                parent.children_unfinished -= 1
                parent.children_failed += fails_its_parent(row.status)
        row.tree = own_tree(row)
        # Below a draft with one parent each job hangs once; anything else is recounted once it is stored.
        for child in draft.children:
            row.tree.add(child.row.tree)

    def _count_in_ancestors(self) -> None:
        """Add the new jobs to the counters of every job above them, each distinct one once."""
        shared = any(len(draft.parents) > 1 for draft in self.drafts)
        if self.adopting or shared:
            self._recount()
            return
        if not self.above:
            return
        # The usual case needs no recount: whole trees that all hang below one job, each job of them once.
        usual = all(draft.outside_parents == ([] if draft.parents else list(self.above)) for draft in self.drafts)
        if not usual or len(self.above) > 1:
            self._recount()
            return
        total = Tree()
        for draft in self.drafts:
            total.add(own_tree(draft.row))
        (parent_id,) = self.above
        for each in (parent_id, *self.sheet.ancestors(parent_id)):
            self.sheet.job(each).tree.add(total)

    def _recount(self) -> None:
        """Count from scratch what more than one path leads to. The sheet's rows are written first: they are read."""
        self.sheet.settle()
        self.sheet.flush()
        above = set(self.above) | lineage.ancestors_of(self.connection, self.above)
        for job_id in [*(draft.row.id for draft in self.drafts if draft.children or draft.existing), *above]:
            row = self.sheet.job(job_id)
            row.tree = lineage.recount_tree(self.connection, job_id)
            row.tree_clients = lineage.recount_presence(self.connection, job_id)
