"""What jobs are found by stands beside their rows: it follows what is stored, changed and deleted, and migrates."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from farm_kit import TestClient, submit
from sqlite_utils import Database as SchemaTools

from hqserver.domain.job_filter import parse_job_filter, parse_sort
from hqserver.domain.status import JobStatus
from hqserver.services.control import commands, deletion
from hqserver.services.farm import Farm
from hqserver.store import search
from hqserver.store.migrations import MIGRATIONS


def found(connection: sqlite3.Connection, **wanted: Any) -> list[int]:
    return search.find(connection, parse_job_filter(wanted), parse_sort(None), None, 100).ids


def check(connection: sqlite3.Connection) -> None:
    """Everything beside the rows is what a look at the rows gives."""
    counted = {
        (row[0], row[1]): row[2]
        for row in connection.execute("SELECT parents = 0, status, count(*) FROM job GROUP BY 1, 2")
    }
    for root in (0, 1):
        for status in JobStatus:
            stands = connection.execute(
                "SELECT jobs FROM job_count WHERE root = ? AND status = ?", (root, status)
            ).fetchone()[0]
            assert stands == counted.get((root, status), 0), (root, status)
    pairs = {tuple(row) for row in connection.execute("SELECT DISTINCT client_id, job_id FROM run")}
    assert {tuple(row) for row in connection.execute("SELECT client_id, job_id FROM client_job")} == pairs
    labels = set()
    for job_id, specification in connection.execute("SELECT id, specification FROM job"):
        stored = json.loads(specification)
        labels |= {(f"t{tag}", job_id) for tag in stored.get("tags", ())}
        labels |= {(f"p{len(name)} {name}{value}", job_id) for name, value in stored.get("properties", {}).items()}
    assert {tuple(row) for row in connection.execute("SELECT label, job_id FROM job_label")} == labels


def test_counters_and_indices_follow_a_job_from_submission_to_deletion(farm: Farm, client: TestClient) -> None:
    kept = submit(
        farm, name="Äpfel", command="true", tags=["single", "a b"], properties={"é=": "1"}, children=[{"name": "in"}]
    )
    gone = submit(farm, name="Äpfel und mehr", command="true", properties={"é": "=1"})
    for step in (
        lambda: client.run_all(),
        lambda: submit(farm, name="x", command="true"),
        lambda: commands.pause(farm, [gone + 1], "wait"),
        lambda: commands.cancel(farm, [gone + 1], "no"),
        lambda: commands.reschedule(farm, [kept], "again"),
        lambda: client.run_all(1),
        lambda: deletion.delete(farm, [gone]),
    ):
        step()
        with farm.database.read() as connection:
            check(connection)
    with farm.database.read() as connection:
        assert found(connection, text="äpfel") == [kept]
        assert found(connection, properties={"é=": "1"}) == [kept]
        assert found(connection, properties={"é": "=1"}) == []


def test_a_changed_name_description_or_specification_is_found_as_it_is_now(farm: Farm) -> None:
    job = submit(farm, name="before", command="true", tags=["old"])
    change = """UPDATE job SET name = 'after "quotes"', description = 'new', specification = '{"tags":["new"]}'"""
    farm.database.write(lambda transaction: transaction.connection.execute(change))
    with farm.database.read() as connection:
        check(connection)
        assert found(connection, name='*"quotes*') == found(connection, tags=["new"]) == [job]
        assert found(connection, text="before") == found(connection, tags=["old"]) == []


def test_the_migration_indexes_what_an_older_server_stored(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as connection:
        MIGRATIONS.apply(SchemaTools(connection), stop_before="m006_search")
        connection.execute("INSERT INTO requirement (id, key) VALUES (1, '{}')")
        connection.executemany(
            """INSERT INTO job (uuid, root_id, requirement_id, name, description, command, submitted_by, specification,
            priority, cpus, tries, status, queued_at, updated_at, ended_at)
            VALUES (?1, 1, 1, ?1, '', '""', '', ?2, 0, 1, 0, ?3, 1, 1, ?4)""",
            [("shot 1", '{"tags":["a"],"properties":{"k":"v"}}', "failed", 5.0), ("shot 2", "{}", "runnable", None)],
        )
        MIGRATIONS.apply(SchemaTools(connection))
        check(connection)
        assert found(connection, text="SHOT") == [2, 1]
        assert found(connection, tags="a", properties={"k": "v"}) == [1]
        connection.execute("DELETE FROM job WHERE id = 1")
        check(connection)
        assert found(connection, text="shot") == [2]
