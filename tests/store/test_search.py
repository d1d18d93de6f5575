"""Finding jobs: whatever is asked for in whatever order, the pages together hold what a look at every job finds."""

from __future__ import annotations

import fnmatch
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from search_kit import NOW, fill

from hqserver.domain.errors import TooLarge
from hqserver.domain.family import ui_status
from hqserver.domain.job_filter import AT_WORK, SortTerm, parse_job_filter, parse_sort
from hqserver.domain.requirement import requirement_from
from hqserver.domain.status import JobStatus
from hqserver.store import search
from hqserver.store.database import Database

pytestmark = pytest.mark.slow

FINISHED, UNFINISHED = 300, 120
LAST = FINISHED + UNFINISHED


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = fill(tmp_path_factory.mktemp("farm"), FINISHED, UNFINISHED)
    yield found
    found.close()


@pytest.fixture(scope="module")
def rows(database: Database) -> list[dict[str, Any]]:
    """Every job, with what is asked of other tables."""
    with database.read() as connection:
        found = [dict(row) for row in connection.execute("SELECT * FROM job ORDER BY id")]
        parents, clients = [
            {(row[0], row[1]) for row in connection.execute(query)}
            for query in ("SELECT child_id, parent_id FROM family", "SELECT job_id, client_id FROM client_job")
        ]
        keys = {row[0]: row[1] for row in connection.execute("SELECT id, key FROM requirement")}
    for row in found:
        stored = json.loads(row["specification"])
        row["tags"], row["properties"] = stored.get("tags", []), stored.get("properties", {})
        row["its_parents"] = {parent for child, parent in parents if child == row["id"]}
        row["its_clients"] = {client for job, client in clients if job == row["id"]}
        row["groups"] = requirement_from(keys[row["requirement_id"]]).groups
    return found


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat()


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def shown_as(row: dict[str, Any]) -> str:
    found = ui_status(
        JobStatus(row["status"]), has_children=row["children"] > 0, clients=row["tree_clients"], held=row["held"]
    )
    return AT_WORK if found.startswith("running (") else found


def has_status(row: dict[str, Any], words: list[str]) -> bool:
    its = {row["status"], shown_as(row), *(["blocked"] if row["held"] == "block" else [])}
    plain = {"waiting": "runnable", "waiting for machine": "waiting for resources"}
    return not its.isdisjoint({AT_WORK if "assigned" in word else plain.get(word, word) for word in words})


CLIENTS = {"node1": 1, "NODE2": 2, "node2:gpu": 2, "3": 3}
MEANS: dict[str, Callable[[dict[str, Any], Any], bool]] = {
    "ids": lambda row, value: row["id"] in value,
    "uuids": lambda row, value: row["uuid"] in value,
    "status": lambda row, value: has_status(row, listed(value)),
    "name": lambda row, value: fnmatch.fnmatchcase(row["name"], value),
    "text": lambda row, value: value.lower() in row["name"].lower() or value.lower() in row["description"].lower(),
    "submittedBy": lambda row, value: row["submitted_by"] in listed(value),
    "root": lambda row, value: row["root_id"] in listed(value),
    "parent": lambda row, value: not row["its_parents"].isdisjoint(listed(value)),
    "tags": lambda row, value: set(row["tags"]) >= set(value),
    "properties": lambda row, value: row["properties"].items() >= value.items(),
    "client": lambda row, value: not row["its_clients"].isdisjoint(CLIENTS[each] for each in listed(value)),
    "group": lambda row, value: not row["groups"].isdisjoint(listed(value)),
    "priority": lambda row, value: row["priority"] == value,
    "minId": lambda row, value: row["id"] >= value,
    "maxId": lambda row, value: row["id"] <= value,
    "since": lambda row, value: row["queued_at"] >= seconds(value),
    "before": lambda row, value: row["queued_at"] < seconds(value),
    "updatedSince": lambda row, value: row["updated_at"] >= seconds(value),
    "updatedBefore": lambda row, value: row["updated_at"] < seconds(value),
    "activeSince": lambda row, value: row["ended_at"] is None or row["ended_at"] >= seconds(value),
    "endedSince": lambda row, value: row["ended_at"] is not None and row["ended_at"] >= seconds(value),
    "endedBefore": lambda row, value: row["ended_at"] is not None and row["ended_at"] < seconds(value),
    "rootsOnly": lambda row, value: row["parents"] == 0 or not value,
}
"""What each key demands of a job, told independently of SQL."""

