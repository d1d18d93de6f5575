"""Who is whose parent and child, and what is counted over all below a job."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from hqserver.domain.job import Tree
from hqserver.domain.status import FAILED_JOB, FINISHED_WORK

from .schema import OWN_COLUMNS, WORK_COLUMNS, words

_BELOW = "WITH RECURSIVE below (id) AS (SELECT ? UNION SELECT child_id FROM family JOIN below ON parent_id = below.id)"


def link(connection: sqlite3.Connection, pairs: Iterable[tuple[int, int]]) -> None:
    """Make the second of each pair a child of the first."""
    connection.executemany("INSERT INTO family (parent_id, child_id) VALUES (?, ?)", pairs)


def parents_of(connection: sqlite3.Connection, job_id: int) -> list[int]:
    """Ids of the job's parents."""
    return [row[0] for row in connection.execute("SELECT parent_id FROM family WHERE child_id = ?", (job_id,))]


def failed_children_of(connection: sqlite3.Connection, job_id: int) -> list[int]:
    """Ids of the job's children that failed, were cancelled or abandoned, the kill of the cancelled ones confirmed or
    not."""
    rows = connection.execute(
        f"""
        SELECT child_id FROM family JOIN job ON job.id = child_id
        WHERE parent_id = ? AND (status IN ({words(FAILED_JOB)}) OR cancelled = 1) ORDER BY child_id
        """,
        (job_id,),
    )
    return [row[0] for row in rows]


def ancestors_of(connection: sqlite3.Connection, job_ids: Iterable[int]) -> set[int]:
    """Ids of every distinct ancestor of these jobs, the jobs themselves left out unless one is another's ancestor."""
    rows = connection.execute(
        """
        WITH RECURSIVE above (id) AS (
            SELECT parent_id FROM family WHERE child_id IN (SELECT value FROM json_each(?))
            UNION
            SELECT parent_id FROM family JOIN above ON child_id = above.id
        )
        SELECT id FROM above
        """,
        (json.dumps(list(job_ids)),),
    )
    return {row[0] for row in rows}


_ENDED_WORK = " + ".join(WORK_COLUMNS[status] for status in FINISHED_WORK)
_WEIGHS = "(1 - weightless)"
_RECOUNT_TREE = f"""{_BELOW}
    SELECT count(*), sum(ended_at IS NOT NULL), sum(status IN ({words(FAILED_JOB)})),
        sum({_WEIGHS} * ({" + ".join(WORK_COLUMNS.values())})), sum({_WEIGHS} * ({_ENDED_WORK})),
        {", ".join(f"sum({_WEIGHS} * {own})" for own in OWN_COLUMNS.values())}
    FROM job WHERE id IN (SELECT id FROM below)
"""


def recount_tree(connection: sqlite3.Connection, job_id: int) -> Tree:
    """The tree counters of a job, counted from scratch.

    Used where existing jobs are linked, and by tests and the audit: it must always equal what stands on the row.
    """
    return Tree(*connection.execute(_RECOUNT_TREE, (job_id,)).fetchone())


def count_clients(connection: sqlite3.Connection, job_id: int) -> int:
    """Distinct clients with live runs of the job and below, counted from scratch."""
    query = f"""{_BELOW}
        SELECT count(DISTINCT client_id) FROM run
        WHERE ended_at IS NULL AND job_id IN (SELECT id FROM below)
    """
    return int(connection.execute(query, (job_id,)).fetchone()[0])


def recount_presence(connection: sqlite3.Connection, job_id: int) -> int:
    """Write anew which clients hold live runs of the job and below; how many they are."""
    connection.execute("DELETE FROM presence WHERE job_id = ?", (job_id,))
    query = f"""
        INSERT INTO presence (job_id, client_id, runs)
        {_BELOW}
        SELECT ?, client_id, count(*) FROM run
        WHERE ended_at IS NULL AND job_id IN (SELECT id FROM below) GROUP BY client_id
    """
    return connection.execute(query, (job_id, job_id)).rowcount


def count_presence(connection: sqlite3.Connection, job_id: int, client_id: int, change: int) -> int:
    """Count live runs that a client holds of a job or below it; how the number of distinct clients changed."""
    key = (job_id, client_id)
    row = connection.execute("SELECT runs FROM presence WHERE job_id = ? AND client_id = ?", key).fetchone()
    now = (row[0] if row else 0) + change
    if now == 0:
        connection.execute("DELETE FROM presence WHERE job_id = ? AND client_id = ?", key)
        return -1
    if row is None:
        connection.execute("INSERT INTO presence (job_id, client_id, runs) VALUES (?, ?, ?)", (*key, now))
        return 1
    connection.execute("UPDATE presence SET runs = ? WHERE job_id = ? AND client_id = ?", (now, *key))
    return 0
