"""Jobs as the page shows them: lists, counters, one job (CONTRACT 6.1, 6.2)."""

from __future__ import annotations

import sqlite3

import pytest
from farm_kit import SetClock, TestClient, submit

from hqserver.domain.errors import Busy, NotFound
from hqserver.services import notes
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.queries import overview
from hqserver.services.queries.overview_jobs import ROOT_LISTS, JobList, Roots, Wanted, jobs_overview
from hqserver.store import search


def listed(farm: Farm, which: Roots, most: int = 100, after: str | None = None) -> JobList:
    return jobs_overview(farm, [Wanted(ROOT_LISTS[which], most, after=after)]).lists[0]


def ids(farm: Farm, which: Roots) -> list[int]:
    return [job["id"] for job in listed(farm, which).jobs]


def fail(client: TestClient, count: int = 1) -> None:
    orders = client.fetch()[:count]
    client.beat(*(client.ended(order["run"], 3) for order in orders))


@pytest.fixture
def mixed(farm: Farm, client: TestClient) -> dict[str, int]:
    """A farm with a job of each kind; the client runs one of a parent's children."""
    made = {"succeeded": submit(farm, command="true")}
    client.run_all()
    made["failed"] = submit(farm, command="false")
    client.run_all(1)
    made["cancelled"] = submit(farm, command="true")
    commands.cancel(farm, [made["cancelled"]], "no")
    made["parent"] = submit(farm, children=[{"name": "child", "command": "true", "cpus": 2}])
    assert len(client.fetch()) == 1
    made["waiting"] = submit(farm, command="true", cpus=2)
    return made


def test_each_list_holds_its_roots_newest_first(farm: Farm, mixed: dict[str, int]) -> None:
    parent, waiting = mixed["parent"], mixed["waiting"]
    finished = [mixed["cancelled"], mixed["failed"], mixed["succeeded"]]
    assert ids(farm, Roots.UNFINISHED) == [waiting, parent]
    assert ids(farm, Roots.RUNNING) == [parent]
    assert ids(farm, Roots.WAITING) == [waiting]
    assert ids(farm, Roots.FINISHED) == finished
    assert ids(farm, Roots.FAILED) == finished[:2]
    assert ids(farm, Roots.ALL) == [waiting, parent, *finished]


def test_every_list_is_as_long_as_its_count_says(farm: Farm, mixed: dict[str, int]) -> None:
    found = jobs_overview(farm, [Wanted(ROOT_LISTS[which], 100) for which in Roots])
    for which, each in zip(Roots, found.lists, strict=True):
        count = found.counts[which]
        assert (count.number, count.more) == (len(each.jobs), False), which


def test_the_counters_count_children_and_not_their_parents_as_running(farm: Farm, mixed: dict[str, int]) -> None:
    counters = jobs_overview(farm, []).counters
    assert (counters.active_jobs, counters.running_jobs) == (3, 1)
    assert (counters.clients, counters.clients_running) == (1, 1)


def test_a_long_list_goes_on_below_the_last_id_that_was_shown(farm: Farm) -> None:
    made = [submit(farm, command="true") for _ in range(5)][::-1]
    first = listed(farm, Roots.ALL, 2)
    assert [job["id"] for job in first.jobs] == made[:2]
    last = listed(farm, Roots.ALL, 3, first.next)
    assert ([job["id"] for job in last.jobs], last.next) == (made[2:], None)


def test_counting_stops_at_its_limit(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_COUNTED", 2)
    monkeypatch.setattr(search, "MOST_GATHERED", 2)
    for _ in range(4):
        submit(farm, command="true")
    count = jobs_overview(farm, []).counts[Roots.WAITING]
    assert (count.number, count.more) == (2, True)


def test_a_job_comes_with_its_family_runs_notes_and_log(farm: Farm, client: TestClient, clock: SetClock) -> None:
    parent = submit(farm, name="film", children=[{"name": "reel", "command": "true", "x": 1}])
    child = parent + 1
    notes.add_note(farm, "look at this", None, child, None)
    clock.advance(5)
    fail(client)
    found = overview.job_overview(farm, child)
    assert found.job["status"] == "failed"
    assert found.names == {parent: "film"}
    assert found.unknown == {"x-x": 1}
    assert [(run.client, run.status, run.exit_code) for run in found.runs] == [("alpha", "failed", 3)]
    # 9.26: the farm notes a failure by itself.
    assert [note.text for note in found.notes] == ["look at this", "failed: exit code 3 on alpha"]
    assert (found.log[-1]["status"], found.log[0]["event"], found.log_cut) == ("failed", "unknown property", False)
    above = overview.job_overview(farm, parent)
    assert [job["id"] for job in above.children] == [child]
    assert [(cell.id, cell.name, cell.status) for cell in above.cells] == [(child, "reel", "failed")]


def test_ten_thousand_children_come_page_by_page(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "CHILDREN_A_PAGE", 3)
    monkeypatch.setattr(overview, "MOST_CELLS", 4)
    parent = submit(farm, children=[{"name": f"{n}", "command": "true"} for n in range(5)])
    first = overview.job_overview(farm, parent)
    assert (first.children_total, len(first.cells), len(first.children)) == (5, 4, 3)
    second = overview.job_overview(farm, parent, first.children_next or 0)
    assert [job["name"] for job in (*first.children, *second.children)] == ["0", "1", "2", "3", "4"]
    assert second.children_next is None


def test_what_is_not_there_is_not_found(farm: Farm) -> None:
    with pytest.raises(NotFound, match="no job 7"):
        overview.job_overview(farm, 7)


def test_a_database_that_cannot_be_read_is_said_to_be_so(farm: Farm) -> None:
    overview.read_check(farm)
    with farm.database.read():  # the only open reader is taken: the next one must open the file
        moved = farm.database.path.rename(farm.database.path.with_suffix(".away"))
        try:
            with pytest.raises(Busy, match="cannot be read") as refusal:
                overview.read_check(farm)
        finally:
            moved.rename(farm.database.path)
    assert isinstance(refusal.value.__cause__, sqlite3.Error)