EXAMPLES: dict[str, list[Any]] = {
    "ids": [[3, 9, 350, 5000], list(range(1, 90))],
    "uuids": [["uuid-4", "uuid-400", "none"]],
    "status": [
        *([[str(each)] for each in JobStatus]),
        *(["waiting for resources", "paused"], ["blocked"], ["running (3 clients assigned)"], ["queued", "blocked"]),
        *(["failed", "cancelled", "abandoned"], "waiting", ["running", "running (X clients assigned)", "paused"]),
        [str(each) for each in JobStatus],
    ],
    "name": ["shot 12*", "*Beauty", "*beauty", "s*1?[!3] *", "shot [1-3]*", "none"],
    "text": ["LONG ver", "beau", "sh", "ong", '"'],
    "submittedBy": ["ada", ["eve", "bob"], "nobody"],
    "root": [50, [5, 10, 400]],
    "parent": [50, [50, 55, 405], 7],
    "tags": [["wip"], ["wip", "single"], ["none"]],
    "properties": [{"film": "Ape"}, {"film": "Ape", "shot": "3"}, {"film": "ape"}],
    "client": ["node1", ["node1", "NODE2"], "node2:gpu", "3"],
    "group": ["gpu", ["farm", "none"], "none"],
    "priority": [0, 3],
    "minId": [1, 200],
    "maxId": [30, 350],
    "since": [at(100), at(350)],
    "before": [at(100), at(350)],
    "updatedSince": [at(100), at(350)],
    "updatedBefore": [at(100), at(350)],
    "activeSince": [at(100), at(290)],
    "endedSince": [at(100), at(290)],
    "endedBefore": [at(100), at(290)],
    "rootsOnly": [True],
}
SORTS: tuple[list[str], ...] = (
    *([], ["id"], ["-endTime"], ["endTime"], ["-updatedTime"], ["updatedTime"], ["queueTime"], ["-queueTime"]),
    *(["name"], ["-priority", "queueTime"], ["status", "-id"], ["startTime"], ["-startTime", "submittedBy"], ["-cpus"]),
)
COLUMNS = {
    "id": "id",
    "name": "name",
    "status": "status",
    "priority": "priority",
    "submittedBy": "submitted_by",
    "cpus": "cpus",
    "queueTime": "queued_at",
    "startTime": "started_at",
    "endTime": "ended_at",
    "updatedTime": "updated_at",
}


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def sorted_as(rows: list[dict[str, Any]], sort: tuple[SortTerm, ...]) -> list[int]:
    found = list(rows)
    for term in reversed(sort):
        column = COLUMNS[term.attribute]
        found.sort(key=lambda row: (row[column] is not None, row[column]), reverse=term.descending)
    return [row["id"] for row in found]


def pages(database: Database, wanted: dict[str, Any], sort: list[str], limit: int) -> tuple[list[int], int | None]:
    """Every id of every page, and what the first said of their number."""
    found: list[int] = []
    key, total = None, None
    for number in range(10 * LAST):
        with database.read() as connection:
            page = search.find(connection, parse_job_filter(wanted), parse_sort(sort), key, limit)
        assert len(page.ids) <= limit
        found += page.ids
        total = page.total if number == 0 else total
        if page.last is None:
            return found, total
        key = page.last
    raise AssertionError("the pages have no end")


