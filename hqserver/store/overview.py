"""Reading the farm for the page and for metrics: every list is bounded, and an index gives it in its order."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from hqserver.domain.status import LIVE_RUN

from .schema import words

_AFTER_ALL_IDS = 2**63 - 1


def count_live_runs(connection: sqlite3.Connection) -> dict[str, int]:
    """How many runs have each live status."""
    rows = connection.execute(
        f"SELECT status, count(*) FROM run INDEXED BY run_live_client WHERE status IN ({words(LIVE_RUN)}) "
        "GROUP BY status"
    )
    return {row[0]: row[1] for row in rows}


def children_after(connection: sqlite3.Connection, job_id: int, after: int, limit: int) -> list[int]:
    """Ids of the job's children above the id `after`, oldest first."""
    rows = connection.execute(
        "SELECT child_id FROM family WHERE parent_id = ? AND child_id > ? ORDER BY child_id LIMIT ?",
        (job_id, after, limit),
    )
    return [row[0] for row in rows]


def child_statuses(connection: sqlite3.Connection, job_id: int, limit: int) -> list[sqlite3.Row]:
    """Of the job's oldest children `id`, `status`, `held`, `tree_clients`, `started_at`, `ended_at` and the first
    characters of `name`."""
    return connection.execute(
        """
        SELECT job.id, job.status, job.held, job.tree_clients, job.started_at, job.ended_at,
            substr(job.name, 1, 60) AS name
        FROM family CROSS JOIN job ON job.id = family.child_id
        WHERE family.parent_id = ? ORDER BY family.child_id LIMIT ?
        """,
        (job_id, limit),
    ).fetchall()


def parents_of(connection: sqlite3.Connection, job_id: int, limit: int) -> list[int]:
    """Ids of the job's oldest parents."""
    rows = connection.execute(
        "SELECT parent_id FROM family WHERE child_id = ? ORDER BY parent_id LIMIT ?", (job_id, limit)
    )
    return [row[0] for row in rows]


def newest_history(connection: sqlite3.Connection, job_id: int, limit: int) -> list[sqlite3.Row]:
    """The newest lines of the job's history, newest first."""
    query = "SELECT * FROM history WHERE job_id = ? ORDER BY id DESC LIMIT ?"
    return connection.execute(query, (job_id, limit)).fetchall()


def blocked_clients(connection: sqlite3.Connection, root_id: int, most: int, limit: int) -> list[tuple[int, int]]:
    """Clients that failed at least `most` times at the root job, and how often, the most failures first."""
    query = """
        SELECT client_id, failures FROM client_failure WHERE root_id = ? AND failures >= ?
        ORDER BY failures DESC, client_id LIMIT ?
    """
    return [(row[0], row[1]) for row in connection.execute(query, (root_id, most, limit))]


def job_names(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, str]:
    """Names of jobs by id."""
    rows = connection.execute(
        "SELECT id, name FROM job WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(job_ids)),)
    )
    return {row[0]: row[1] for row in rows}


_RUN = """
    SELECT run.*, work.name AS work_name, job.name AS job_name
    FROM run JOIN work ON work.id = run.work_id JOIN job ON job.id = run.job_id
"""


def newest_runs_of_job(connection: sqlite3.Connection, job_id: int, limit: int) -> list[sqlite3.Row]:
    """The job's newest runs with `work_name` and `job_name`, newest first."""
    query = f"{_RUN} WHERE run.job_id = ? ORDER BY run.rowid DESC LIMIT ?"
    return connection.execute(query, (job_id, limit)).fetchall()


def live_runs_of_client(connection: sqlite3.Connection, client_id: int, limit: int) -> list[sqlite3.Row]:
    """The client's runs that have not ended, as `newest_runs_of_job` gives them."""
    query = f"{_RUN} WHERE run.client_id = ? AND run.status IN ({words(LIVE_RUN)}) LIMIT ?"
    return connection.execute(query, (client_id, limit)).fetchall()


def newest_ended_runs_of_client(connection: sqlite3.Connection, client_id: int, limit: int) -> list[sqlite3.Row]:
    """The runs that ended last on the client, as `newest_runs_of_job` gives them, latest first."""
    query = f"{_RUN} WHERE run.client_id = ? AND run.ended_at IS NOT NULL ORDER BY run.ended_at DESC LIMIT ?"
    return connection.execute(query, (client_id, limit)).fetchall()


# Notes, groups, resources ------------------------------------------------------------------------------------------

_NOTE = """
    SELECT note.id, note.thread_id, note.at, note.text, note_thread.job_id, job.name AS job_name, note_thread.client_id
    FROM note JOIN note_thread ON note_thread.id = note.thread_id LEFT JOIN job ON job.id = note_thread.job_id
"""


def newest_notes(connection: sqlite3.Connection, before: int | None, limit: int) -> list[sqlite3.Row]:
    """The newest notes, newest first, each with what it is about: `job_id` and `job_name`, or `client_id`, or neither.

    Only those below the id `before`, where it is given.
    """
    query = f"{_NOTE} WHERE note.id < ? ORDER BY note.id DESC LIMIT ?"
    return connection.execute(query, (before or _AFTER_ALL_IDS, limit)).fetchall()


def newest_notes_of_thread(
    connection: sqlite3.Connection, thread_id: int, before: int | None, limit: int
) -> list[sqlite3.Row]:
    """The same of one thread."""
    query = f"{_NOTE} WHERE note.thread_id = ? AND note.id < ? ORDER BY note.id DESC LIMIT ?"
    return connection.execute(query, (thread_id, before or _AFTER_ALL_IDS, limit)).fetchall()


def groups_after(connection: sqlite3.Connection, after: str, limit: int, members: int) -> list[sqlite3.Row]:
    """Groups by name, those after `after`: `id`, `name`, how many are in it (`count`), and as JSON the ids of the first
    `members` clients."""
    return connection.execute(
        """
        SELECT id, name,
            (SELECT count(*) FROM group_member WHERE group_id = client_group.id) AS count,
            (SELECT json_group_array(client_id) FROM
                (SELECT client_id FROM group_member WHERE group_id = client_group.id ORDER BY client_id LIMIT ?)
            ) AS members
        FROM client_group WHERE name > ? ORDER BY name LIMIT ?
        """,
        (members, after, limit),
    ).fetchall()


def resource_holders(connection: sqlite3.Connection, limit: int) -> list[sqlite3.Row]:
    """Live runs that hold resources: `job_id`, `job_name`, `client_id` and, as JSON, `resources`."""
    return connection.execute(
        f"""
        SELECT run.job_id, job.name AS job_name, run.client_id, run.resources
        FROM run INDEXED BY run_sharing CROSS JOIN job ON job.id = run.job_id
        WHERE run.status IN ({words(LIVE_RUN)}) AND (run.sharing <> '' OR run.resources <> '') AND run.resources <> ''
        LIMIT ?
        """,
        (limit,),
    ).fetchall()
