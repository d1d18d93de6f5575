"""The database defends the invariants too: STRICT tables, CHECKs, one live run a work item (PROMISES 2.1)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hqserver.domain.status import FINISHED_JOB, LIVE_RUN, JobStatus, RunStatus, WorkStatus
from hqserver.store import search_index
from hqserver.store.database import Database

pytestmark = pytest.mark.slow


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The writing connection, with a client, a job and two work items."""
    with closing(Database(tmp_path / "farm.db")) as database:
        found = database._writer
        found.execute(
            """INSERT INTO client (hostname, name, secret_hash, session, boot_id, ip, port, platform, cpus, cpu_speed,
            memory, version, registered_at, heartbeat_at)
            VALUES ('alpha', '', 'h', 's', 'b', '127.0.0.1', 5001, 'linux', 2, 0, 0, 'v', 1, 1)"""
        )
        found.execute("INSERT INTO requirement (key) VALUES ('{}')")
        insert_job(found, 1)
        for number in (1, 2):
            found.execute(
                "INSERT INTO work (job_id, name, position, status, claimable, tries) VALUES (1, ?, 0, 'running', 0, 0)",
                [str(number)],
            )
        yield found


def insert_job(connection: sqlite3.Connection, job_id: int, status: str = "runnable", **columns: object) -> None:
    values: dict[str, object] = {
        "id": job_id,
        "uuid": f"u{job_id}",
        "root_id": job_id,
        "requirement_id": 1,
        "name": "x",
        "description": "",
        "command": '""',
        "submitted_by": "",
        "specification": "{}",
        "priority": 0,
        "cpus": 1,
        "tries": 0,
        "status": status,
        "queued_at": 1.0,
        "updated_at": 1.0,
        **columns,
    }
    connection.execute(
        f"INSERT INTO job ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", list(values.values())
    )
    search_index.add_texts(connection, [(job_id, "x", "")])
    search_index.add_counts(connection, [(True, status)])


def insert_run(connection: sqlite3.Connection, run_id: str, work_id: int, status: str, slot: int = 0) -> None:
    ended = None if status in LIVE_RUN else 2.0
    connection.execute(
        """INSERT INTO run (id, job_id, work_id, slot, client_id, cpus, status, offered_at, ended_at)
        VALUES (?, 1, ?, ?, 1, 1, ?, 1, ?)""",
        (run_id, work_id, slot, status, ended),
    )


def test_every_table_is_strict(connection: sqlite3.Connection) -> None:
    loose = connection.execute(
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict AND name NOT LIKE '%sqlite%'"
    ).fetchall()
    assert loose == []


@pytest.mark.parametrize("second", LIVE_RUN)
@pytest.mark.parametrize("first", LIVE_RUN)
def test_a_work_item_has_at_most_one_live_run(connection: sqlite3.Connection, first: str, second: str) -> None:
    insert_run(connection, "a", 1, first)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        insert_run(connection, "b", 1, second)


@pytest.mark.parametrize("over", [status for status in RunStatus if status not in LIVE_RUN])
def test_runs_that_are_over_stand_beside_the_live_one(connection: sqlite3.Connection, over: str) -> None:
    for number in range(3):
        insert_run(connection, f"over{number}", 1, over)
    insert_run(connection, "live", 1, "running")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE run SET status = 'lost', ended_at = NULL WHERE id = 'over0'")


def test_other_work_items_and_other_slots_have_their_own_run(connection: sqlite3.Connection) -> None:
    insert_run(connection, "a", 1, "running")
    insert_run(connection, "b", 2, "running")
    insert_run(connection, "c", 1, "running", slot=1)


@pytest.mark.parametrize("status", RunStatus)
def test_a_run_has_an_end_exactly_when_it_is_over(connection: sqlite3.Connection, status: str) -> None:
    insert_run(connection, "a", 1, status)
    wrong = "NULL" if status not in LIVE_RUN else "5"
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute(f"UPDATE run SET ended_at = {wrong} WHERE id = 'a'")


@pytest.mark.parametrize("status", JobStatus)
def test_a_job_has_an_end_exactly_when_it_is_finished(connection: sqlite3.Connection, status: str) -> None:
    finished = status in FINISHED_JOB
    outcome = "exit" if status == "succeeded" else ""
    insert_job(connection, 2, status, ended_at=5.0 if finished else None, outcome=outcome)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        insert_job(connection, 3, status, ended_at=None if finished else 5.0, outcome=outcome)


