"""Jobs with an agenda: their pieces given out, counted, limited, tried again, added to (CONTRACT 10, Work items)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, restarted, submit
from scheduling_kit import another, detail, events, passes, silence

from hqserver.domain.errors import BadParameters, BadSpecification, Conflict, NotFound
from hqserver.services.care import upkeep
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.intake.agenda import add_work, list_work


@pytest.fixture
def alpha(client: TestClient) -> TestClient:
    return client


def names(farm: Farm, job: int, *statuses: str) -> list[str]:
    return [item["name"] for item in list_work(farm, job, statuses)]


def end_all(client: TestClient, orders: list[dict[str, Any]], code: int = 0) -> list[dict[str, Any]]:
    """The client says that all these have ended; the start orders it gets for that."""
    answer = client.beat(*(client.ended(order["run"], code) for order in orders))
    return [order for order in answer.orders if order["kind"] == "start"]


def test_each_piece_is_a_work_item_with_its_own_command_and_variables(farm: Farm, alpha: TestClient) -> None:
    submit(farm, command="render -f {frame:04d} {first}-{last}", agenda="1-9x2", chunk=2)
    first, second = alpha.fetch()
    assert first["command"] == "render -f 0001 1-3"
    assert (first["work"], second["work"]) == ("1,3", "5,7")
    told = {name: value for name, value in second["environment"].items() if name.startswith("HQ")}
    assert told.items() >= {"HQWORK": "5,7", "HQFRAME": "5", "HQFRAME_END": "7", "HQFRAMES": "5,7"}.items()


def test_all_pieces_are_run_and_the_job_has_succeeded(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-7")
    assert alpha.run_all() == 7
    assert detail(farm, job, "status") == "succeeded"
    assert detail(farm, job, "workCounts") == {"succeeded": 7}
    assert detail(farm, job, "overallProgress") == 1.0
    check_counters(farm)


def test_pieces_are_given_out_in_the_order_asked_for(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-20", order="binary", maxConcurrent=1)
    given = []
    orders = alpha.fetch()
    while orders:
        given += [order["work"] for order in orders]
        orders = end_all(alpha, orders)
    assert given[:5] == ["1", "20", "11", "6", "16"]
    assert names(farm, job) == [str(number) for number in range(1, 21)]


def test_no_more_pieces_run_at_once_than_the_job_says(farm: Farm, alpha: TestClient) -> None:
    """`maxConcurrent`; what else there is goes on meanwhile."""
    beta = another(farm, "beta", cpus=8)
    job = submit(farm, command="render", agenda="1-10", maxConcurrent=3)
    other = submit(farm, command="other")
    orders = [*alpha.fetch(), *beta.fetch()]
    assert sorted(order["job"] for order in orders) == [job] * 3 + [other]
    assert passes(farm) == 1
    running = [order for order in beta.start_orders.values() if order["job"] == job]
    end_all(beta, running[:1])
    assert detail(farm, job, "workCounts") == {"runnable": 6, "running": 3, "succeeded": 1}
    while orders := [order for client in (alpha, beta) for order in client.start_orders.values()]:
        for client in (alpha, beta):
            mine, client.start_orders = list(client.start_orders.values()), {}
            end_all(client, mine)
            client.fetch()
        assert detail(farm, job, "workCounts").get("running", 0) <= 3
    assert detail(farm, job, "status") == "succeeded"
    check_counters(farm)


def test_the_work_of_a_lost_client_is_given_out_though_the_job_may_have_no_more_at_once(
    farm: Farm, alpha: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render", agenda="1-4", maxConcurrent=2)
    assert len(alpha.fetch()) == 2
    beta = another(farm, "beta")
    silence(clock, beta, seconds=farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    assert [order["work"] for order in beta.fetch()] == ["1", "2"]
    assert detail(farm, job, "workCounts") == {"running": 2, "runnable": 2}
    check_counters(farm)


def test_a_piece_that_fails_fails_the_job_once_the_others_have_ended(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-3")
    first, second = alpha.fetch()
    third = next(order for order in end_all(alpha, [first], code=1) if order["run"] != second["run"])
    assert detail(farm, job, "status") == "running"
    end_all(alpha, [second, third])
    assert detail(farm, job, "status") == "failed"
    assert names(farm, job, "failed") == ["1"]
    told = events(farm, job)
    assert ("piece failed", "1: exit code 1 on alpha") in told
    assert told[-1] == ("status", "1 of 3 pieces failed")
    check_counters(farm)


def test_each_piece_has_tries_of_its_own(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-2", triesLeft=1)
    orders = alpha.fetch()
    again = end_all(alpha, orders, code=1) or alpha.fetch()
    assert {order["work"] for order in again} == {"1", "2"}
    assert detail(farm, job, "triesLeft") == 1
    end_all(alpha, again)
    found = list_work(farm, job)
    assert [(item["tries"], item["triesLeft"], item["status"]) for item in found] == [(2, 0, "succeeded")] * 2


def test_between_two_pieces_the_status_log_says_nothing(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-50")
    alpha.run_all()
    statuses = [message for event, message in events(farm, job) if event == "status"]
    assert len(statuses) == 2, statuses


def test_the_list_tells_who_runs_a_piece_and_how_far_it_is(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda=[{"name": "left", "package": {"eye": "l"}}, "2-5", "3"])
    orders = alpha.fetch()
    alpha.beat(*(alpha.started(order["run"]) for order in orders), progress={orders[0]["run"]: 0.25})
    upkeep.flush(farm)
    left, frames, waiting = list_work(farm, job)
    assert (left["name"], left["first"], left["package"], left["progress"]) == ("left", None, {"eye": "l"}, 0.25)
    assert (left["client"], left["run"], left["tries"]) == ("alpha", orders[0]["run"], 1)
    assert (frames["first"], frames["last"], frames["status"]) == (2, 5, "running")
    assert (waiting["client"], waiting["run"], waiting["tries"], waiting["endTime"]) == ("", "", 0, None)


def test_the_list_comes_in_pages_and_by_status(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-10")
    end_all(alpha, alpha.fetch())
    assert names(farm, job, "succeeded", "running") == ["1", "2", "3", "4"]
    assert [item["name"] for item in list_work(farm, job, ["runnable"], 3, 2)] == ["7", "8", "9"]
    assert [item["name"] for item in list_work(farm, job, (), 3, 9)] == ["10"]
    with pytest.raises(BadParameters, match="'runable' is no status of work; did you mean 'runnable'"):
        list_work(farm, job, ["runable"])
    with pytest.raises(BadParameters, match="limit must be from 1 to 10000"):
        list_work(farm, job, (), 0)
    with pytest.raises(BadParameters, match="offset must be 0 or more"):
        list_work(farm, job, (), 1, -1)
    with pytest.raises(NotFound):
        list_work(farm, 99)


def test_a_job_without_an_agenda_has_one_work_item_without_a_name(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render {frame}")
    (order,) = alpha.fetch()
    assert order["command"] == "render {frame}"
    assert "HQWORK" not in order["environment"]
    assert names(farm, job) == [""]


def test_pieces_are_added_to_a_job_that_runs_and_not_to_one_that_has_ended(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-2")
    orders = alpha.fetch()
    assert add_work(farm, job, "10-11") == ["10", "11"]
    assert add_work(farm, job, []) == []
    with pytest.raises(Conflict, match=f"job {job} has a piece '10' already"):
        add_work(farm, job, "9-10")
    with pytest.raises(BadParameters, match="agenda has the part 'x'"):
        add_work(farm, job, "x")
    end_all(alpha, end_all(alpha, orders))
    assert detail(farm, job, "workCounts") == {"succeeded": 4}
    check_counters(farm)
    with pytest.raises(Conflict, match=f"job {job} is succeeded and takes no more work"):
        add_work(farm, job, "20")
    with pytest.raises(Conflict, match="has no agenda"):
        add_work(farm, submit(farm, command="plain"), "20")
    with pytest.raises(NotFound):
        add_work(farm, 99, "20")


def test_an_agenda_waits_for_children_and_fails_with_them(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-3", children=[{"name": "c", "command": "sim"}])
    assert detail(farm, job, "workCounts") == {"queued": 3}
    assert add_work(farm, job, "4") == ["4"]
    assert detail(farm, job, "workCounts") == {"queued": 4}
    end_all(alpha, alpha.fetch(), code=1)
    assert detail(farm, job, "workCounts") == {"failed": 4}
    assert detail(farm, job, "status") == "failed"
    check_counters(farm)


def test_a_cancelled_agenda_ends_and_is_done_again_as_a_whole(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-5", triesLeft=2)
    orders = end_all(alpha, alpha.fetch())
    commands.cancel(farm, [job], "not wanted")
    alpha.beat(*(alpha.ended(order["run"], killed=True, signal=9) for order in orders))
    assert detail(farm, job, "workCounts") == {"succeeded": 2, "cancelled": 3}
    assert detail(farm, job, "status") == "cancelled"
    commands.reschedule(farm, [job], "after all")
    assert detail(farm, job, "workCounts") == {"runnable": 5}
    check_counters(farm)
    assert alpha.run_all() == 5
    check_counters(farm)


def test_a_restarted_server_goes_on_with_an_agenda(
    farm: Farm, alpha: TestClient, clock: SetClock, asked: Asked
) -> None:
    job = submit(farm, command="render {frame}", agenda="1-5", maxConcurrent=1)
    (order,) = alpha.fetch()
    with restarted(farm, clock, asked, alpha) as again:
        (following,) = end_all(alpha, [order])
        assert following["command"] == "render 2"
        assert detail(again, job, "agenda") == "1-5"


def test_a_call_that_holds_too_many_pieces_is_refused_and_nothing_is_stored(farm: Farm) -> None:
    with pytest.raises(BadSpecification, match=r"children\[0\].agenda has 300000 pieces"):
        submit(farm, children=[{"name": "c", "command": "x", "agenda": "1-300000"}])
    with farm.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM work").fetchone()[0] == 0


def test_a_piece_that_was_withdrawn_before_it_started_has_not_been_tried(farm: Farm, alpha: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-2")
    first, second = (str(order["run"]) for order in alpha.fetch())
    alpha.beat(alpha.started(first), alpha.refused(second), accepting=False)
    assert [(item["name"], item["tries"]) for item in list_work(farm, job)] == [("1", 1), ("2", 0)]
