"""`changeWork`: every action of the table on single pieces of an agenda (CONTRACT 10, Work items, Control)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import TestClient, submit
from scheduling_kit import another, detail

from hqserver.domain.errors import BadParameters, Conflict, NotFound
from hqserver.services.control import commands
from hqserver.services.control.changing_work import change_work
from hqserver.services.farm import Farm
from hqserver.services.intake.agenda import list_work


@pytest.fixture
def job(farm: Farm, client: TestClient) -> int:
    """Four pieces, of which 1 and 2 run."""
    found = submit(farm, command="render", agenda="1-4")
    client.fetch()
    client.beat(*(client.started(run) for run in client.start_orders))
    return found


def change(farm: Farm, job: int, names: str, action: str, **options: Any) -> dict[str, str]:
    """The status of each of these pieces afterwards, or why it did not change."""
    found = change_work(farm, job, names.split(), action, options, "ada")
    return {each["name"]: each["why"] or each["now"] for each in found}


def statuses(farm: Farm, job: int) -> str:
    return " ".join(str(item["status"]) for item in list_work(farm, job))


def run_of(client: TestClient, name: str) -> str:
    """The run that was ordered last for a piece."""
    return [run for run, order in client.start_orders.items() if order["work"] == name][-1]


def told(client: TestClient) -> list[tuple[str, str]]:
    """What the client is told to do now, by kind and piece."""
    names = {run: str(order["work"]) for run, order in client.start_orders.items()}
    return [(str(each["kind"]), names[str(each["run"])]) for each in client.beat().orders if each["kind"] != "start"]


def test_waiting_pieces_are_blocked_and_put_back(farm: Farm, client: TestClient, job: int) -> None:
    assert change(farm, job, "1 3 9", "block") == {"1": "it is running", "3": "blocked", "9": "there is no such piece"}
    assert change(farm, job, "4", "pause") == {"4": "blocked"}
    client.beat(*(client.ended(run_of(client, name)) for name in "12"))
    assert client.fetch() == []
    assert detail(farm, job, "status") == "paused"
    assert "unblock" in detail(farm, job, "waitingFor")
    assert change(farm, job, "3", "unblock") == {"3": "runnable"}
    assert change(farm, job, "4", "resume") == {"4": "runnable"}
    assert client.run_all() == 2
    assert detail(farm, job, "status") == "succeeded"


@pytest.mark.parametrize("action", ["suspend", "pause"])
def test_a_running_piece_stands_still_and_goes_on(farm: Farm, client: TestClient, job: int, action: str) -> None:
    assert change(farm, job, "2", action) == {"2": "pausing"}
    assert told(client) == [("pause", "2")]
    client.beat(client.paused(run_of(client, "2")))
    assert statuses(farm, job) == "running paused runnable runnable"
    assert change(farm, job, "2", "resume") == {"2": "resuming"}
    client.beat(client.resumed(run_of(client, "2")))
    assert statuses(farm, job) == "running running runnable runnable"


def test_a_piece_of_a_paused_job_goes_on_with_its_job(farm: Farm, client: TestClient, job: int) -> None:
    commands.pause(farm, [job], "lunch")
    client.beat(*(client.paused(run) for run in client.start_orders))
    assert change(farm, job, "1", "resume") == {"1": "its job is paused: resume that"}
    assert statuses(farm, job) == "paused paused runnable runnable"


def test_a_piece_is_migrated_to_another_client(farm: Farm, client: TestClient, job: int) -> None:
    assert change(farm, job, "1", "migrate") == {"1": "running"}
    assert told(client) == [("kill", "1")]
    another(farm, "beta")
    client.beat(client.ended(run_of(client, "1"), killed=True, signal=9))
    assert statuses(farm, job).split()[0] in ("runnable", "running")
    assert detail(farm, job, "status") == "running"


def test_pieces_are_cancelled_and_the_others_go_on(farm: Farm, client: TestClient, job: int) -> None:
    assert change(farm, job, "1 4", "kill") == {"1": "running", "4": "cancelled"}
    client.beat(client.ended(run_of(client, "1"), killed=True, signal=9), client.ended(run_of(client, "2")))
    client.run_all()
    assert statuses(farm, job) == "cancelled succeeded succeeded cancelled"
    assert detail(farm, job, "status") == "cancelled"
    assert change(farm, job, "1 2", "retry") == {"1": "runnable", "2": "it is succeeded"}
    assert detail(farm, job, "status") == "runnable"
    client.run_all()
    assert statuses(farm, job) == "succeeded succeeded succeeded cancelled"


def test_a_piece_whose_kill_is_on_its_way_is_not_said_to_change(farm: Farm, client: TestClient, job: int) -> None:
    assert change(farm, job, "1", "cancel") == {"1": "running"}
    ending = f"it is being ended on {farm.watch.label(client.id)} already"
    for action in ("cancel", "migrate", "suspend", "pause"):
        assert change(farm, job, "1", action) == {"1": ending}
    assert change(farm, job, "2", "migrate") == {"2": "running"}
    assert change(farm, job, "2", "migrate") == {"2": ending}
    assert change(farm, job, "2", "cancel") == {"2": "running"}  # it does not go back to the queue then


def test_pieces_are_done_by_hand(farm: Farm, client: TestClient, job: int) -> None:
    assert change(farm, job, "1 3 4", "complete") == {"1": "running", "3": "succeeded", "4": "succeeded"}
    client.beat(client.ended(run_of(client, "1"), killed=True, signal=9), client.ended(run_of(client, "2")))
    assert statuses(farm, job) == "succeeded succeeded succeeded succeeded"
    assert detail(farm, job, "status") == "succeeded"
    assert change(farm, job, "1", "complete") == {"1": "it is succeeded"}


def test_a_piece_is_done_again_and_what_failed_above_waits_anew(farm: Farm, client: TestClient) -> None:
    top = submit(farm, command="comp", children=[{"name": "c", "command": "x", "agenda": "1-2", "triesLeft": 1}])
    client.fetch()
    client.beat(client.ended(run_of(client, "1")), client.ended(run_of(client, "2"), 1))
    client.fetch()
    client.beat(client.ended(run_of(client, "2"), 1))
    assert (detail(farm, top, "status"), detail(farm, top + 1, "status")) == ("failed", "failed")
    assert change(farm, top + 1, "1", "rerun") == {"1": "runnable"}
    assert statuses(farm, top + 1) == "runnable failed"
    assert (detail(farm, top, "status"), detail(farm, top + 1, "status")) == ("queued", "runnable")
    assert change(farm, top + 1, "2", "requeue") == {"2": "blocked"}
    assert list_work(farm, top + 1)[1]["triesLeft"] == 1
    client.run_all()
    assert change(farm, top + 1, "2", "unblock") == {"2": "runnable"}
    client.run_all()
    assert detail(farm, top, "status") == "succeeded"


def test_pieces_go_first_and_last(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", agenda="1-5", maxConcurrent=1)
    assert change(farm, job, "4 5", "top") == {"4": "runnable", "5": "runnable"}
    change(farm, job, "1", "bottom")
    served = []
    orders = client.fetch()
    while orders:
        served.append(orders[0]["work"])
        orders = client.beat(client.ended(orders[0]["run"])).orders
    assert served == ["4", "5", "2", "3", "1"]


def test_the_work_of_a_job_without_an_agenda_has_no_name(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    (found,) = change_work(farm, job, [""], "block", {}, "ada")
    assert (found["name"], found["now"], detail(farm, job, "status")) == ("", "blocked", "paused")


def test_what_cannot_be_is_refused_as_a_whole(farm: Farm, client: TestClient, job: int) -> None:
    with pytest.raises(NotFound):
        change_work(farm, 99, ["1"], "block", {}, "ada")
    with pytest.raises(
        BadParameters, match=r"delete is no action on work items: pieces are removed with their job\. They take pause, "
    ):
        change_work(farm, job, ["1"], "delete", {}, "ada")
    with pytest.raises(Conflict, match="block would change 2 pieces, more than the limit of 1"):
        change_work(farm, job, ["3", "4"], "block", {"limit": 1}, "ada")
    assert change(farm, job, "3", "block", dryRun=True) == {"3": "runnable"}
    assert statuses(farm, job) == "running running runnable runnable"
