"""Jobs for finding: very many rows made by SQL, unlike each other in everything that a filter looks at."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hqserver.store.database import Database

NOW = 1_700_000_000.0
USERS = ("ada", "bob", "eve")
_STATUS = """
CASE n % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'cancelled' WHEN 2 THEN 'abandoned' ELSE 'succeeded' END
"""


def fill(folder: Path, finished: int, unfinished: int) -> Database:
    """A farm whose older jobs have all ended, in an order that is not that of their ids.

    Of five jobs the first is the parent of the others. Every hundredth has tags and properties; a few of the
    unfinished ones are held, and some have clients at work.
    """
    database = Database(folder / "farm.db")
    database.write(lambda transaction: _fill(transaction.connection, finished, unfinished))
    return database


def _fill(connection: sqlite3.Connection, finished: int, unfinished: int) -> None:
    connection.executemany(
        """INSERT INTO client (id, hostname, name, secret_hash, session, boot_id, ip, port, platform, cpus, cpu_speed,
        memory, version, registered_at, heartbeat_at)
        VALUES (?1, 'node' || ?1, ?2, ?1, 's', 'b', '127.0.0.1', 0, 'linux', 2, 0, 0, 'v', 1, 1)""",
        [(1, ""), (2, "gpu"), (3, "")],
    )
    condition = '"conditions":[{"type":"client","name":"group","op":"in","value":"farm,gpu"}]'
    for number, extra in ((1, ""), (2, f",{condition}")):
        key = f'{{"cpus":1,"platforms":[]{extra}}}'
        connection.execute("INSERT INTO requirement (id, key) VALUES (?, ?)", (number, key))
    ended = f"CASE WHEN n <= {finished} THEN {NOW} + (n * 7919) % {finished + 1} END"
    connection.execute(
        f"""
        WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {finished + unfinished})
        INSERT INTO job (id, uuid, root_id, first_parent_id, requirement_id, name, description, command, submitted_by,
            specification, priority, cpus, tries, status, outcome, held, queued_at, updated_at, started_at, ended_at,
            parents, children, tree_clients)
        SELECT n, 'uuid-' || n, n - n % 5, CASE WHEN n % 5 AND n > 5 THEN n - n % 5 END, 1 + (n % 50 = 7),
            'shot ' || (n % 997) || CASE n % 3 WHEN 0 THEN ' Beauty' ELSE ' shadow' END,
            CASE n % 11 WHEN 0 THEN 'the long version' ELSE '' END, '"true"',
            CASE WHEN n % 4000 = 9 THEN 'eve' WHEN n % 2 THEN 'ada' ELSE 'bob' END,
            CASE n % 100 WHEN 3 THEN
                '{{"tags":["single","wip"],"properties":{{"film":"Ape","shot":"' || (n % 7) || '"}}}}' ELSE '{{}}' END,
            n % 6, 1, 0,
            CASE WHEN n <= {finished} THEN {_STATUS} WHEN n % 3 = 0 THEN 'queued' WHEN n % 40 = 1 THEN 'paused'
                WHEN n % 7 = 0 THEN 'running' ELSE 'runnable' END,
            CASE WHEN n <= {finished} AND {_STATUS} = 'succeeded' THEN 'exit' ELSE '' END,
            CASE WHEN n > {finished} AND (n % 90 = 0 OR n % 40 = 1) THEN
                CASE n % 4 WHEN 0 THEN 'block' ELSE 'pause' END ELSE '' END,
            {NOW} + n, {NOW} + (n * 104729) % {finished + unfinished}, CASE WHEN n % 2 THEN {NOW} + n END, {ended},
            CASE WHEN n % 5 AND n > 5 THEN 1 ELSE 0 END, CASE WHEN n % 5 THEN 0 ELSE 4 END,
            CASE WHEN n > {finished} AND n % 60 IN (0, 21, 35) THEN 1 ELSE 0 END
        FROM number
        """
    )
    connection.execute("INSERT INTO job_text (job_text) VALUES ('rebuild')")
    connection.execute(
        """UPDATE job_count SET jobs = (
            SELECT count(*) FROM job WHERE (job.parents = 0) = job_count.root AND job.status = job_count.status
        )"""
    )
    connection.execute("INSERT INTO family SELECT first_parent_id, id FROM job WHERE first_parent_id IS NOT NULL")
    connection.execute(
        """INSERT INTO job_label SELECT 't' || value, job.id
        FROM job, json_each(specification, '$.tags') WHERE job.specification <> '{}'"""
    )
    connection.execute(
        """INSERT INTO job_label SELECT 'p' || length(key) || ' ' || key || value, job.id
        FROM job, json_each(specification, '$.properties') WHERE job.specification <> '{}'"""
    )
    connection.execute("INSERT INTO client_job SELECT 1 + id % 2, id FROM job WHERE id % 3 > 0")
    connection.execute("INSERT INTO client_job SELECT 3, id FROM job WHERE id % 5000 = 2")
    connection.execute("INSERT INTO presence SELECT id, 1, 1 FROM job WHERE tree_clients > 0")