@pytest.mark.parametrize("status", JobStatus)
def test_only_a_job_that_succeeded_has_an_outcome_and_it_always_has(
    connection: sqlite3.Connection, status: str
) -> None:
    ended = 5.0 if status in FINISHED_JOB else None
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        insert_job(connection, 2, status, ended_at=ended, outcome="" if status == "succeeded" else "exit")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE job SET status = 'waiting'",
        "UPDATE work SET status = 'offered'",
        "UPDATE run SET status = 'queued'",
        "UPDATE job SET outcome = 'luck', status = 'succeeded', ended_at = 1",
        "UPDATE job SET tree_jobs = -1",
        "UPDATE job SET work_running = -1",
        "UPDATE job SET children_unfinished = -1",
        "UPDATE job SET claimable = -1",
        "UPDATE job SET priority = -1",
        "UPDATE work SET claimable = 2",
        "UPDATE client SET cpus = 0",
        "UPDATE client SET disabled = 2",
        "INSERT INTO family (parent_id, child_id) VALUES (1, 1)",
        "INSERT INTO note_thread (job_id, client_id) VALUES (1, 1)",
        "INSERT INTO presence (job_id, client_id, runs) VALUES (1, 1, 0)",
        "INSERT INTO lock VALUES ('', 'ana', '0123456789abcdef0123456789abcdef', 1.0, 1.0, 1.0)",
        "INSERT INTO lock VALUES ('a', '', '0123456789abcdef0123456789abcdef', 1.0, 1.0, 1.0)",
        "INSERT INTO lock VALUES ('a', 'ana', 'short', 1.0, 1.0, 1.0)",
        "INSERT INTO lock VALUES ('a', 'ana', '0123456789abcdef0123456789abcdef', 0.0, 1.0, 1.0)",
        "INSERT INTO job_result VALUES (1, 'no JSON')",
    ],
)
def test_a_value_that_makes_no_sense_is_refused(connection: sqlite3.Connection, change: str) -> None:
    insert_run(connection, "a", 1, "running")
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute(change)


@pytest.mark.parametrize("status", WorkStatus)
def test_the_checks_know_every_status_of_the_domain(connection: sqlite3.Connection, status: str) -> None:
    connection.execute("UPDATE work SET status = ?", [status])


@pytest.mark.parametrize(
    "change", ["UPDATE job SET priority = 'high'", "UPDATE job SET queued_at = 'now'", "UPDATE client SET cpus = 1.5"]
)
def test_a_value_of_the_wrong_type_is_refused(connection: sqlite3.Connection, change: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="cannot store"):
        connection.execute(change)


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO family (parent_id, child_id) VALUES (1, 99)",
        "INSERT INTO work (job_id, name, position, status, claimable, tries) VALUES (99, '', 0, 'queued', 0, 0)",
        "INSERT INTO history (job_id, at, event, status, message) VALUES (99, 1, 'x', 'x', '')",
        "INSERT INTO note (thread_id, at, text) VALUES (99, 1, 'x')",
        "INSERT INTO job_result VALUES (99, '1')",
        "UPDATE job SET requirement_id = 99",
        "UPDATE job SET first_parent_id = 99",
    ],
)
def test_nothing_points_at_what_is_not_there(connection: sqlite3.Connection, change: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        connection.execute(change)


def test_two_clients_cannot_have_one_name(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute(
            """INSERT INTO client (hostname, name, secret_hash, session, boot_id, ip, port, platform, cpus, cpu_speed,
            memory, version, registered_at, heartbeat_at)
            SELECT hostname, name, 'other', session, boot_id, ip, port, platform, cpus, cpu_speed,
            memory, version, registered_at, heartbeat_at FROM client"""
        )


def test_ids_of_jobs_are_never_given_twice(connection: sqlite3.Connection) -> None:
    insert_job(connection, 7)
    connection.execute("DELETE FROM job WHERE id = 7")
    assert connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'job'").fetchone()[0] == 7


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (
            "SELECT id FROM job WHERE requirement_id = 1 AND claimable > 0 AND held = '' "
            "AND capped = 0 ORDER BY priority DESC, position, id",
            "job_queue",
        ),
        ("SELECT * FROM work WHERE job_id = 1 AND name <> '' ORDER BY id LIMIT 10 OFFSET 5", "work_of_agenda"),
        ("SELECT id FROM job WHERE parents = 0 AND ended_at IS NULL ORDER BY id", "job_root_unfinished"),
        ("SELECT id FROM job WHERE parents = 0 AND ended_at IS NOT NULL ORDER BY id", "job_root_finished"),
        ("SELECT id FROM job WHERE status = 'failed' ORDER BY id", "job_status"),
        ("SELECT * FROM lock WHERE name IN (SELECT value FROM json_each('[]')) ORDER BY name", "PRIMARY KEY (name=?)"),
        ("SELECT job_id FROM job_result WHERE job_id IN (SELECT value FROM json_each('[]'))", "PRIMARY KEY (rowid=?)"),
        ("SELECT id FROM run WHERE client_id = 1 AND unconfirmed = 1", "run_unconfirmed"),
        ("SELECT id FROM run WHERE work_id = 1", "run_work"),
        ("SELECT id FROM job WHERE first_parent_id = 1", "job_first_parent"),
        ("SELECT id FROM job WHERE ended_at IS NOT NULL AND ended_at < 9 ORDER BY ended_at, id", "job_ended"),
    ],
)
def test_what_is_asked_often_is_answered_by_an_index_without_sorting(
    connection: sqlite3.Connection, question: str, index: str
) -> None:
    plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {question}"))
    assert index in plan
    assert "TEMP B-TREE" not in plan
