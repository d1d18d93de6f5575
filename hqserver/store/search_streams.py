"""Streams: ids of jobs that may match a filter, read from an index alone and, most of them, in the order of ids.

Every stream of a driver gives jobs that no other one of it gives. What a filter demands beyond is for
`search_conditions`: a stream promises only that no job is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hqserver.domain.job_filter import AT_WORK, BLOCKED, WAITING_FOR_RESOURCES, JobFilter, literal_parts
from hqserver.domain.status import FINISHED_JOB, JobStatus

from .clause import Clause
from .search_conditions import IN, labels
from .search_index import INDEXED_FROM

_UNFINISHED = frozenset(str(status) for status in JobStatus if status not in FINISHED_JOB)
_COULD_RUN = frozenset({str(JobStatus.QUEUED), str(JobStatus.RUNNABLE)})
_BEGINNING, _END = -1e300, 1e300
LAST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Stream:
    """Ids from an index: `SELECT id FROM source WHERE where`.

    `id` is the column that holds them; `ordered`: the index gives them in their order. A stream with `at` is in the
    order of that column of times instead, and then of ids. `also` is demanded of the job's row, to keep it out of
    other streams.
    """

    source: str
    where: Clause
    id: str = "id"
    ordered: bool = True
    distinct: bool = False
    at: str = ""
    also: str = ""


_UNFINISHED_ROOTS = Stream("job INDEXED BY job_root_unfinished", Clause("parents = 0 AND ended_at IS NULL"))
_FINISHED_ROOTS = Stream("job INDEXED BY job_root_finished", Clause("parents = 0 AND ended_at IS NOT NULL"))
_WHOLE_LISTS = {_UNFINISHED: _UNFINISHED_ROOTS, frozenset(map(str, FINISHED_JOB)): _FINISHED_ROOTS}


@dataclass(frozen=True, slots=True)
class Driver:
    """Streams that together give every job which a part of a filter allows.

    `covers`: the fields that they answer in full, so that nothing is left to demand; `nearly`: those that few of their
    jobs do not meet.
    """

    streams: Sequence[Stream]
    covers: frozenset[str] = frozenset()
    nearly: frozenset[str] = frozenset()

    @property
    def walkable(self) -> bool:
        """Whether an index gives all of it in an order."""
        return all(stream.ordered for stream in self.streams)

    @property
    def by_id(self) -> bool:
        """Whether that is the order of ids."""
        return all(stream.ordered and not stream.at for stream in self.streams)


def drivers(wanted: JobFilter, client_ids: Sequence[int]) -> Iterator[Driver]:
    """What can drive the search for these jobs, the most selective first as far as one can know without looking."""
    if wanted.ids is not None:
        yield _one("ids", Stream("json_each(?)", Clause("1", (json.dumps(wanted.ids),)), "value", ordered=False))
    if wanted.uuids is not None:
        where = Clause(f"uuid {IN}", (json.dumps(wanted.uuids),))
        yield _one("uuids", Stream("job", where, ordered=False))
    if wanted.parent is not None:
        yield _one("parent", _of_several("family", "parent_id", wanted.parent, "child_id"))
    for label in labels(wanted):
        yield Driver([Stream("job_label", Clause("label = ?", (label,)), "job_id")])
    if wanted.root is not None:
        streams = [Stream("job INDEXED BY job_of_root", Clause("root_id = ?", (root,))) for root in wanted.root]
        yield Driver(streams, frozenset({"root"}))
    if trigrams := _trigrams(wanted):
        yield Driver([Stream("job_text", Clause("job_text MATCH ?", (trigrams,)), "rowid")])
    if wanted.client is not None:
        yield _one("client", _of_several("client_job", "client_id", client_ids, "job_id"))
    if wanted.submitted_by is not None:
        source = "job INDEXED BY job_submitter"
        streams = [Stream(source, Clause("submitted_by = ?", (user,))) for user in wanted.submitted_by]
        yield Driver(streams, frozenset({"submitted_by"}))
    if wanted.status is not None:
        yield _by_status(wanted.status, wanted.roots_only)
    yield from by_time(wanted).values()
    if wanted.roots_only and wanted.status is None:
        yield Driver([_UNFINISHED_ROOTS, _FINISHED_ROOTS], frozenset({"roots_only"}))
    yield every_job(wanted)


def every_job(wanted: JobFilter) -> Driver:
    """All jobs of the farm, as far as the filter does not bound their ids."""
    bounds = (wanted.min_id or 0, wanted.max_id or LAST_ID)
    return Driver([Stream("job", Clause("id >= ? AND id <= ?", bounds))], frozenset({"min_id", "max_id"}))


def by_time(wanted: JobFilter, *, whole: bool = False) -> dict[str, Driver]:
    """Drivers in the order of a time, by its column: of those whose times the filter bounds, or of the `whole` farm.

    Only jobs that have ended have a time at which they did.
    """
    found = {}
    for column, since, before in (
        ("updated_at", wanted.updated_since, wanted.updated_before),
        ("ended_at", wanted.ended_since, wanted.ended_before),
        ("queued_at", wanted.since, wanted.before),
    ):
        ended = column == "ended_at"
        if since is None and before is None and not (whole and (not ended or _only_finished(wanted))):
            continue
        name = column.removesuffix("_at")
        where = (
            "ended_at IS NOT NULL AND ended_at >= ? AND ended_at < ?" if ended else f"{column} >= ? AND {column} < ?"
        )
        low, high = (_BEGINNING if since is None else since), (_END if before is None else before)
        fields = ("since", "before") if column == "queued_at" else (f"{name}_since", f"{name}_before")
        found[column] = Driver(
            [Stream(f"job INDEXED BY job_{name}", Clause(where, (low, high)), at=column)], frozenset(fields)
        )
    return found


def _only_finished(wanted: JobFilter) -> bool:
    finished = {str(status) for status in FINISHED_JOB}
    return wanted.status is not None and wanted.status <= finished


def _one(field: str, stream: Stream) -> Driver:
    return Driver([stream], frozenset({field}))


def _of_several(source: str, column: str, ids: Sequence[int], found: str) -> Stream:
    """What belongs to any of these: in the order of ids where it is only one."""
    if len(ids) == 1:
        return Stream(source, Clause(f"{column} = ?", (ids[0],)), found)
    return Stream(source, Clause(f"{column} {IN}", (json.dumps(ids),)), found, ordered=False, distinct=True)


def _trigrams(wanted: JobFilter) -> str:
    """What to ask the index of trigrams, "" where the filter has no text that is long enough for it."""
    parts = literal_parts(wanted.name) if wanted.name is not None else []
    asked = [f"name : {_quoted(part)}" for part in parts if len(part) >= INDEXED_FROM]
    if wanted.text is not None and len(wanted.text) >= INDEXED_FROM:
        asked.append(_quoted(wanted.text))
    return " AND ".join(f"({each})" for each in asked)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _by_status(words: frozenset[str], roots_only: bool) -> Driver:
    """A stream a status, and one of the few jobs that are held back or have clients, where only those of it match."""
    if roots_only and words in _WHOLE_LISTS:
        return Driver([_WHOLE_LISTS[words]], frozenset({"status", "roots_only"}))
    statuses = {word for word in words if word in JobStatus.__members__.values()}
    if WAITING_FOR_RESOURCES in words:
        statuses |= _COULD_RUN
    index = "job INDEXED BY job_root_status" if roots_only else "job INDEXED BY job_status"
    root = "parents = 0 AND " if roots_only else ""
    streams = [Stream(index, Clause(f"{root}status = ?", (status,))) for status in sorted(statuses)]
    listed = f"job.status NOT IN ({', '.join(repr(status) for status in sorted(statuses))})" if statuses else "1"
    held = (BLOCKED in words and not statuses >= _UNFINISHED) or (
        str(JobStatus.PAUSED) in words and JobStatus.QUEUED not in statuses
    )
    if held:
        streams.append(Stream("job INDEXED BY job_held", Clause("held <> ''"), also=listed))
    if AT_WORK in words and not statuses >= _COULD_RUN | {str(JobStatus.RUNNING)}:
        also = f"{listed} AND job.held = ''" if held else listed
        streams.append(Stream("presence", Clause("1"), "job_id", distinct=True, also=also))
    covers = {"status"} if is_plain(words) else set()
    return Driver(streams, frozenset(covers | {"roots_only"} if roots_only else covers), frozenset({"status"}))


def is_plain(words: frozenset[str]) -> bool:
    """Whether the words mean what the column of the status holds, and no more."""
    # The page also calls a queued job paused that is held back.
    whole = JobStatus.PAUSED not in words or JobStatus.QUEUED in words
    return whole and all(word in JobStatus.__members__.values() for word in words)
