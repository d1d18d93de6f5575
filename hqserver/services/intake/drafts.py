"""Jobs about to be stored: drafts made from specifications, in the order of their ids and linked to each other."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from hqserver.domain.agenda import Piece
from hqserver.domain.conditions import Condition
from hqserver.domain.errors import BadSpecification, Conflict, near_match
from hqserver.domain.family import fails_its_parent
from hqserver.domain.job import Tree
from hqserver.domain.jobspec import PROPERTIES, JobSpec, walk
from hqserver.domain.mail import MailPolicy
from hqserver.domain.requirement import Requirement, requirement_of
from hqserver.domain.status import FINISHED_JOB, FINISHED_WORK, WorkStatus
from hqserver.services.events.notices import warning
from hqserver.store import history, jobs
from hqserver.store.jobs import JobRow, JobTexts
from hqserver.store.queue import PLACES_A_JOB
from hqserver.store.work import NewWork

SUBMITTED = "submitted"
"""The line of a job's history that tells of its submission."""

_STORED = {
    "shell": "shell",
    "environment": "environment",
    "tags": "tags",
    "resources": "resources",
    "min_time": "minTime",
    "max_time": "maxTime",
    "max_silence": "maxSilence",
    "max_memory": "maxMemory",
    "lease": "lease",
    "split_output": "splitOutput",
    "hooks": "hooks",
    "email_reasons": "emailReasons",
    "progress_pattern": "progressPattern",
    "properties": "properties",
}


@dataclass(slots=True)
class Draft:
    """A job about to be stored. `children` are drafts; `outside_parents` and `existing`
    children are jobs of the farm already."""

    spec: JobSpec
    row: JobRow
    first_parent: Draft | None
    parents: list[Draft] = field(default_factory=list)
    children: list[Draft] = field(default_factory=list)
    outside_parents: list[int] = field(default_factory=list)
    existing: list[int] = field(default_factory=list)
    submitted_by: str = ""
    conditions: tuple[Condition, ...] = ()
    waiting: WorkStatus = WorkStatus.QUEUED
    """Where its work stands from its first moment, if it has any."""
    pending: str = ""
    hooks: tuple[str, ...] = ()


def make_drafts(connection: sqlite3.Connection, specs: Sequence[JobSpec], now: float) -> list[Draft]:
    """A draft for each specification, in the order of their ids, linked to each other (CONTRACT 9.6).

    `now` is the time of their submission. Raises `BadSpecification` and `Conflict` for a `uuid` that is taken.
    """
    first = jobs.next_id(connection)
    drafts: list[Draft] = []
    by_spec: dict[int, Draft] = {}
    by_stub: dict[str, Draft] = {}
    for number, (spec, nested_in) in enumerate(walk(specs)):
        parent = by_spec.get(id(nested_in))
        draft = Draft(spec, _row(spec, first + number, now), parent)
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
    _refuse_known_uuids(connection, drafts)
    return drafts


def requirement_for(draft: Draft) -> Requirement:
    """What the draft requires of its clients, once it is known which conditions it inherits."""
    spec = draft.spec
    return requirement_of(
        spec.command,
        spec.cpus,
        conditions=draft.conditions,
        tags=spec.tags,
        resources=spec.resources,
        hosts=(spec.min_hosts, spec.max_hosts),
    )


def _row(spec: JobSpec, job_id: int, now: float) -> JobRow:
    return JobRow(
        id=job_id,
        root_id=job_id,
        requirement_id=0,
        name=spec.name,
        priority=spec.priority or 0,
        position=job_id * PLACES_A_JOB,
        cpus=spec.cpus,
        tries=spec.tries,
        tries_given=spec.tries,
        weightless=int(spec.weightless),
        hooks=",".join(spec.hooks),
        lease=spec.lease,
        split_output=int(spec.split_output),
        agenda=int(spec.agenda is not None),
        max_concurrent=spec.max_concurrent,
        mail_reasons=",".join(spec.email_reasons) if spec.email_to else "",
        queued_at=now,
        updated_at=now,
    )


