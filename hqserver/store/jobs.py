"""Rows of jobs and of the family that links them."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import compress, islice, product
from operator import attrgetter, itemgetter, ne
from typing import Any

from hqserver.domain.job import Tree
from hqserver.domain.status import FINISHED_JOB, JobStatus, WorkStatus

from .schema import TREE_COLUMNS, WORK_COLUMNS
from .search_index import add_counts, add_labels, add_texts

_JOBS_AT_ONCE = 500


@dataclass(slots=True)
class JobRow:
    """What decides a job's status, and the counters that stand on its row. Times are UTC epoch seconds.

    `children_ending`: unfinished children that are cancelled; `held`: "pause", "block" or ""; `weightless`: it counts
    nothing in overallProgress; `hooks`, `mail_reasons`: comma lists; `pending`: work items that wait only for their
    hooks; `deleted_failed`: failed children deleted since; `agenda`: its work items are the pieces of one;
    `max_concurrent`: how many of them may be worked on at once, 0 for any number; `capped`: so many are; `position`:
    its place in the queue among its priority; `by_hand`: somebody marked it as done.
    """

    id: int
    root_id: int
    requirement_id: int
    name: str
    priority: int
    cpus: int
    tries: int
    queued_at: float
    updated_at: float
    first_parent_id: int | None = None
    status: JobStatus = JobStatus.QUEUED
    cancelled: int = 0
    outcome: str = ""
    runnable_at: float | None = None
    started_at: float | None = None
    command_started_at: float | None = None
    command_ended_at: float | None = None
    ended_at: float | None = None
    claimable: int = 0
    parents: int = 0
    children: int = 0
    children_unfinished: int = 0
    children_failed: int = 0
    children_ending: int = 0
    tree_clients: int = 0
    held: str = ""
    weightless: int = 0
    tries_given: int = 0
    hooks: str = ""
    mail_reasons: str = ""
    lease: int = 0
    split_output: int = 0
    agenda: int = 0
    max_concurrent: int = 0
    capped: int = 0
    position: int = 0
    by_hand: int = 0
    pending: int = 0
    show_blocked_clients_warning: int = 1
    deleted_failed: int = 0
    own_progress: int = 0
    own_progress_live: int = 0
    own_durations_ms: int = 0
    own_work_timed: int = 0
    work: dict[WorkStatus, int] = field(default_factory=lambda: dict.fromkeys(WorkStatus, 0))
    tree: Tree = field(default_factory=Tree)
    stored: tuple[object, ...] = field(default=(), repr=False, compare=False)
    """What it was in the database when it was read or written last; () for a row that was not."""

    @property
    def finished(self) -> bool:
        return self.status in FINISHED_JOB

    @property
    def over(self) -> bool:
        """It has ended, or was cancelled and ends as soon as its client confirms that nothing of it is left."""
        return self.finished or bool(self.cancelled)

    @property
    def failed_children(self) -> int:
        """Children that did not succeed, those that were deleted since included."""
        return self.children_failed + self.deleted_failed


@dataclass(frozen=True, slots=True)
class JobTexts:
    """What is stored with a job and never read to schedule it."""

    uuid: str
    description: str
    command: str
    submitted_by: str
    specification: str


# The columns stand in the order of the row's fields, so that a row is made of what a query gives.
_PLAIN = tuple(each.name for each in fields(JobRow) if each.name not in ("work", "tree", "stored"))
_COLUMNS = (*_PLAIN, *WORK_COLUMNS.values(), *TREE_COLUMNS.values())
_FIXED = {
    *("id", "root_id", "first_parent_id", "name", "cpus", "queued_at", "weightless", "tries_given", "hooks"),
    *("mail_reasons", "lease", "split_output", "agenda"),
}
"""Written by `modify`, by removal or not at all."""

_KEYS = (
    {"status", "parents", "ended_at"},
    {"requirement_id", "priority", "position", "claimable", "held", "capped"},
)
"""Columns that jobs are found by, those together that change together. They are written only where one of them did: to
keep the indexes in order costs several times what the row does, and SQLite does it for each column it is given."""

_ALIKE = 8
"""So many rows that change alike are written by one statement, at a third of what each alone costs; it is made anew for
each such change, which is not worth it for fewer."""

_TEXTS = ("uuid", "description", "command", "submitted_by", "specification")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM job WHERE id = ?"
_SELECT_ALL = f"SELECT {', '.join(_COLUMNS)} FROM job WHERE id IN (SELECT value FROM json_each(?))"
_INSERT = f"INSERT INTO job ({', '.join((*_COLUMNS, *_TEXTS))}) VALUES ({', '.join('?' * len((*_COLUMNS, *_TEXTS)))})"
_CHANGING = tuple(column for column in _COLUMNS if column not in _FIXED)
_WORK_START = len(_PLAIN)
_TREE_START = _WORK_START + len(WORK_COLUMNS)
_STATUSES = tuple(WorkStatus)
_plain_values = attrgetter(*_PLAIN)
_changing_values = attrgetter(*(column for column in _PLAIN if column not in _FIXED))
_work_values = itemgetter(*_STATUSES)
_tree_values = attrgetter(*TREE_COLUMNS)


def _update(changed: tuple[bool, ...]) -> tuple[str, list[bool]]:
    """A statement that writes a row back without those of `_KEYS` that did not change, and which values it takes."""
    spared = frozenset(column for keys, did in zip(_KEYS, changed, strict=True) if not did for column in keys)
    columns = [column for column in _CHANGING if column not in spared]
    statement = f"UPDATE job SET {', '.join(f'{column} = ?' for column in columns)} WHERE id = ?"
    return statement, [column not in spared for column in _CHANGING]


_UPDATES = {changed: _update(changed) for changed in product((False, True), repeat=len(_KEYS))}


def load(connection: sqlite3.Connection, job_id: int) -> JobRow | None:
    """The job's row, None for an id that the farm does not have."""
    row = connection.execute(_SELECT, (job_id,)).fetchone()
    return None if row is None else _row(row)


