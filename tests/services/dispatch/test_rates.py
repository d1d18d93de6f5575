"""Rates over a farm: starts are counted, survive the server, are given back where nothing started (CONTRACT 10)."""

from __future__ import annotations

import pytest
from farm_kit import Asked, SetClock, TestClient, restarted, submit
from scheduling_kit import another, live, passes, silence, waiting_for

from hqserver.services import resources
from hqserver.services.control import commands, deletion
from hqserver.services.dispatch import assignment, rates
from hqserver.services.farm import Farm
from hqserver.services.queries import explaining
from hqserver.store import starts


@pytest.fixture
def big(farm: Farm) -> TestClient:
    """A client with room for any number of jobs, in a farm whose rate `api` is three a minute."""
    resources.set_resource(farm, "api", 3, False, "rate")
    return another(farm, "alpha", cpus=64)


def calls(farm: Farm, count: int, **properties: object) -> list[int]:
    return [submit(farm, command="curl", **{"resources": {"api": 1}, **properties}) for _ in range(count)]


def started(farm: Farm) -> int:
    """In the last minute, as `getResources` tells it."""
    return int(next(each["inUse"] for each in resources.resource_details(farm, None) if each["name"] == "api"))


def tick(farm: Farm, clock: SetClock, seconds: float) -> None:
    """Time goes by, a second a tick."""
    for _ in range(int(seconds)):
        clock.advance(1)
        rates.let_go(farm)


def test_no_more_start_in_a_minute_than_the_rate(farm: Farm, big: TestClient, clock: SetClock) -> None:
    jobs = calls(farm, 5)
    assert len(big.fetch()) == 3
    silence(clock, big, seconds=48)
    assert waiting_for(farm, jobs[3]) == "rate of 'api': 3 of 3 starts in the last minute; again in 12 s"
    passes(farm)
    assert sorted(live(farm)) == jobs[:3]
    silence(clock, big, seconds=12)
    passes(farm)
    assert sorted(live(farm)) == jobs
    assert started(farm) == 2


def test_a_run_that_ended_gives_no_start_back(farm: Farm, big: TestClient, clock: SetClock) -> None:
    calls(farm, 9)
    assert big.run_all() == 3
    clock.advance(60)
    big.beat()
    assert big.run_all() == 3


def test_each_piece_of_an_agenda_is_a_start_and_takes_its_amount(farm: Farm, big: TestClient, clock: SetClock) -> None:
    submit(farm, command="f", agenda="1-5")
    submit(farm, command="curl {frame}", agenda="1-9", resources={"api": 2})
    assert len(big.fetch()) == 5 + 1
    assert started(farm) == 2


def test_work_that_needs_other_things_goes_on(farm: Farm, big: TestClient) -> None:
    calls(farm, 5)
    free = submit(farm, command="x")
    passes(farm)
    assert free in live(farm)


def test_a_refused_dispatch_gives_its_start_back(farm: Farm, big: TestClient) -> None:
    jobs = calls(farm, 4)
    orders = big.fetch()
    big.beat(big.refused(orders[0]["run"]))
    passes(farm)
    assert len(live(farm)) == 3
    assert started(farm) == 3
    assert waiting_for(farm, jobs[3]).startswith("rate of 'api'")


def test_a_run_that_was_taken_back_before_it_started_gives_its_start_back(farm: Farm, big: TestClient) -> None:
    calls(farm, 3)
    orders = big.fetch()
    commands.cancel(farm, [1, 2], "no")
    one, two = (next(each["run"] for each in orders if each["job"] == job) for job in (1, 2))
    big.beat(big.started(two))
    big.beat(big.refused(one), big.ended(two, 1, killed=True))
    assert started(farm) == 2, "the second had started"


def test_a_job_on_several_clients_is_one_start(farm: Farm, big: TestClient) -> None:
    another(farm, "beta")
    calls(farm, 1, minHosts=2)
    passes(farm)
    assert list(live(farm).values()) == [["alpha", "beta"]]
    assert started(farm) == 1


