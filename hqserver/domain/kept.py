"""Jobs in a document that outlives the farm they were on: how it is read (CONTRACT 10, Keeping).

What is read is checked as strictly as a submission: a document may come from anywhere, and from people who edited it.
Times are UTC epoch seconds.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from . import frames
from .agenda import LONGEST_PIECE_NAME, MOST_PIECES, Agenda, Piece
from .entry import Entry, as_job_ids, as_mapping, as_status, as_time, optional
from .errors import BadSpecification, TooLarge, near_match
from .job import PROGRESS_UNIT
from .jobspec import JobSpec, parse_jobspec
from .note import LONGEST_NOTE
from .properties import PROPERTIES
from .result import result_text
from .status import JobStatus, WorkStatus
from .values import LARGEST_INTEGER, Wrong, as_flag, as_integer, as_job_id, as_text, as_texts_by_name

VERSION = 1
"""Of the documents that are written. Older ones are read, newer ones are refused."""

MOST_JOBS = 10_000
MOST_LINES = 500_000
"""Lines of history and notes, of all the jobs of a document together."""

MOST_IN_RESULTS = 32 * 1024 * 1024
"""Characters of the results of all the jobs of a document together."""

OUTCOMES = ("exit", "empty", "byHand", "imported")
"""How a job that succeeded may have come to it."""

AGENDA_AS_WRITTEN = ("agenda", "chunk", "partitions", "order")
"""Properties that say how an agenda was asked for. What it became stands in `work`."""


class KeptWork(NamedTuple):
    """A work item: of the agenda, or the one without a name. `place`: where it stands in the order of its job's work;
    `progress` in `PROGRESS_UNIT`; `duration_ms`: the run time of one that succeeded."""

    piece: Piece
    place: int
    status: WorkStatus
    tries: int
    progress: int
    duration_ms: int | None
    by_hand: bool


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line of a job's history. `client` is a label."""

    at: float
    event: str
    status: str
    message: str
    client: str


@dataclass(frozen=True, slots=True)
class KeptTimes:
    """When it was queued, could first run, started (it or a job below), when its command started and ended, and when it
    ended; None where it did not."""

    queued_at: float
    runnable_at: float | None
    started_at: float | None
    command_started_at: float | None
    command_ended_at: float | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class KeptJob:
    """A job as it was. `children` and `first_parent` are ids of the document."""

    id: int
    place: str
    spec: JobSpec
    status: JobStatus
    outcome: str
    times: KeptTimes
    tries: int
    cancelled: bool
    by_hand: bool
    deleted_failed: int
    warns_of_blocked_clients: bool
    children: tuple[int, ...]
    first_parent: int | None
    work: tuple[KeptWork, ...]
    history: tuple[KeptLine, ...]
    notes: tuple[tuple[float, str], ...]
    """(time, text)"""

    result: str | None
    """JSON; None without one."""


def parse_kept(document: Any) -> list[KeptJob]:
    """The jobs of a document, a dictionary or JSON text of one, in its order.

    Raises `BadSpecification` naming the place, e.g. `jobs[3].work[0].status`, and `TooLarge`.
    """
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError) as problem:
            raise BadSpecification(f"the document is text but not JSON: {problem}") from None
    if not isinstance(document, Mapping) or not isinstance(document.get("jobs"), list | tuple):
        raise BadSpecification("the document must be a dictionary of version and jobs, as exportJobs gives it")
    version = document.get("version")
    if version != VERSION:
        raise BadSpecification(f"the document has version {version!r}; this farm reads version {VERSION}")
    entries = document["jobs"]
    if len(entries) > MOST_JOBS:
        raise TooLarge(f"the document holds {len(entries)} jobs, more than {MOST_JOBS}")
    jobs: list[KeptJob] = []
    pieces = lines = characters = 0
    for index, entry in enumerate(entries):
        jobs.append(_job(Entry(entry, f"jobs[{index}]")))
        pieces += len(jobs[-1].work)
        lines += len(jobs[-1].history) + len(jobs[-1].notes)
        if pieces > MOST_PIECES or lines > MOST_LINES:
            raise TooLarge(f"the document holds more than {MOST_PIECES} pieces of work or {MOST_LINES} lines and notes")
        characters += len(jobs[-1].result or "")
        if characters > MOST_IN_RESULTS:
            raise TooLarge(f"the results in the document have more than {MOST_IN_RESULTS} characters together")
    _check_links(jobs)
    return jobs


def _check_links(jobs: Sequence[KeptJob]) -> None:
    known = {job.id: job for job in jobs}
    if len(known) < len(jobs):
        raise BadSpecification("two jobs of the document have the same id")
    for job in jobs:
        for child in job.children:
            if child not in known:
                raise BadSpecification(f"{job.place}.children names job {child}, which the document does not hold")


def _job(entry: Entry) -> KeptJob:
    work = tuple(_work(each) for each in entry.each("work"))
    status = entry.read("status", _as_job_status)
    return KeptJob(
        id=entry.read("id", as_job_id),
        place=entry.place,
        spec=_specification(entry, [each.piece for each in work], [each.place for each in work]),
        status=status,
        outcome=entry.read("outcome", _as_outcome, ""),
        times=_times(entry),
        tries=entry.read("triesLeft", _as_number, 0),
        cancelled=entry.read("cancelled", as_flag, False),
        by_hand=entry.read("byHand", as_flag, False),
        deleted_failed=entry.read("deletedFailed", _as_number, 0),
        warns_of_blocked_clients=entry.read("showBlockedClientsWarning", as_flag, True),
        children=tuple(dict.fromkeys(entry.read("children", as_job_ids, ()))),
        first_parent=entry.read("firstParent", optional(as_job_id)),
        work=work,
        history=tuple(_line(each) for each in entry.each("logs")),
        notes=tuple((each.read("time", as_time), each.read("text", _as_note)) for each in entry.each("notes")),
        result=entry.read("result", optional(lambda value: result_text(value, f"{entry.place}.result"))),
    )