def load_all(connection: sqlite3.Connection, job_ids: Iterable[int]) -> list[JobRow]:
    """The rows of those of these jobs that exist, in one query."""
    return [_row(row) for row in connection.execute(_SELECT_ALL, (json.dumps(list(job_ids)),))]


def _row(values: Sequence[Any]) -> JobRow:
    row = JobRow(  # type: ignore[call-arg]
        *values[:_WORK_START],
        dict(zip(_STATUSES, values[_WORK_START:_TREE_START], strict=True)),
        Tree(*values[_TREE_START:]),
    )
    row.status = JobStatus(row.status)
    row.stored = _values(row, _changing_values(row))
    return row


def _values(row: JobRow, plain: tuple[object, ...]) -> tuple[object, ...]:
    return (*plain, *_work_values(row.work), *_tree_values(row.tree))


def save(connection: sqlite3.Connection, rows: Iterable[JobRow]) -> None:
    """Write back what changed of rows that `load` gave or `insert` took."""
    alike: dict[tuple[tuple[str, object], ...], list[JobRow]] = defaultdict(list)
    for row in rows:
        was, row.stored = row.stored, _values(row, _changing_values(row))
        changes = zip(_CHANGING, row.stored, strict=True)
        alike[tuple(compress(changes, map(ne, row.stored, was)) if was else changes)].append(row)
    others: dict[tuple[bool, ...], list[JobRow]] = defaultdict(list)
    for change, found in alike.items():
        columns = dict(change)
        if len(found) >= _ALIKE:
            _save_alike(connection, columns, found)
        elif columns:
            others[tuple(not keys.isdisjoint(columns) for keys in _KEYS)] += found
    for changed, found in others.items():
        statement, taken = _UPDATES[changed]
        connection.executemany(statement, ((*compress(row.stored, taken), row.id) for row in found))


