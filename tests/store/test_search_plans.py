"""Finding jobs on a large farm: no key and no order reads the table, and none costs more than its bounds allow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from search_kit import fill
from test_search import EXAMPLES, SORTS

from hqserver.domain.errors import TooLarge
from hqserver.domain.job_filter import parse_job_filter, parse_sort
from hqserver.store import search
from hqserver.store.database import Database
from hqserver.store.queue import jobs_in_order, requirements_waiting
from hqserver.store.search_queue import for_runners

pytestmark = pytest.mark.slow

FINISHED, UNFINISHED = 200_000, 5_000
STEPS_AT_ONCE = 1000
MOST_STEPS = 200_000
"""Steps of SQLite's machine for a page and for a count, with the bounds below. To read every job takes more than twice
as many, as the first test shows."""
OF_FEW = ("job_held", "job_root_unfinished", "job_root_finished")
"""Indices of some jobs only: read from one end, and no further than a bound."""

KEYS: list[tuple[str, Any]] = [("", None), *((key, value) for key in EXAMPLES for value in EXAMPLES[key])]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = fill(tmp_path_factory.mktemp("large"), FINISHED, UNFINISHED)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is bounded costs little beside what is not."""
    for name, most in (("GATHERED", 1000), ("EXAMINED", 1000), ("COUNTED", 1000), ("EXAMINED_TO_COUNT", 2000)):
        monkeypatch.setattr(search, f"MOST_{name}", most)


class Watched:
    """What a connection is asked, and what it takes."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.statements: list[str] = []
        self.steps = 0

    def __enter__(self) -> Watched:
        self.connection.set_trace_callback(self.statements.append)
        self.connection.set_progress_handler(self._step, STEPS_AT_ONCE)
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.set_trace_callback(None)
        self.connection.set_progress_handler(None, 0)

    def _step(self) -> int:
        self.steps += STEPS_AT_ONCE
        return 0

    def plans(self) -> Iterator[tuple[str, str]]:
        """Each step of the plan of each statement, with the statement."""
        for statement in self.statements:
            if statement.startswith("--"):
                continue  # what the index of trigrams asks of its own tables
            for row in self.connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall():
                yield row[3], statement


def test_reading_every_job_is_seen(large: Database) -> None:
    with large.read() as connection:
        with Watched(connection) as seen:
            connection.execute("SELECT count(*) FROM job WHERE priority = 77").fetchone()
        assert seen.steps > 2 * MOST_STEPS
        assert [step for step, _ in seen.plans()] == ["SCAN job"]


@pytest.mark.parametrize(("key", "value"), KEYS, ids=[f"{key} {str(value)[:40]}" for key, value in KEYS])
def test_no_key_in_no_order_reads_every_job(large: Database, key: str, value: Any) -> None:
    wanted = parse_job_filter({key: value} if key else {})
    with large.read() as connection:
        for sort in SORTS:
            with Watched(connection) as page, suppress(TooLarge):
                search.find(connection, wanted, parse_sort(sort), None, 100)
            check(page, f"{key} by {sort}")
        with Watched(connection) as counted:
            search.count(connection, wanted)
        check(counted, f"count of {key}")


@pytest.mark.parametrize(
    "wanted",
    [
        {"rootsOnly": True, "status": ["failed"]},
        {"rootsOnly": True, "status": ["waiting for resources", "paused"]},
        {"submittedBy": "ada", "status": ["failed"], "since": "2023-11-14T22:15:00"},
        {"text": "shadow", "client": "node1", "rootsOnly": True},
        {"tags": ["wip"], "status": ["succeeded"]},
        {"properties": {"film": "Ape"}, "activeSince": "2023-11-14T22:15:00"},
    ],
    ids=str,
)
def test_keys_together_read_not_every_job(large: Database, wanted: dict[str, Any]) -> None:
    with large.read() as connection:
        for sort in ([], ["-endTime"], ["-updatedTime"]):
            with Watched(connection) as page, suppress(TooLarge):
                search.find(connection, parse_job_filter(wanted), parse_sort(sort), None, 100)
            check(page, f"{wanted} by {sort}")


@pytest.mark.parametrize(("key", "value"), KEYS, ids=[f"{key} {str(value)[:40]}" for key, value in KEYS])
def test_what_a_runner_asks_for_is_looked_up_among_what_waits(large: Database, key: str, value: Any) -> None:
    with large.read() as connection:
        with Watched(connection) as seen:
            only = for_runners(connection, parse_job_filter({key: value} if key else {}))
            for requirement_id, _ in requirements_waiting(connection) if only else ():
                list(jobs_in_order(connection, requirement_id, (), only))
        assert seen.steps <= MOST_STEPS, f"{key}: {seen.steps} steps"
        for step, statement in seen.plans():
            assert "TEMP B-TREE" not in step, f"{key}: {step} in {statement}"
            if step.startswith(("SCAN job ", "SEARCH job ")):
                assert "job_queue" in step, f"{key}: {step} in {statement}"


def check(seen: Watched, what: str) -> None:
    assert seen.statements
    assert seen.steps <= MOST_STEPS, f"{what}: {seen.steps} steps for {seen.statements}"
    for step, statement in seen.plans():
        scans = step == "SCAN job" or (step.startswith("SCAN job ") and not step.endswith(OF_FEW))
        assert not scans, f"{what}: {step} in {statement}"
        gathered = "json_each" in statement  # only what was gathered is sorted
        assert "TEMP B-TREE" not in step or gathered, f"{what}: {step} in {statement}"