def check(database: Database, rows: list[dict[str, Any]], wanted: dict[str, Any], sort: list[str], limit: int) -> None:
    expected = [row for row in rows if all(MEANS[key](row, value) for key, value in wanted.items())]
    with database.read() as connection:
        counted = search.count(connection, parse_job_filter(wanted))
    assert counted.number == len(expected) or (counted.more and counted.number < len(expected)), wanted
    try:
        found, total = pages(database, wanted, sort, limit)
    except TooLarge:
        assert search.MOST_GATHERED < LAST and sort and sort[0].strip("-") not in ("id", "queueTime", "updatedTime")
        return
    assert found == sorted_as(expected, parse_sort(sort)), (wanted, sort)
    assert total in (None, len(expected)), (wanted, sort)


@pytest.mark.parametrize("gathered", [10_000, 40, 0])
@pytest.mark.parametrize("key", EXAMPLES)
def test_a_key_finds_what_a_look_at_every_job_finds(
    database: Database, rows: list[dict[str, Any]], key: str, gathered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_GATHERED", gathered)
    for value in EXAMPLES[key]:
        for sort in SORTS:
            check(database, rows, {key: value}, list(sort), 50)
    assert any(MEANS[key](row, value) for row in rows for value in EXAMPLES[key])


@pytest.mark.parametrize(("gathered", "examined"), [(10_000, 20_000), (40, 20_000), (0, 23), (60, 100)])
def test_keys_together_find_what_a_look_at_every_job_finds(
    database: Database, rows: list[dict[str, Any]], gathered: int, examined: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_GATHERED", gathered)
    monkeypatch.setattr(search, "MOST_EXAMINED", examined)
    monkeypatch.setattr(search, "MOST_EXAMINED_TO_COUNT", 5 * examined)
    chance = random.Random(f"{gathered} {examined}")
    for _ in range(150):
        keys = chance.sample(sorted(EXAMPLES), chance.randrange(0, 4))
        wanted = {key: chance.choice(EXAMPLES[key]) for key in keys}
        check(database, rows, wanted, list(chance.choice(SORTS)), chance.choice([23, 100]))


@pytest.mark.parametrize(("examined", "most"), [(20_000, 1000), (7, 1000), (7, 20)])
def test_all_that_match_come_though_pages_are_short(
    database: Database, rows: list[dict[str, Any]], examined: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_GATHERED", 5)
    monkeypatch.setattr(search, "MOST_EXAMINED", examined)
    rare = [row["id"] for row in rows if row["priority"] == 3][::-1]
    with database.read() as connection:
        assert search.every(connection, parse_job_filter({"priority": 3}), most) == rare[: most + 1]


def test_counting_stops_at_its_limit_and_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_GATHERED", 5)
    monkeypatch.setattr(search, "MOST_COUNTED", 5)
    with database.read() as connection:
        assert search.count(connection, parse_job_filter({"submittedBy": "ada"})) == search.Count(5, more=True)
        exact = search.count(connection, parse_job_filter({"status": ["succeeded"]}))
    assert (exact.number, exact.more) == (FINISHED * 17 // 20, False)


def test_a_page_goes_on_where_the_last_one_ended_whatever_is_submitted_meanwhile(tmp_path: Path) -> None:
    database = fill(tmp_path, 20, 0)
    try:
        with database.read() as connection:
            first = search.find(connection, parse_job_filter({}), parse_sort(None), None, 5)
        database.write(
            lambda transaction: transaction.connection.execute(
                """INSERT INTO job (uuid, root_id, requirement_id, name, description, command, submitted_by,
                specification, priority, cpus, tries, status, queued_at, updated_at)
                VALUES ('new', 21, 1, 'x', '', '""', '', '{}', 0, 1, 0, 'runnable', 1, 1)"""
            )
        )
        with database.read() as connection:
            second = search.find(connection, parse_job_filter({}), parse_sort(None), first.last, 5)
    finally:
        database.close()
    assert first.ids + second.ids == list(range(20, 10, -1))