def _save_alike(connection: sqlite3.Connection, change: Mapping[str, object], rows: Sequence[JobRow]) -> None:
    if change:
        columns = ", ".join(f"{column} = ?" for column in change)
        ids = json.dumps([row.id for row in rows])
        connection.execute(
            f"UPDATE job SET {columns} WHERE id IN (SELECT value FROM json_each(?))", (*change.values(), ids)
        )


def insert(connection: sqlite3.Connection, jobs: Iterable[tuple[JobRow, JobTexts]]) -> None:
    """Store new jobs, and index what they are found by. The texts of a large submission are not held all at once."""
    jobs = iter(jobs)
    while rows := list(islice(jobs, _JOBS_AT_ONCE)):
        _insert(connection, rows)


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[JobRow, JobTexts]]) -> None:
    connection.executemany(
        _INSERT,
        [
            (
                *_values(row, _plain_values(row)),
                texts.uuid,
                texts.description,
                texts.command,
                texts.submitted_by,
                texts.specification,
            )
            for row, texts in rows
        ],
    )
    add_texts(connection, ((row.id, row.name, texts.description) for row, texts in rows))
    add_labels(connection, ((row.id, texts.specification) for row, texts in rows))
    add_counts(connection, ((row.parents == 0, row.status) for row, _ in rows))


def texts(connection: sqlite3.Connection, job_id: int) -> JobTexts:
    """What is stored with a job that exists."""
    return JobTexts(*connection.execute(f"SELECT {', '.join(_TEXTS)} FROM job WHERE id = ?", (job_id,)).fetchone())


def modify(connection: sqlite3.Connection, row: JobRow, changed: JobTexts) -> None:
    """Write what only a modification changes: what else there is of the row is written by `save`."""
    connection.execute(
        """
        UPDATE job SET name = ?, cpus = ?, weightless = ?, tries_given = ?, hooks = ?, mail_reasons = ?, lease = ?,
            split_output = ?, description = ?, command = ?, submitted_by = ?, specification = ?
        WHERE id = ?
        """,
        (
            *(row.name, row.cpus, row.weightless, row.tries_given, row.hooks, row.mail_reasons, row.lease),
            row.split_output,
            *(changed.description, changed.command, changed.submitted_by, changed.specification, row.id),
        ),
    )


def next_id(connection: sqlite3.Connection) -> int:
    """The first id that was never given to a job. Ids that rows are inserted with are counted as given."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'job'").fetchone()
    return int(row[0]) + 1 if row else 1


def with_uuid(connection: sqlite3.Connection, name: str) -> int | None:
    """Id of the job with this uuid, None where no job has it."""
    row = connection.execute("SELECT id FROM job WHERE uuid = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def submitted_by(connection: sqlite3.Connection, job_id: int) -> str:
    """The user the job belongs to."""
    return str(connection.execute("SELECT submitted_by FROM job WHERE id = ?", (job_id,)).fetchone()[0])


def requirement_key(connection: sqlite3.Connection, requirement_id: int) -> str:
    """What `requirement_id` gave a number to."""
    return str(connection.execute("SELECT key FROM requirement WHERE id = ?", (requirement_id,)).fetchone()[0])


def command_of(connection: sqlite3.Connection, job_id: int) -> str:
    """The job's command as it is stored: JSON of a text or of a dictionary by platform."""
    return str(connection.execute("SELECT command FROM job WHERE id = ?", (job_id,)).fetchone()[0])


def specification_of(connection: sqlite3.Connection, job_id: int) -> str:
    """What is stored of the job's specification and never read to schedule it: JSON."""
    return str(connection.execute("SELECT specification FROM job WHERE id = ?", (job_id,)).fetchone()[0])


def requirement_id(connection: sqlite3.Connection, key: str) -> int:
    """The id under which this requirement stands, new or known."""
    row = connection.execute("SELECT id FROM requirement WHERE key = ?", (key,)).fetchone()
    if row is None:
        cursor = connection.execute("INSERT INTO requirement (key) VALUES (?)", (key,))
        return int(cursor.lastrowid or 0)
    return int(row[0])