def test_starts_count_on_when_the_server_starts_anew(
    farm: Farm, big: TestClient, clock: SetClock, asked: Asked
) -> None:
    jobs = calls(farm, 4)
    big.fetch()
    clock.advance(20)
    with restarted(farm, clock, asked, big) as again:
        big.held.update(big.start_orders)
        big.register()
        big.beat()
        passes(again)
        assert waiting_for(again, jobs[3]).endswith("again in 40 s")
        clock.advance(40)
        big.beat()
        passes(again)
        assert sorted(live(again)) == jobs


def test_starts_outlive_their_jobs_and_the_resource(farm: Farm, big: TestClient) -> None:
    jobs = calls(farm, 3)
    big.run_all()
    deletion.delete(farm, jobs)
    resources.delete_resource(farm, "api")
    resources.set_resource(farm, "api", 3, False, "rate")
    calls(farm, 1)
    assert big.fetch() == []


def test_the_dispatcher_is_asked_once_when_the_minute_lets_go(
    farm: Farm, big: TestClient, clock: SetClock, asked: Asked
) -> None:
    """No busy loop: while the rate is used up no pass has anything to do, and none is asked for."""
    calls(farm, 4)
    big.fetch()
    asked.passes = 0
    tick(farm, clock, 59)
    assert asked.passes == 0
    assert assignment.dispatch_pass(farm) is False
    tick(farm, clock, 1)
    assert asked.passes == 1
    tick(farm, clock, 30)
    assert asked.passes == 1
    with farm.database.read() as connection:
        assert starts.span(connection) == (None, None)


def test_a_clock_that_is_set_ahead_lets_nothing_go_early(farm: Farm, big: TestClient, clock: SetClock) -> None:
    calls(farm, 4)
    big.fetch()
    clock.wall += 3600
    rates.let_go(farm)
    passes(farm)
    assert len(live(farm)) == 3
    silence(clock, big, seconds=60)
    passes(farm)
    assert len(live(farm)) == 4


def test_a_clock_that_is_set_back_holds_nothing_longer_than_another_minute(
    farm: Farm, big: TestClient, clock: SetClock
) -> None:
    calls(farm, 4)
    big.fetch()
    clock.advance(30)
    clock.wall -= 3600
    rates.let_go(farm)
    tick(farm, clock, 59)
    big.beat()
    passes(farm)
    assert len(live(farm)) == 3
    tick(farm, clock, 1)
    passes(farm)
    assert len(live(farm)) == 4


def test_a_higher_rate_holds_at_once_and_a_lower_one_only_slows(farm: Farm, big: TestClient) -> None:
    calls(farm, 9)
    for rate, running in ((3, 3), (5, 5), (1, 5), (-1, 9)):
        resources.set_resource(farm, "api", rate, False)
        passes(farm)
        assert len(live(farm)) == running


def test_it_is_explained_need_by_need(farm: Farm, big: TestClient, clock: SetClock) -> None:
    jobs = calls(farm, 4)
    big.fetch()
    silence(clock, big, seconds=48)
    found = explaining.explain_job(farm, jobs[3])
    told = "rate of 'api': 3 of 3 starts in the last minute; again in 12 s"
    assert found["summary"] == told
    need = next(each for each in found["job"] if each["requirement"] == "resources")
    assert (need["wanted"], need["found"], need["holds"]) == ("1 api", told, False)
    assert need["remedy"] == "some time goes by, or there is more of it: hq resource set api N (setResource)"
    (reason,) = [each for each in found["clients"][0]["reasons"] if each["requirement"] == "resources"]
    assert (reason["found"], reason["holds"]) == (told, False)


def test_what_the_ticks_and_passes_read_is_read_by_index(farm: Farm) -> None:
    with farm.database.read() as connection:
        for query in (
            "SELECT name, at, sum(amount) FROM resource_start WHERE at > 1 GROUP BY at, name",
            "SELECT min(at) FROM resource_start",
            "DELETE FROM resource_start WHERE at <= 1",
            "DELETE FROM resource_start WHERE run_id = 'x'",
        ):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
            assert all(step.startswith("SEARCH") for step in plan), (query, plan)
