"""Pages cost the same on a large farm as on a small one (PROMISES 6.1: an expensive page is an overload)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from farm_kit import Asked, SetClock, TestClient, open_farm
from page_reader import get

from hqserver.services import notes
from hqserver.services.clients import groups
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.store.database import Database
from webui.pages import Site

pytestmark = pytest.mark.slow

LARGE_TABLES = ("job", "work", "run", "history", "note", "note_thread", "family", "error")
"""Those that grow with what the farm was ever given, not with what it does now."""

MOST_STATEMENTS = 45


def fill(folder: Path, clock: SetClock, *, jobs: int, clients: int) -> Farm:
    """A farm with so many jobs, half of them below one root, and clients, of which one runs something."""
    farm = open_farm(folder, clock, Asked(), Policy())
    frames = [{"name": f"frame {n}", "command": "true", "conditions": [_not_in(n % 7)]} for n in range(jobs // 2)]
    film = {"name": "film", "children": frames}
    submission.submit(farm, [film, *frames])
    everybody = [TestClient(farm, hostname=f"node{number:03}") for number in range(clients)]
    for client in everybody:
        client.register()
        client.beat()
    first = everybody[0]
    orders = first.fetch()
    first.beat(first.ended(orders[0]["run"], 1))
    for number in range(clients // 10):
        group = groups.create_group(farm, f"group {number}")
        groups.add_client(farm, group, everybody[number].id)
        notes.add_note(farm, f"note {number}", None, 2 + number, None)
    return farm


def _not_in(number: int) -> dict[str, str]:
    """A condition that every client passes; jobs whose conditions differ are looked at one by one."""
    return {"type": "client", "name": "group", "op": "!=", "value": f"nobody {number}"}


@contextmanager
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements of everything that is read within, with their values."""
    statements: list[str] = []
    opened = Database.read

    @contextmanager
    def read(database: Database) -> Iterator[sqlite3.Connection]:
        with opened(database) as connection:
            # Those that begin with a comment are what the index of trigrams asks of its own tables.
            connection.set_trace_callback(lambda text: statements.append(text) if text[:2] != "--" else None)
            try:
                yield connection
            finally:
                connection.set_trace_callback(None)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", read)
        yield statements


PAGES = (
    *(
        "/",
        "/?list=all",
        "/?list=waiting",
        "/?list=running",
        "/?text=frame",
        "/jobs/view/1",
        "/jobs/view/2",
        "/clients",
    ),
    *("/clients/view/1", "/groups", "/groups/view/1", "/resources/view", "/notes", "/notes/view/1", "/folders"),
    *("/errors", "/metrics", "/jobs/diagnostics/1"),
)


def statements_of(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    found = {}
    for address in PAGES:
        with traced(monkeypatch) as statements:
            assert get(Site(farm), address).status == 200, address
        found[address] = statements
    return found


def test_a_page_asks_as_much_of_ten_thousand_jobs_as_of_two_hundred(
    tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    for jobs, clients in ((200, 10), (10_000, 500)):
        folder = tmp_path / str(jobs)
        folder.mkdir()
        farm = fill(folder, clock, jobs=jobs, clients=clients)
        try:
            found = statements_of(farm, monkeypatch)
            scanned = scans(farm, found)
        finally:
            farm.database.close()
        asked.append({address: len(statements) for address, statements in found.items()})
        assert scanned == []
    small, large = asked
    grown = {address: (small[address], count) for address, count in large.items() if count > small[address]}
    assert grown == {}, "the number of statements does not grow with the farm"
    assert max(large.values()) <= MOST_STATEMENTS


def scans(farm: Farm, found: dict[str, list[str]]) -> list[str]:
    """The steps of all these statements that walk a whole large table."""
    steps = set()
    with farm.database.read() as connection:
        for address, statements in found.items():
            for statement in statements:
                for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall():
                    words = row[3].split()
                    if words[0] == "SCAN" and words[1] in LARGE_TABLES and "INDEX" not in words:
                        steps.add(f"{address}: {row[3]} in {' '.join(statement.split())[:200]}")
    return sorted(steps)
