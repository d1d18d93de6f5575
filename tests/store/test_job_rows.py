"""Rows of jobs written back: all that changed of each, and no index touched for what did not."""

from __future__ import annotations

import sqlite3

from farm_kit import submit

from hqserver.domain.job import Tree
from hqserver.domain.status import WorkStatus
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.store import jobs


def test_rows_that_change_alike_and_rows_that_change_each_in_its_own_way_are_all_written(farm: Farm) -> None:
    ids = submission.submit(farm, [{"name": f"job {number}", "command": "true"} for number in range(30)])

    def change(connection: sqlite3.Connection) -> list[jobs.JobRow]:
        rows = jobs.load_all(connection, ids)
        for row in rows:
            row.priority, row.updated_at = 7, row.updated_at + 1
        rows[3].priority, rows[4].show_blocked_clients_warning, rows[5].tries = 1, 0, 9
        for place, row in enumerate(rows[20:25]):
            row.position = place
        jobs.save(connection, rows)
        rows[6].priority = 2  # what was written once may change again
        jobs.save(connection, rows)
        return rows

    written = farm.database.write(lambda transaction: change(transaction.connection))
    with farm.database.read() as connection:
        assert jobs.load_all(connection, ids) == written


def test_what_changes_below_a_row_is_written_too(farm: Farm) -> None:
    job_id = submit(farm, command="true")

    def change(connection: sqlite3.Connection) -> tuple[dict[WorkStatus, int], Tree]:
        row = jobs.load(connection, job_id)
        assert row is not None
        row.work[WorkStatus.FAILED] += 5
        row.tree.progress += 3
        jobs.save(connection, [row])
        again = jobs.load(connection, job_id)
        assert again is not None
        found = dict(again.work), again.tree
        again.work[WorkStatus.FAILED] -= 5
        again.tree = Tree(again.tree.jobs, work=again.tree.work)
        jobs.save(connection, [again])
        return found

    work, tree = farm.database.write(lambda transaction: change(transaction.connection))
    assert work[WorkStatus.FAILED] == 5
    assert tree.progress == 3


def test_a_row_of_which_nothing_changed_is_not_written(farm: Farm) -> None:
    job_id = submit(farm, command="true")

    def save(connection: sqlite3.Connection) -> int:
        before = connection.total_changes
        jobs.save(connection, jobs.load_all(connection, [job_id]))
        return connection.total_changes - before

    assert farm.database.write(lambda transaction: save(transaction.connection)) == 0


def test_a_counter_that_changes_is_written_without_touching_an_index_of_jobs(farm: Farm) -> None:
    """But for that of `updated_at`, which changes with every row: an index costs several times what the row does."""
    job_id = submit(farm, command="true")

    def statements(connection: sqlite3.Connection) -> list[str]:
        row = jobs.load(connection, job_id)
        assert row is not None
        told: list[str] = []
        connection.set_trace_callback(told.append)
        try:
            row.tries += 1
            jobs.save(connection, [row])
        finally:
            connection.set_trace_callback(None)
        return [statement for statement in told if statement.startswith("UPDATE job ")]

    (statement,) = farm.database.write(lambda transaction: statements(transaction.connection))
    written = {part.split("=")[0].strip() for part in statement.partition(" SET ")[2].split(",")}
    with farm.database.read() as connection:
        names = [row[1] for row in connection.execute("PRAGMA index_list(job)")]
        indexed = {row[2] for name in names for row in connection.execute(f"PRAGMA index_info({name})")}
    assert written & indexed == {"updated_at"}