def _specification(entry: Entry, pieces: list[Piece], places: list[int]) -> JobSpec:
    """The specification, with the pieces of work as its agenda where they have names."""
    place = f"{entry.place}.specification"
    document = dict(entry.read("specification", as_mapping))
    written = {name: document.pop(name) for name in AGENDA_AS_WRITTEN if document.get(name)}
    for name in ("children", "childrenIds", "parentIds", "stubId", "childStubIds", "submitKey"):
        if document.get(name):
            raise BadSpecification(f"{place}.{name}: the links of a kept job stand in its children")
    named = [piece.name for piece in pieces if piece.name]
    if named:
        document["agenda"] = [{"name": named[0]}]  # for all of them: what can be wrong with a piece is judged with it
    try:
        (spec,) = parse_jobspec(document, refuse_unknown=False)
        written = {name: PROPERTIES[name].parse(value) for name, value in written.items()}
    except BadSpecification as problem:
        raise BadSpecification(f"{place}.{problem}") from None
    except Wrong as problem:
        raise BadSpecification(f"{place}: its agenda {problem}") from None
    agenda = None
    if named:
        _check_unique(named, f"{entry.place}.work")
        text: dict[str, object] = {name: value for name, value in written.items() if isinstance(value, str | int)}
        agenda = Agenda(tuple(pieces), tuple(places), text)
    expected = len(named) if named else int(bool(spec.command or spec.hooks))
    if len(pieces) != expected:
        raise BadSpecification(f"{entry.place}.work holds {len(pieces)} pieces, its specification asks for {expected}")
    return replace(spec, agenda=agenda, place=place)


def _check_unique(names: Sequence[str], place: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadSpecification(f"{place} names two pieces {name!r}")
        seen.add(name)


def _work(entry: Entry) -> KeptWork:
    status = entry.read("status", _as_work_status)
    succeeded = status is WorkStatus.SUCCEEDED
    duration = entry.read("milliseconds", _as_milliseconds)
    return KeptWork(
        piece=_piece(entry),
        place=entry.read("place", _as_place, 0),
        status=status,
        tries=entry.read("triesLeft", _as_number, 0),
        progress=PROGRESS_UNIT if succeeded else entry.read("progress", _as_progress, 0),
        duration_ms=(duration or 0) if succeeded else None,
        by_hand=entry.read("byHand", as_flag, False),
    )


def _piece(entry: Entry) -> Piece:
    first, last = entry.read("first", _as_frame), entry.read("last", _as_frame)
    text = entry.read("frames", _as_frames, "")
    if not (first is None) == (last is None) == (not text):
        raise BadSpecification(f"{entry.place} must have first, last and frames, or none of them")
    name = entry.read("name", _as_piece_name, "")
    return Piece(name, first, last, text, entry.read("package", as_texts_by_name, {}))


def _times(entry: Entry) -> KeptTimes:
    names = ("runnableTime", "startTime", "commandStartTime", "commandEndTime", "endTime")
    return KeptTimes(entry.read("queueTime", as_time), *(entry.read(name, optional(as_time)) for name in names))


def _line(entry: Entry) -> KeptLine:
    texts = (entry.read(name, as_text, "") for name in ("event", "status", "message", "client"))
    return KeptLine(entry.read("time", as_time), *texts)


# Single values -------------------------------------------------------------------------------------------------------


# Those that are read for each piece of work are made once: a document may have 250,000 of them.
_as_number = as_integer(0)
_as_place = as_integer(-LARGEST_INTEGER)
_as_frame = optional(_as_place)
_as_progress = as_integer(0, PROGRESS_UNIT)
_as_milliseconds = optional(as_integer(0, 2**53))
_WORK_STATUSES = {str(each): each for each in WorkStatus}
_JOB_STATUSES = {str(each): each for each in JobStatus}


def _as_note(value: Any) -> str:
    text = as_text(value)
    if not text.strip() or len(text) > LONGEST_NOTE:
        raise Wrong(f"must be a text of 1 to {LONGEST_NOTE} characters")
    return text


def _as_piece_name(value: Any) -> str:
    name = as_text(value).strip()
    if len(name) > LONGEST_PIECE_NAME:
        raise Wrong(f"must have at most {LONGEST_PIECE_NAME} characters")
    return name


def _as_frames(value: Any) -> str:
    text = as_text(value).strip()
    if text and not (len(text) < 10 and text.isascii() and text.isdecimal()):
        deque(frames.ranges(text), maxlen=0)  # raises for what is none
    return text


def _as_job_status(value: Any) -> JobStatus:
    return as_status(value, _JOB_STATUSES)


def _as_work_status(value: Any) -> WorkStatus:
    return as_status(value, _WORK_STATUSES)


def _as_outcome(value: Any) -> str:
    if value not in ("", *OUTCOMES):
        hint = near_match(str(value), OUTCOMES)
        raise Wrong(f"must be one of {', '.join(OUTCOMES)}, not {str(value)!r:.80}{hint}")
    return str(value)