def _refuse_known_uuids(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> None:
    seen: set[str] = set()
    for draft in drafts:
        if not draft.spec.uuid:
            continue
        place = place_of(draft.spec, "uuid")
        if draft.spec.uuid in seen:
            raise BadSpecification(f"{place} {draft.spec.uuid!r} names two specifications")
        seen.add(draft.spec.uuid)
        known = jobs.with_uuid(connection, draft.spec.uuid)
        if known is not None:
            raise Conflict(f"{place} {draft.spec.uuid!r} is that of job {known}")


def children_first(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts so that each stands behind its children, wherever stubs point. Raises `BadSpecification`."""
    ordered: list[Draft] = []
    waiting = {id(draft): len(draft.children) for draft in drafts}
    ready = [draft for draft in drafts if not draft.children]
    while ready:
        draft = ready.pop()
        ordered.append(draft)
        for parent in draft.parents:
            waiting[id(parent)] -= 1
            if not waiting[id(parent)]:
                ready.append(parent)
    if len(ordered) < len(drafts):
        raise BadSpecification("the children of this submission form a circle")
    return ordered


def texts_of(draft: Draft) -> JobTexts:
    """What is stored with the job and never read to schedule it."""
    spec = draft.spec
    stored = stored_properties(spec)
    return JobTexts(
        uuid=spec.uuid or str(uuid.uuid4()),
        description=spec.description,
        command=json.dumps(spec.command),
        submitted_by=draft.submitted_by,
        specification=json.dumps(stored, default=str) if stored else "{}",
    )


def stored_properties(spec: JobSpec) -> dict[str, object]:
    """Properties that have no column of their own, those that ask for nothing left out."""
    stored: dict[str, object] = {
        name: value for attribute, name in _STORED.items() if (value := getattr(spec, attribute))
    }
    if spec.failure_patterns:
        stored["failurePatterns"] = [asdict(each) for each in spec.failure_patterns]
    if spec.agenda is not None:
        stored |= spec.agenda.written
    if spec.email_to:
        stored["emailTo"] = ",".join(spec.email_to)
    if spec.unknown:
        stored["unknown"] = spec.unknown
    return stored


def work_of(draft: Draft) -> Iterator[NewWork]:
    """The work items of a draft: the pieces of its agenda, or its command and hooks as one; none where it has
    neither."""
    row, spec = draft.row, draft.spec
    if spec.agenda is not None:
        for piece, place in zip(spec.agenda.pieces, spec.agenda.places, strict=True):
            yield NewWork(row.id, place, draft.waiting, spec.tries, piece)
    elif spec.command or spec.hooks:
        yield NewWork(row.id, 0, draft.waiting, spec.tries, Piece(""), draft.pending, ",".join(draft.hooks))


def first_lines(draft: Draft, mail: MailPolicy | None, known: Container[str]) -> Iterator[history.Entry]:
    """The lines with which the job's history begins (CONTRACT 9.5: unknown properties are named first).

    `mail`: how the farm sends mail, None where it does not; `known`: names of the resources the farm has.
    """
    row = draft.row
    for name in draft.spec.unknown:
        hint = near_match(name, PROPERTIES)
        message = f"no such property of a job: {name}{hint}"
        yield history.Entry(row.id, row.queued_at, "unknown property", row.status, message)
    for name in draft.spec.resources:
        if name not in known:
            message = f"the farm has no resource {name!r}: the job waits until it has"
            yield history.Entry(row.id, row.queued_at, "unknown resource", row.status, message)
    if message := warning(mail, draft.spec.email_to, draft.spec.email_reasons):
        yield history.Entry(row.id, row.queued_at, "no mail", row.status, message)
    yield history.Entry(row.id, row.queued_at, SUBMITTED, row.status)


def note_start(parent: JobRow, child: JobRow) -> None:
    """A job has started once a descendant has (CONTRACT 1.3, startTime)."""
    if child.started_at is not None and (parent.started_at is None or child.started_at < parent.started_at):
        parent.started_at = child.started_at


def own_tree(row: JobRow) -> Tree:
    """What the new job adds to the counters of its tree."""
    finished = row.status in FINISHED_JOB
    items = sum(row.work.values())
    return Tree(
        jobs=1,
        jobs_finished=int(finished),
        jobs_failed=int(fails_its_parent(row.status)),
        work=0 if row.weightless else items,
        work_ended=0 if row.weightless else sum(row.work[status] for status in FINISHED_WORK),
    )


def place_of(spec: JobSpec, key: str) -> str:
    """Where a property stands in what was submitted: `children[3].uuid`."""
    return f"{spec.place}.{key}" if spec.place else key
