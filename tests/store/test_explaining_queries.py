"""What is read to say why a job waits never walks the table of all jobs (CONTRACT 10; a million finished ones)."""

from __future__ import annotations

from farm_kit import TestClient, submit
from scheduling_kit import passes

from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.queries import explaining
from hqserver.store import explaining as store

_LARGE = ("job", "work", "run", "family", "history", "presence")
_SMALL_INDEXES = {"job_queue", "run_sharing", "run_unconfirmed"}
"""Those that hold what waits or runs, and do not grow with what has ended."""


def test_no_query_of_an_explanation_scans_a_large_table(farm: Farm, client: TestClient) -> None:
    parent, *_ = submission.submit(
        farm, {"name": "p", "command": "x", "children": [{"name": "c", "command": "x", "resources": {"a": 1}}] * 3}
    )
    submit(farm, command="x", cpus=2)
    passes(farm)
    statements: list[str] = []
    with farm.database.read() as connection:
        connection.set_trace_callback(statements.append)
        try:
            store.kinds_before(connection, 1, 0, 9)
            store.unfinished_children(connection, parent, 5)
            store.clients_at_work(connection, parent)
            store.resource_users(connection)
            list(explaining._jobs_for(farm, connection, client.id))
        finally:
            connection.set_trace_callback(None)
        steps = [
            row[3]
            for statement in statements
            if statement.lstrip().startswith(("SELECT", "WITH"))
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        ]
    assert len(statements) >= 6
    scans = [step for step in steps if step.startswith("SCAN") and step.split()[1] in _LARGE]
    assert {step.split()[-1] for step in scans} <= _SMALL_INDEXES


def test_jobs_before_one_are_counted_by_what_they_require(farm: Farm, client: TestClient) -> None:
    for cpus, priority in ((1, 5), (1, 0), (2, 0), (2, 0), (3, 9)):
        submit(farm, command="x", cpus=cpus, priority=priority)
    with farm.database.read() as connection:
        (position,) = connection.execute("SELECT position FROM job WHERE id = 4").fetchone()
        before = store.kinds_before(connection, 0, position, 4)
    assert sorted(kind.jobs for kind in before) == [1, 1, 2]
