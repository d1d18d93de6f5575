"""Reading jobs, clients and notes for people: batches by id, one statement a question, never one a job."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from hqserver.domain.status import LIVE_RUN

from .schema import words

_IN = "IN (SELECT value FROM json_each(?))"


def _ids(ids: Iterable[int]) -> str:
    return json.dumps(list(ids))


def read_anything(connection: sqlite3.Connection) -> None:
    """Touch the file: raises `sqlite3.Error` where it cannot be read."""
    connection.execute("SELECT count(*) FROM farm").fetchone()


def jobs_by_id(connection: sqlite3.Connection, job_ids: Sequence[int]) -> list[sqlite3.Row]:
    """Whole rows of these jobs, in the order asked for; unknown ids are left out, repeated ones repeated."""
    rows = connection.execute(f"SELECT * FROM job WHERE id {_IN}", (_ids(job_ids),)).fetchall()
    found = {row["id"]: row for row in rows}
    return [found[job_id] for job_id in job_ids if job_id in found]


def ids_by_status(connection: sqlite3.Connection, statuses: Iterable[str]) -> list[int]:
    """Ids of jobs with one of these statuses, oldest first."""
    rows = connection.execute(f"SELECT id FROM job WHERE status {_IN} ORDER BY id", (json.dumps(list(statuses)),))
    return [row[0] for row in rows]


def root_ids(connection: sqlite3.Connection, *, finished: bool) -> list[int]:
    """Ids of jobs without a parent, oldest first."""
    ended = "IS NOT NULL" if finished else "IS NULL"
    rows = connection.execute(f"SELECT id FROM job WHERE parents = 0 AND ended_at {ended} ORDER BY id")
    return [row[0] for row in rows]


def roots_ended_before(
    connection: sqlite3.Connection, at: float, after: tuple[float, int], limit: int
) -> list[tuple[float, int]]:
    """(when it ended, id) of root jobs that ended before `at`, the oldest first, going on `after` one of them.

    Jobs of which anything changed since are left out: those that were imported ended long before they came.
    """
    rows = connection.execute(
        """
        SELECT ended_at, id FROM job INDEXED BY job_ended
        WHERE ended_at IS NOT NULL AND ended_at < ? AND ended_at >= ? AND (ended_at, id) > (?, ?) AND parents = 0
            AND updated_at < ?
        ORDER BY ended_at, id LIMIT ?
        """,
        (at, after[0], *after, at, limit),
    )
    return [(row[0], row[1]) for row in rows]


def children(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, list[int]]:
    """Ids of children by parent."""
    return _grouped(
        connection.execute(
            f"SELECT parent_id, child_id FROM family WHERE parent_id {_IN} ORDER BY child_id", (_ids(job_ids),)
        )
    )


def parents(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, list[int]]:
    """Ids of parents by child."""
    return _grouped(
        connection.execute(
            f"SELECT child_id, parent_id FROM family WHERE child_id {_IN} ORDER BY parent_id", (_ids(job_ids),)
        )
    )


def clients_of_jobs(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, list[int]]:
    """Ids of the clients that run or ran each job, in the order in which they first did."""
    rows = connection.execute(
        f"""
        SELECT job_id, client_id FROM run WHERE job_id {_IN}
        GROUP BY job_id, client_id ORDER BY job_id, min(offered_at)
        """,
        (_ids(job_ids),),
    )
    return _grouped(rows)


def jobs_of_clients(connection: sqlite3.Connection) -> dict[int, list[int]]:
    """Ids of the jobs that run on each client."""
    rows = connection.execute(
        f"""
        SELECT DISTINCT client_id, job_id FROM run INDEXED BY run_live_client
        WHERE status IN ({words(LIVE_RUN)}) ORDER BY client_id, job_id
        """
    )
    return _grouped(rows)


def jobs_of_client(connection: sqlite3.Connection, client_id: int) -> list[int]:
    """Ids of the jobs with a live run on the client, oldest first."""
    rows = connection.execute(
        f"SELECT DISTINCT job_id FROM run WHERE client_id = ? AND status IN ({words(LIVE_RUN)}) ORDER BY job_id",
        (client_id,),
    )
    return [row[0] for row in rows]


def recent_jobs_of_client(connection: sqlite3.Connection, client_id: int, limit: int) -> list[int]:
    """Ids of the jobs whose runs on the client started and ended, each once, the one that ended last first."""
    found: dict[int, None] = {}
    rows = connection.execute(
        """
        SELECT job_id FROM run
        WHERE client_id = ? AND ended_at IS NOT NULL AND started_at IS NOT NULL
        ORDER BY ended_at DESC, rowid DESC
        """,
        (client_id,),
    )
    for (job_id,) in rows:  # read no further than needed: a client has thousands of runs
        if len(found) >= limit:
            break
        found[job_id] = None
    return list(found)


def count_runnable(
    connection: sqlite3.Connection, before: float | None, min_priority: int | None, max_priority: int | None
) -> int:
    """How many jobs wait for a client: those runnable since `before` or earlier, with a priority in these bounds."""
    bounds = (("runnable_at <= ?", before), ("priority >= ?", min_priority), ("priority <= ?", max_priority))
    given = [(condition, value) for condition, value in bounds if value is not None]
    where = " AND ".join(["status = 'runnable'", *(condition for condition, _ in given)])
    row = connection.execute(f"SELECT count(*) FROM job WHERE {where}", [value for _, value in given]).fetchone()
    return int(row[0])


def topmost(connection: sqlite3.Connection, job_id: int) -> int | None:
    """The job's root, or where that got a parent later, the oldest job without one above it; None for no such job."""
    row = connection.execute(
        """
        WITH RECURSIVE above (id) AS (
            SELECT root_id FROM job WHERE id = ?
            UNION SELECT family.parent_id FROM family JOIN above ON family.child_id = above.id
        )
        SELECT min(id) FROM above WHERE NOT EXISTS (SELECT 1 FROM family WHERE child_id = above.id)
        """,
        (job_id,),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def ending_clients(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, list[int]]:
    """Ids of the clients that are asked to kill runs of each job."""
    rows = connection.execute(
        f"SELECT job_id, client_id FROM run WHERE status = 'ending' AND job_id {_IN}", (_ids(job_ids),)
    )
    return _grouped(rows)


def lost_clients(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, list[int]]:
    """Ids of the silent clients that hold runs of each job."""
    rows = connection.execute(
        f"SELECT job_id, client_id FROM run WHERE status = 'lost' AND job_id {_IN}", (_ids(job_ids),)
    )
    return _grouped(rows)


def unconfirmed_clients(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, list[int]]:
    """Ids of the clients that never confirmed that they cancelled each job."""
    rows = connection.execute(
        f"SELECT job_id, client_id FROM run WHERE unconfirmed = 1 AND status = 'cancelled' AND job_id {_IN}",
        (_ids(job_ids),),
    )
    return _grouped(rows)


def requirements(connection: sqlite3.Connection, requirement_ids: Iterable[int]) -> dict[int, str]:
    """Keys of requirements by id."""
    rows = connection.execute(f"SELECT id, key FROM requirement WHERE id {_IN}", (_ids(set(requirement_ids)),))
    return {row[0]: row[1] for row in rows}


def history(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, list[sqlite3.Row]]:
    """Lines of history by job, oldest first."""
    found = defaultdict(list)
    rows = connection.execute(f"SELECT * FROM history WHERE job_id {_IN} ORDER BY id", (_ids(job_ids),))
    for row in rows:
        found[row["job_id"]].append(row)
    return found


def runs_newest_first(connection: sqlite3.Connection, job_id: int) -> Iterator[sqlite3.Row]:
    """The job's runs with the name of their work item and a `number` that grows with each run that is offered; those
    of further clients, which write nothing, are left out."""
    yield from connection.execute(
        """
        SELECT run.*, run.rowid AS number, work.name AS work_name FROM run JOIN work ON work.id = run.work_id
        WHERE run.job_id = ? AND slot = 0 ORDER BY run.rowid DESC
        """,
        (job_id,),
    )


def tries_until(connection: sqlite3.Connection, work_id: int, number: int) -> int:
    """How many runs of the work item's command have begun, or ended with output, up to the one of this number."""
    query = """
        SELECT count(*) FROM run
        WHERE work_id = ? AND slot = 0 AND kind = '' AND rowid <= ? AND (started_at IS NOT NULL OR rowid = ?)
    """
    return int(connection.execute(query, (work_id, number, number)).fetchone()[0])


def threads(connection: sqlite3.Connection, thread_ids: Sequence[int] | None) -> list[sqlite3.Row]:
    """Note threads, all of them or these."""
    if thread_ids is None:
        return connection.execute("SELECT * FROM note_thread ORDER BY id").fetchall()
    rows = connection.execute(f"SELECT * FROM note_thread WHERE id {_IN}", (_ids(thread_ids),)).fetchall()
    found = {row["id"]: row for row in rows}
    return [found[thread_id] for thread_id in thread_ids if thread_id in found]


def notes_of_threads(connection: sqlite3.Connection, thread_ids: Iterable[int]) -> dict[int, list[sqlite3.Row]]:
    """Notes by thread, oldest first."""
    found = defaultdict(list)
    rows = connection.execute(f"SELECT * FROM note WHERE thread_id {_IN} ORDER BY id", (_ids(thread_ids),))
    for row in rows:
        found[row["thread_id"]].append(row)
    return found


def latest_notes(connection: sqlite3.Connection, owner: str, ids: Iterable[int]) -> dict[int, tuple[int, str]]:
    """Of jobs or clients (`owner`: "job" or "client") with a thread: its id and the text of its newest note."""
    column = {"job": "job_id", "client": "client_id"}[owner]
    rows = connection.execute(
        f"""
        SELECT note_thread.{column}, note_thread.id, coalesce(
            (SELECT text FROM note WHERE thread_id = note_thread.id ORDER BY note.id DESC LIMIT 1), '')
        FROM note_thread WHERE {column} {_IN}
        """,
        (_ids(ids),),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def _grouped(rows: Iterable[sqlite3.Row]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for key, value in rows:
        found[key].append(value)
    return found
