"""Taking in jobs that were exported, from this farm or another (CONTRACT 10, Keeping).

What had ended stays as it ended. All else comes in as if its clients had given it back, and blocked: nothing runs that
nobody asked for here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hqserver.domain.errors import BadSpecification
from hqserver.domain.event import EventKind
from hqserver.domain.family import fails_its_parent, rollup
from hqserver.domain.job import PROGRESS_UNIT, Tree
from hqserver.domain.kept import KeptJob, KeptWork, parse_kept
from hqserver.domain.requirement import Requirement
from hqserver.domain.status import FINISHED_JOB, FINISHED_WORK, JobStatus, WorkStatus
from hqserver.services.farm import Farm
from hqserver.services.work.sheet import Sheet
from hqserver.store import history, jobs, keeping, lineage, notes, results
from hqserver.store.database import Transaction
from hqserver.store.jobs import JobRow

from .drafts import Draft, children_first, make_drafts, note_start, requirement_for, texts_of
from .submission import check_leases

_IMPORTED = "imported"


def import_jobs(farm: Farm, document: Any) -> list[dict[str, int]]:
    """Store the jobs of a document; for each in its order what its id was there and is here. All of them or none.

    Raises `BadSpecification` naming the place, `Conflict` for a `uuid` that the farm has, and `TooLarge`.
    """
    kept = parse_kept(document)
    check_leases(farm, [each.spec for each in kept])
    work = [_given_back(each) for each in kept]

    def write(transaction: Transaction) -> list[dict[str, int]]:
        with Sheet(farm, transaction) as sheet:
            return _Import(sheet, kept, work).store()

    return farm.database.write(write)


@dataclass(slots=True)
class _Job:
    """A job of the document, and the draft of what it becomes."""

    kept: KeptJob
    draft: Draft
    work: tuple[KeptWork, ...]

    @property
    def row(self) -> JobRow:
        return self.draft.row

    @property
    def had_ended(self) -> bool:
        return self.kept.status in FINISHED_JOB


class _Import:
    """One import: drafts in the order of the document, linked, given their statuses and counters, then stored."""

    def __init__(self, sheet: Sheet, kept: Sequence[KeptJob], work: Sequence[tuple[KeptWork, ...]]):
        self.sheet = sheet
        self.connection = sheet.connection
        drafts = make_drafts(sheet.connection, [each.spec for each in kept], sheet.now)
        self.jobs = [_Job(*each) for each in zip(kept, drafts, work, strict=True)]
        self.by_id = {job.kept.id: job for job in self.jobs}
        self.by_draft = {id(job.draft): job for job in self.jobs}

    def store(self) -> list[dict[str, int]]:
        """Store everything; the ids."""
        self._link()
        ordered = [self.by_draft[id(draft)] for draft in children_first([job.draft for job in self.jobs])]
        for job in reversed(ordered):
            job.row.root_id = job.draft.first_parent.row.root_id if job.draft.first_parent else job.row.id
        self._require()
        for job in ordered:
            self._set_status(job)
        jobs.insert(self.connection, [(job.row, texts_of(job.draft)) for job in self.jobs])
        lineage.link(self.connection, [(job.row.id, child.row.id) for job in self.jobs for child in job.draft.children])
        for job in self.jobs:
            keeping.insert_work(self.connection, job.row.id, job.work)
            if job.kept.result is not None:
                results.put(self.connection, job.row.id, job.kept.result)
        self._tell()
        if any(len(job.draft.parents) > 1 for job in self.jobs):
            self._recount()
        unfinished = [job.row.id for job in self.jobs if not job.row.finished]
        self.sheet.read(unfinished)
        for job_id in unfinished:
            self.sheet.unsettle(job_id, _IMPORTED)
        return [{"was": job.kept.id, "id": job.row.id} for job in self.jobs]

    def _link(self) -> None:
        for job in self.jobs:
            for child_id in job.kept.children:
                child = self.by_id[child_id].draft
                job.draft.children.append(child)
                child.parents.append(job.draft)
                job.row.children += 1
                child.row.parents += 1
        for job in self.jobs:
            parents = job.draft.parents
            if not parents:
                continue
            first = self.by_id.get(job.kept.first_parent or 0)
            job.draft.first_parent = first.draft if first and first.draft in parents else parents[0]
            job.row.first_parent_id = job.draft.first_parent.row.id

    def _require(self) -> None:
        requirement_ids: dict[Requirement, int] = {}
        for job in self.jobs:
            job.draft.conditions = job.kept.spec.conditions
            job.draft.submitted_by = job.kept.spec.submitted_by or ""
            requirement = requirement_for(job.draft)
            if requirement not in requirement_ids:
                requirement_ids[requirement] = jobs.requirement_id(self.connection, requirement.key())
            job.row.requirement_id = requirement_ids[requirement]

    # Statuses and counters -------------------------------------------------------------------------------------------

    def _set_status(self, job: _Job) -> None:
        """How the job stands; its children have their statuses already."""
        row, kept = job.row, job.kept
        _set_times(row, job)
        row.tries, row.deleted_failed = kept.tries, kept.deleted_failed
        row.cancelled, row.by_hand = int(kept.cancelled), int(kept.by_hand)
        row.show_blocked_clients_warning = int(kept.warns_of_blocked_clients)
        for child in job.draft.children:
            row.children_unfinished += not child.row.finished
            row.children_failed += fails_its_parent(child.row.status)
            note_start(row, child.row)
        row.held = "" if job.had_ended or kept.cancelled else "block"
        _count_work(row, job.work)
        row.status = rollup(
            row.work,
            cancelled=kept.cancelled,
            has_run=row.command_started_at is not None,
            children_unfinished=row.children_unfinished,
            children_failed=row.failed_children,
            held=row.held,
            by_hand=kept.by_hand,
        )
        if job.had_ended and row.status is not kept.status:
            raise BadSpecification(f"{kept.place}.status is {kept.status}, its work and children make it {row.status}")
        if kept.outcome and kept.status is not JobStatus.SUCCEEDED:
            raise BadSpecification(f"{kept.place}.outcome is {kept.outcome}, and the job is {kept.status}")
        if row.finished:
            row.held = ""
            row.ended_at = self.sheet.now if kept.times.ended_at is None else kept.times.ended_at
            row.outcome = _IMPORTED if row.status is JobStatus.SUCCEEDED else ""
        row.tree = _own_tree(row)
        # Below a job with one parent each job hangs once; anything else is recounted once it is stored.
        for child in job.draft.children:
            row.tree.add(child.row.tree)

    def _recount(self) -> None:
        """Count from scratch what more than one path leads to."""
        above = [job.row for job in self.jobs if job.draft.children]
        for row in above:
            row.tree = lineage.recount_tree(self.connection, row.id)
        jobs.save(self.connection, above)

    # History and notes -----------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """What happened to the jobs before, and that they were imported. Nobody is sent mail about it."""
        clients = {presence.row.label: presence.row.id for presence in self.sheet.farm.watch.every()}
        lines: list[history.Entry] = []
        for job in self.jobs:
            lines += _history(job, clients)
            message = f"from job {job.kept.id}"
            if not job.had_ended:
                what = "its end was under way" if job.row.finished else "blocked until somebody unblocks it"
                message = f"{message}, which was {job.kept.status}: {what}"
            lines.append(history.Entry(job.row.id, self.sheet.now, _IMPORTED, job.row.status, message))
            self.sheet.tell(job.row, EventKind.HISTORY, "", _IMPORTED, message, None)
            if job.kept.notes:
                thread = notes.thread_about(self.connection, job.row.id, None)
                for at, text in job.kept.notes:
                    notes.add(self.connection, thread, at, text)
        history.append(self.connection, lines)


def _given_back(kept: KeptJob) -> tuple[KeptWork, ...]:
    """The job's work as it comes in: what had ended as it was, all else waiting from its beginning, or ended as
    somebody had asked for."""
    if kept.status in FINISHED_JOB:
        for index, item in enumerate(kept.work):
            if item.status not in FINISHED_WORK:
                place = f"{kept.place}.work[{index}].status"
                raise BadSpecification(f"{place} is {item.status}, and its job is {kept.status}")
        return kept.work
    return tuple(item if item.status in FINISHED_WORK else _begun_anew(kept, item) for item in kept.work)


def _begun_anew(kept: KeptJob, item: KeptWork) -> KeptWork:
    if item.by_hand or kept.by_hand:
        return item._replace(status=WorkStatus.SUCCEEDED, progress=PROGRESS_UNIT, duration_ms=0)
    if kept.cancelled:
        return item._replace(status=WorkStatus.CANCELLED, progress=0)
    status = WorkStatus.BLOCKED if item.status is WorkStatus.BLOCKED else WorkStatus.QUEUED
    return item._replace(status=status, progress=0)


def _set_times(row: JobRow, job: _Job) -> None:
    times = job.kept.times
    row.queued_at, row.runnable_at = times.queued_at, times.runnable_at
    if job.had_ended or any(item.status in FINISHED_WORK for item in job.work):
        row.started_at = times.started_at
        row.command_started_at, row.command_ended_at = times.command_started_at, times.command_ended_at


def _count_work(row: JobRow, items: Sequence[KeptWork]) -> None:
    for item in items:
        row.work[item.status] += 1
        row.own_progress += item.progress
        if item.duration_ms is not None:
            row.own_durations_ms += item.duration_ms
            row.own_work_timed += 1


def _own_tree(row: JobRow) -> Tree:
    """What the job adds to the counters of its tree. Nothing of it is at work, so that no progress is live."""
    own = Tree(jobs=1, jobs_finished=int(row.finished), jobs_failed=int(fails_its_parent(row.status)))
    if not row.weightless:
        own.work = sum(row.work.values())
        own.work_ended = sum(row.work[status] for status in FINISHED_WORK)
        own.progress, own.durations_ms, own.work_timed = row.own_progress, row.own_durations_ms, row.own_work_timed
    return own


def _history(job: _Job, clients: Mapping[str, int]) -> list[history.Entry]:
    lines = []
    for line in job.kept.history:
        client_id = clients.get(line.client)
        # A client that is none of this farm's is told in words.
        message = line.message if client_id is not None or not line.client else f"{line.message} (on {line.client})"
        lines.append(history.Entry(job.row.id, line.at, line.event, line.status, message.strip(), client_id))
    return lines
