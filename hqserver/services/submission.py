"""Taking in jobs: one specification or ten thousand nested ones, whole or not at all (CONTRACT 2, 9.5 to 9.8)."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hqserver.domain.errors import BadSpecification, Conflict, NotFound, near_match
from hqserver.domain.family import fails_its_parent, rollup
from hqserver.domain.job import Tree
from hqserver.domain.jobspec import PROPERTIES, JobSpec, parse_jobspec, walk
from hqserver.domain.lifecycle import WorkEvent
from hqserver.domain.requirement import requirement_of
from hqserver.domain.status import FINISHED_JOB, JobStatus, WorkStatus
from hqserver.store import history, jobs, submissions, work
from hqserver.store.database import Transaction
from hqserver.store.jobs import JobRow, JobTexts

from .farm import Farm
from .sheet import Sheet

_STORED = {
    "shell": "shell",
    "environment": "environment",
    "progress_pattern": "progressPattern",
    "properties": "properties",
}


def submit(farm: Farm, jobspec: Any, parent_id: int | None = None, child_ids: Sequence[int] = ()) -> list[int]:
    """Store new jobs and answer their ids: first those of the specifications in order, then of nested children,
    depth first.

    The new jobs become children of `parent_id`; the existing `child_ids` become children of each of them. Raises
    `BadSpecification` naming the place, `NotFound` for a parent or child that does not exist, `Conflict` for a
    finished parent, a cycle, or a `submitKey` that was used for something else.
    """
    specs = parse_jobspec(jobspec, refuse_unknown=farm.policy.refuse_unknown_properties)
    key = next((spec.submit_key for spec in specs if spec.submit_key), "")
    digest = _digest(specs, parent_id, child_ids) if key else ""

    def write(transaction: Transaction) -> list[int]:
        if key:
            known = submissions.find(transaction.connection, key)
            if known is not None:
                if known[0] != digest:
                    raise Conflict(f"submitKey {key!r} was used for another submission")
                return known[1]
        with Sheet(transaction, farm.clock.now()) as sheet:
            ids = _Intake(sheet, specs, parent_id, child_ids).store()
        if key:
            submissions.remember(transaction.connection, key, digest, ids, farm.clock.now())
        transaction.after_commit(farm.ask_for_pass)
        return ids

    return farm.database.write(write)


def _digest(specs: Sequence[JobSpec], parent_id: int | None, child_ids: Sequence[int]) -> str:
    return hashlib.sha256(repr((specs, parent_id, list(child_ids))).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(slots=True)
class _Draft:
    """A job about to be stored. `children` are drafts; `outside_parents` and `existing`
    children are jobs of the farm already."""

    spec: JobSpec
    row: JobRow
    first_parent: _Draft | None
    parents: list[_Draft] = field(default_factory=list)
    children: list[_Draft] = field(default_factory=list)
    outside_parents: list[int] = field(default_factory=list)
    existing: list[int] = field(default_factory=list)
    submitted_by: str = ""


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
        self.requirements: dict[object, int] = {}
        self.drafts = self._drafts(specs)

    def store(self) -> list[int]:
        """Store everything; the ids."""
        self._refuse_known_uuids()
        self._link()
        for draft in self._children_first():
            self._set_status(draft)
        texts = [(draft.row, self._texts(draft)) for draft in self.drafts]
        jobs.insert(self.connection, texts)
        jobs.link(self.connection, self.pairs)
        work.insert(
            self.connection,
            [
                (draft.row.id, "", 0, status, draft.spec.tries)
                for draft in self.drafts
                for status, count in draft.row.work.items()
                if count
            ],
        )
        history.append(self.connection, [entry for draft in self.drafts for entry in self._first_lines(draft)])
        self._count_in_ancestors()
        return [draft.row.id for draft in self.drafts]

    # Drafts ------------------------------------------------------------------------------------------------------

    def _drafts(self, specs: Sequence[JobSpec]) -> list[_Draft]:
        first = jobs.next_id(self.connection)
        drafts: list[_Draft] = []
        by_spec: dict[int, _Draft] = {}
        by_stub: dict[str, _Draft] = {}
        for number, (spec, nested_in) in enumerate(walk(specs)):
            parent = by_spec.get(id(nested_in))
            draft = _Draft(spec, self._row(spec, first + number), parent)
            by_spec[id(spec)] = draft
            if spec.stub_id:
                by_stub[spec.stub_id] = draft
            if parent is not None:
                draft.parents.append(parent)
                parent.children.append(draft)
            drafts.append(draft)
        for draft in drafts:
            for stub in draft.spec.child_stub_ids:
                child = by_stub[stub]
                if draft not in child.parents:
                    child.parents.append(draft)
                    draft.children.append(child)
                    child.first_parent = child.first_parent or draft
        return drafts

    def _row(self, spec: JobSpec, job_id: int) -> JobRow:
        requirement = requirement_of(spec.command, spec.cpus)
        known = self.requirements.get(requirement)
        if known is None:
            known = self.requirements[requirement] = jobs.requirement_id(self.connection, requirement.key())
        return JobRow(
            id=job_id,
            root_id=job_id,
            requirement_id=known,
            name=spec.name,
            priority=spec.priority or 0,
            cpus=spec.cpus,
            tries=spec.tries,
            queued_at=self.sheet.now,
            updated_at=self.sheet.now,
        )

    def _refuse_known_uuids(self) -> None:
        seen: set[str] = set()
        for draft in self.drafts:
            if not draft.spec.uuid:
                continue
            place = _at(draft.spec, "uuid")
            if draft.spec.uuid in seen:
                raise BadSpecification(f"{place} {draft.spec.uuid!r} names two specifications")
            seen.add(draft.spec.uuid)
            known = jobs.with_uuid(self.connection, draft.spec.uuid)
            if known is not None:
                raise Conflict(f"{place} {draft.spec.uuid!r} is that of job {known}")

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
        for draft in self._parents_first():
            self._inherit(draft)

    def _pair(self, parent: JobRow, child: JobRow) -> None:
        if (parent.id, child.id) not in self.pairs:
            self.pairs[parent.id, child.id] = None
            parent.children += 1
            child.parents += 1

    def _adopt_into(self, parent_id: int, draft: _Draft) -> None:
        parent = self.sheet.find(parent_id)
        place = "parent_id" if parent_id == self.parent_id else _at(draft.spec, "parentIds")
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

    def _adopt(self, draft: _Draft, child_id: int) -> None:
        child = self.sheet.find(child_id)
        if child is None:
            place = "child_ids" if child_id in self.child_ids else _at(draft.spec, "childrenIds")
            raise NotFound(f"{place}: there is no job {child_id}")
        self.adopting.add(child_id)
        self._pair(draft.row, child)
        draft.row.children_unfinished += not child.finished
        draft.row.children_failed += fails_its_parent(child.status)
        _started(draft.row, child)

    def _refuse_cycles(self) -> None:
        """An adopted job must not stand above a job of the farm that becomes its ancestor."""
        hung: dict[int, list[_Draft]] = {}
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

    def _inherit(self, draft: _Draft) -> None:
        """Root, priority and submittedBy come from the first parent (CONTRACT 9.8)."""
        row, spec = draft.row, draft.spec
        draft.submitted_by = spec.submitted_by or ""
        if draft.first_parent is not None:
            parent = draft.first_parent
            row.first_parent_id, row.root_id = parent.row.id, parent.row.root_id
            priority, submitted_by = parent.row.priority, parent.submitted_by
        elif row.first_parent_id is not None:
            outside = self.sheet.job(row.first_parent_id)
            row.root_id, priority = outside.root_id, outside.priority
            submitted_by = jobs.submitted_by(self.connection, outside.id)
        else:
            return
        row.priority = priority if spec.priority is None else spec.priority
        draft.submitted_by = draft.submitted_by or submitted_by

    def _parents_first(self) -> list[_Draft]:
        """The drafts so that each stands behind its parents: what is nested has, stubs may point anywhere."""
        return list(reversed(self._children_first()))

    def _children_first(self) -> list[_Draft]:
        ordered: list[_Draft] = []
        waiting = {id(draft): len(draft.children) for draft in self.drafts}
        ready = [draft for draft in self.drafts if not draft.children]
        while ready:
            draft = ready.pop()
            ordered.append(draft)
            for parent in draft.parents:
                waiting[id(parent)] -= 1
                if not waiting[id(parent)]:
                    ready.append(parent)
        if len(ordered) < len(self.drafts):
            raise BadSpecification("the children of this submission form a circle")
        return ordered

    # Statuses and counters -----------------------------------------------------------------------------------------

    def _set_status(self, draft: _Draft) -> None:
        """Where the job stands from its first moment; its children have their statuses already."""
        row = draft.row
        for child in draft.children:
            row.children_unfinished += not child.row.finished
            row.children_failed += fails_its_parent(child.row.status)
            _started(row, child.row)
        if draft.spec.command:
            waiting = WorkStatus.RUNNABLE
            if row.children_unfinished:
                waiting = WorkStatus.QUEUED
            elif row.children_failed:
                waiting = WorkStatus.FAILED
            row.work[waiting] = 1
            row.claimable = int(waiting is WorkStatus.RUNNABLE)
        row.status = rollup(
            row.work,
            cancelled=False,
            has_run=False,
            children_unfinished=row.children_unfinished,
            children_failed=row.children_failed,
        )
        if row.status is JobStatus.RUNNABLE:
            row.runnable_at = self.sheet.now
        if row.finished:
            row.ended_at = self.sheet.now
            row.outcome = "empty" if row.status is JobStatus.SUCCEEDED else ""
            for parent_id in draft.outside_parents:
                parent = self.sheet.job(parent_id)
                parent.children_unfinished -= 1
                parent.children_failed += fails_its_parent(row.status)
        row.tree = _own_tree(row)
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
            total.add(_own_tree(draft.row))
        (parent_id,) = self.above
        for each in (parent_id, *self.sheet.ancestors(parent_id)):
            self.sheet.job(each).tree.add(total)

    def _recount(self) -> None:
        """Count from scratch what more than one path leads to. The sheet's rows are written first: they are read."""
        self.sheet.settle()
        self.sheet.flush()
        above = set(self.above) | jobs.ancestors_of(self.connection, self.above)
        for job_id in [*(draft.row.id for draft in self.drafts if draft.children or draft.existing), *above]:
            row = self.sheet.job(job_id)
            row.tree = jobs.recount_tree(self.connection, job_id)
            row.tree_clients = jobs.recount_presence(self.connection, job_id)

    # Rows --------------------------------------------------------------------------------------------------------

    def _texts(self, draft: _Draft) -> JobTexts:
        spec = draft.spec
        stored: dict[str, object] = {
            name: value for attribute, name in _STORED.items() if (value := getattr(spec, attribute))
        }
        if spec.unknown:
            stored["unknown"] = spec.unknown
        return JobTexts(
            uuid=spec.uuid or str(uuid.uuid4()),
            description=spec.description,
            command=json.dumps(spec.command),
            submitted_by=draft.submitted_by,
            specification=json.dumps(stored, default=str) if stored else "{}",
        )

    def _first_lines(self, draft: _Draft) -> Iterable[history.Entry]:
        row = draft.row
        for name in draft.spec.unknown:
            hint = near_match(name, PROPERTIES)
            message = f"no such property of a job: {name}{hint}"
            yield history.Entry(row.id, self.sheet.now, "unknown property", row.status, message)
        yield history.Entry(row.id, self.sheet.now, "submitted", row.status)


def _started(parent: JobRow, child: JobRow) -> None:
    """A job has started once a descendant has (CONTRACT 1.3, startTime)."""
    if child.started_at is not None and (parent.started_at is None or child.started_at < parent.started_at):
        parent.started_at = child.started_at


def _own_tree(row: JobRow) -> Tree:
    finished = row.status in FINISHED_JOB
    items = sum(row.work.values())
    return Tree(
        jobs=1,
        jobs_finished=int(finished),
        jobs_failed=int(fails_its_parent(row.status)),
        work=items,
        work_ended=row.work[WorkStatus.FAILED],
    )


def _at(spec: JobSpec, key: str) -> str:
    return f"{spec.place}.{key}" if spec.place else key
