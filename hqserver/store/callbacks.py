"""Rows of callbacks, and of the jobs that callbacks made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hqserver.domain.callback import Action, ActionKind
from hqserver.domain.delivery import JobFacts

_IN = "IN (SELECT value FROM json_each(?))"
_COLUMNS = "id, job_id, triggers, kind, action, added_at, added_by, fired, waiting, failed, last_error"


@dataclass(frozen=True, slots=True)
class CallbackRow:
    """A callback. `job_id` None: of every job. `added_at`: UTC epoch seconds. `fired` times, of which `waiting`
    deliveries are to be made yet and `failed` were given up, the last of them because of `last_error`."""

    id: int
    job_id: int | None
    triggers: tuple[str, ...]
    action: Action
    added_at: float
    added_by: str
    fired: int
    waiting: int
    failed: int
    last_error: str


def add(
    connection: sqlite3.Connection,
    job_id: int | None,
    triggers: Sequence[str],
    family: bool,
    action: Action,
    *,
    at: float,
    by: str,
) -> int:
    """Store a callback; its id. `family`: events of other jobs can fire it."""
    cursor = connection.execute(
        """
        INSERT INTO callback (job_id, triggers, family, kind, action, added_at, added_by)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        (job_id, ",".join(triggers), int(family), action.kind, json.dumps(action.values), at, by),
    )
    return int(cursor.lastrowid or 0)


def count(connection: sqlite3.Connection, job_id: int | None) -> int:
    """How many callbacks the job has, or those for every job."""
    return int(connection.execute("SELECT count(*) FROM callback WHERE job_id IS ?", (job_id,)).fetchone()[0])


def of_job(connection: sqlite3.Connection, job_id: int | None) -> list[CallbackRow]:
    """The callbacks of the job, or those for every job, oldest first."""
    query = f"SELECT {_COLUMNS} FROM callback WHERE job_id IS ? ORDER BY id"
    return [_row(row) for row in connection.execute(query, (job_id,))]


def remove(connection: sqlite3.Connection, ids: Iterable[int]) -> list[int]:
    """Remove callbacks and what they have not delivered yet; the ids of those that there were."""
    wanted = (json.dumps(list(ids)),)
    gone = [row[0] for row in connection.execute(f"DELETE FROM callback WHERE id {_IN} RETURNING id", wanted)]
    connection.execute(f"DELETE FROM delivery WHERE callback_id {_IN}", wanted)
    return sorted(gone)


# When something happens ----------------------------------------------------------------------------------------------


def are_any(connection: sqlite3.Connection) -> bool:
    """Whether there are callbacks at all."""
    return connection.execute("SELECT 1 FROM callback LIMIT 1").fetchone() is not None


def watch_families(connection: sqlite3.Connection) -> bool:
    """Whether any callback can be fired by jobs below its own."""
    query = "SELECT 1 FROM callback INDEXED BY callback_family WHERE family = 1 LIMIT 1"
    return connection.execute(query).fetchone() is not None


def concerning(connection: sqlite3.Connection, job_ids: Iterable[int]) -> list[CallbackRow]:
    """The callbacks of these jobs, and those for every job."""
    of_jobs = f"SELECT {_COLUMNS} FROM callback WHERE job_id {_IN}"
    of_all = f"SELECT {_COLUMNS} FROM callback WHERE job_id IS NULL"
    rows = connection.execute(f"{of_all} UNION ALL {of_jobs}", (json.dumps(list(job_ids)),))
    return [_row(row) for row in rows]


def note_fired(connection: sqlite3.Connection, callback_id: int, *, fired: int, waiting: int, failed: int) -> None:
    """It has fired so often more; so many deliveries wait, and so many are not made at all."""
    connection.execute(
        "UPDATE callback SET fired = fired + ?, waiting = waiting + ?, failed = failed + ? WHERE id = ?",
        (fired, waiting, failed, callback_id),
    )


def note_error(connection: sqlite3.Connection, callback_id: int, error: str) -> None:
    """Why the last delivery that went wrong did."""
    connection.execute("UPDATE callback SET last_error = ? WHERE id = ?", (error, callback_id))


def facts_of(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, JobFacts]:
    """What is told of these jobs, by id."""
    rows = connection.execute(
        f"""
        SELECT id, name, status, uuid, root_id, priority, submitted_by, json_extract(specification, '$.properties')
        FROM job WHERE id {_IN}
        """,
        (json.dumps(list(job_ids)),),
    )
    return {
        job_id: JobFacts(name, status, uuid, root_id, priority, by, json.loads(properties or "{}"))
        for job_id, name, status, uuid, root_id, priority, by, properties in rows
    }


def without_agenda(connection: sqlite3.Connection, job_id: int) -> bool:
    """Whether the job's command is one piece of work, of which its own status tells."""
    row = connection.execute("SELECT agenda FROM job WHERE id = ?", (job_id,)).fetchone()
    return row is not None and not row[0]


def mark_made(connection: sqlite3.Connection, job_id: int, callback_id: int) -> None:
    """A callback made this job."""
    connection.execute("INSERT INTO callback_job (job_id, callback_id) VALUES (?, ?)", (job_id, callback_id))


def made(connection: sqlite3.Connection, job_ids: Iterable[int]) -> set[int]:
    """Those of these jobs that a callback made."""
    query = f"SELECT job_id FROM callback_job WHERE job_id {_IN}"
    return {row[0] for row in connection.execute(query, (json.dumps(list(job_ids)),))}


def _row(row: Sequence[object]) -> CallbackRow:
    number, job_id, triggers, kind, action, *rest = row
    return CallbackRow(
        number,  # type: ignore[arg-type]
        job_id,  # type: ignore[arg-type]
        tuple(str(triggers).split(",")),
        Action(ActionKind(str(kind)), json.loads(str(action))),
        *rest,  # type: ignore[arg-type]
    )
