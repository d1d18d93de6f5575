"""The audit finds every counter that differs from a recount, and changes nothing (DESIGN, How a job moves)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_kit import Asked, SetClock, TestClient, open_farm, submit

from hqserver.services.care.audit import Audit, audit_all
from hqserver.services.farm import Farm, Policy


@pytest.fixture
def spoiled(tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy) -> Iterator[Farm]:
    """A farm whose rows a test spoils: a family of four, one of them running."""
    found = open_farm(tmp_path, clock, asked, policy)
    client = TestClient(found, cpus=1)
    client.register()
    client.beat()
    submit(found, command="top", children=[{"name": str(n), "command": "c"} for n in range(3)])
    client.fetch()
    yield found
    found.database.close()


def spoil(farm: Farm, statement: str) -> None:
    farm.database.write(lambda transaction: transaction.connection.execute(statement))


def test_a_farm_in_order_is_found_in_order(spoiled: Farm) -> None:
    assert audit_all(spoiled.database) == (4, [])


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE job SET tree_jobs = 7 WHERE id = 1", "job 1: tree is"),
        ("UPDATE job SET tree_clients = 2 WHERE id = 1", "job 1: clients at work is 2, counted 1"),
        ("DELETE FROM presence WHERE job_id = 1", "job 1: clients miscounted is [], counted [1]"),
        ("UPDATE presence SET runs = 5 WHERE job_id = 2", "job 2: clients miscounted is [], counted [1]"),
        ("UPDATE job SET work_runnable = 3 WHERE id = 3", "job 3: runnable work is 3, counted 1"),
        ("UPDATE job SET claimable = 0 WHERE id = 4", "job 4: claimable work is 0, counted 1"),
        ("UPDATE job SET children = 2 WHERE id = 1", "job 1: children is 2, counted 3"),
        ("UPDATE job SET children_unfinished = 1 WHERE id = 1", "job 1: unfinished children is 1, counted 3"),
        ("UPDATE job SET children_failed = 1 WHERE id = 1", "job 1: failed children is 1, counted 0"),
        ("UPDATE job SET parents = 0 WHERE id = 3", "job 3: parents is 0, counted 1"),
        ("UPDATE job SET status = 'queued' WHERE id = 3", "job 3: status is queued, counted runnable"),
        ("UPDATE job SET own_progress = 5 WHERE id = 4", "job 4: progress is 5, counted 0"),
        ("UPDATE job SET own_durations_ms = 5 WHERE id = 4", "job 4: run times is 5, counted 0"),
        ("UPDATE job SET pending = 1 WHERE id = 4", "job 4: pending work is 1, counted 0"),
        ("UPDATE run SET status = 'failed', ended_at = 1", "job 2: work without a run is [], counted"),
    ],
)
def test_every_kind_of_difference_is_found_logged_and_left_as_it_is(
    spoiled: Farm, statement: str, found: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(spoiled, statement)
    with caplog.at_level(logging.ERROR):
        differences = [str(each) for each in Audit(spoiled.database).slice(1000)]
    assert any(each.startswith(found) for each in differences), differences
    assert [record.getMessage() for record in caplog.records] == [f"the audit found: {each}" for each in differences]
    assert list(map(str, audit_all(spoiled.database)[1])) == differences


def test_slices_go_round_the_whole_farm(spoiled: Farm) -> None:
    spoil(spoiled, "UPDATE job SET parents = 0 WHERE id = 4")
    audit = Audit(spoiled.database)
    for _ in range(2):
        found = []
        for last in (1, 2, 3, 4):
            found += audit.slice(0)  # a slice without time counts one job
            assert audit.last == last
        assert [each.job_id for each in found] == [4]
        assert audit.slice(0) == []
        assert audit.last == 0


def test_a_difference_is_told_once_however_many_rounds_find_it(spoiled: Farm, caplog: pytest.LogCaptureFixture) -> None:
    spoiled.database.write(
        lambda transaction: transaction.connection.execute("UPDATE job SET children = 2 WHERE id = 1")
    )
    audit = Audit(spoiled.database)
    for _ in range(6):  # a round of all jobs, and the slice that finds no more, three times
        audit.slice()
    assert [record.getMessage() for record in caplog.records] == ["the audit found: job 1: children is 2, counted 3"]
