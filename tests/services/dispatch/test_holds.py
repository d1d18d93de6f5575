"""Clients that are held for jobs that need several at once (CONTRACT 3.4, 9.15)."""

from __future__ import annotations

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm, submit
from scheduling_kit import (
    another,
    busy,
    detail,
    end,
    events,
    handed_out,
    held_for,
    live,
    passes,
    set_rules,
    several,
    silence,
    waiting_for,
)

from hqserver.services import resources
from hqserver.services.clients import client_control
from hqserver.services.control import commands
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission


def test_held_clients_are_shown_and_take_no_other_work(farm: Farm, client: TestClient) -> None:
    """9.15"""
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    small = submit(farm, command="x")
    assert handed_out(farm) == {other: ["beta"]}
    assert held_for(farm, job) == ["alpha", "beta"]
    assert held_for(farm, small) == []
    assert waiting_for(farm, job) == "2 clients together, of which 1 is free"
    assert waiting_for(farm, small) == f"alpha is held for job {job}; beta is held for job {job}"
    assert ("holding", "alpha, beta, until 2 are free together") in events(farm, job)
    end(beta, other)
    assert handed_out(farm) == {job: ["alpha", "beta"], small: ["alpha"]}
    assert held_for(farm, job) == []


def test_a_held_client_that_ends_a_run_is_given_nothing_in_the_same_beat(farm: Farm, client: TestClient) -> None:
    beta = another(farm, "beta")
    others = busy(farm, client, beta)
    job = submit(farm, command="x", minHosts=2)
    small = submit(farm, command="x", priority=9)
    passes(farm)
    assert held_for(farm, job) == ["alpha", "beta"]
    end(client, others[0])
    assert live(farm) == {others[1]: ["beta"]}
    end(beta, others[1])
    assert handed_out(farm)[job] == ["alpha", "beta"]
    assert small in live(farm)


def test_a_busy_farm_of_small_jobs_does_not_starve_a_job_for_four(farm: Farm, client: TestClient) -> None:
    """9.15"""
    clients = {each.hostname: each for each in [client, *several(farm, "beta gamma delta epsilon")]}
    small = [submit(farm, command="x") for _ in range(60)]
    passes(farm)
    job = submit(farm, command="x", minHosts=4, cpus=2)
    ended = 0
    while job not in handed_out(farm):
        running = [(each, labels[0]) for each, labels in live(farm).items() if each != job]
        assert running, "the small jobs ran out first"
        each, label = running[0]
        end(clients[label], each)
        ended += 1
    assert ended < 12
    assert any(detail(farm, each, "status") == "runnable" for each in small)


def test_a_free_client_takes_the_place_of_a_busy_one_that_is_held(farm: Farm, client: TestClient) -> None:
    beta, gamma = several(farm, "beta gamma")
    busy(farm, beta)
    (other,) = busy(farm, gamma)
    job = submit(farm, command="x", minHosts=3)
    passes(farm)
    assert sorted(held_for(farm, job)) == ["alpha", "beta", "gamma"]
    pair = submit(farm, command="x", minHosts=2)
    passes(farm)
    assert held_for(farm, pair) == []
    another(farm, "delta")
    passes(farm)
    assert sorted(held_for(farm, job)) in (["alpha", "beta", "delta"], ["alpha", "delta", "gamma"])
    end(gamma, other)
    assert handed_out(farm)[job] == ["alpha", "delta", "gamma"]


def test_a_job_that_holds_is_served_though_one_like_it_came_before(farm: Farm, client: TestClient) -> None:
    """9.15: nobody else may hold those clients, so they must not wait for nothing."""
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    holder = submit(farm, command="x", minHosts=2, cpus=2)
    passes(farm)
    urgent = submit(farm, command="x", minHosts=2, cpus=2, priority=9)
    passes(farm)
    assert (held_for(farm, holder), held_for(farm, urgent)) == (["alpha", "beta"], [])
    end(beta, other)
    assert handed_out(farm) == {holder: ["alpha", "beta"]}
    end(client, holder)
    assert handed_out(farm) == {urgent: ["alpha", "beta"]}


def test_jobs_whose_clients_do_not_overlap_hold_at_the_same_time(farm: Farm, client: TestClient) -> None:
    """9.15"""
    clients = [client, *several(farm, "beta gamma delta")]
    busy(farm, clients[1], clients[3])
    first = submit(farm, command="x", minHosts=2, host="alpha,beta")
    second = submit(farm, command="x", minHosts=2, host="gamma,delta")
    overlapping = submit(farm, command="x", minHosts=2, host="beta,gamma")
    passes(farm)
    assert held_for(farm, first) == ["alpha", "beta"]
    assert held_for(farm, second) == ["gamma", "delta"]
    assert held_for(farm, overlapping) == []


def test_a_job_larger_than_the_farm_holds_nothing_and_says_so(farm: Farm, client: TestClient) -> None:
    another(farm, "beta")
    job = submit(farm, command="x", minHosts=3)
    small = submit(farm, command="x", cpus=2)
    assert handed_out(farm) == {small: ["alpha"]}
    assert held_for(farm, job) == []
    assert waiting_for(farm, job) == "3 clients together, but only 2 can run it"
    another(farm, "gamma")
    passes(farm)
    assert sorted(held_for(farm, job)) == ["alpha", "beta", "gamma"]


def test_a_job_holds_nothing_while_its_licences_are_lacking(farm: Farm, client: TestClient) -> None:
    resources.set_resource(farm, "house", 1, True)
    another(farm, "beta")
    job = submit(farm, command="x", minHosts=2, resources={"house": 1})
    passes(farm)
    assert held_for(farm, job) == []
    assert waiting_for(farm, job) == "2 machines that can have 'house' at once"
    resources.set_resource(farm, "house", 2, True)
    assert handed_out(farm) == {job: ["alpha", "beta"]}


@pytest.mark.parametrize("how", ["cancelled", "paused", "blocked by a child", "moved elsewhere"])
def test_a_job_that_does_not_wait_any_more_frees_its_holds(farm: Farm, client: TestClient, how: str) -> None:
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    assert held_for(farm, job) == ["alpha", "beta"]
    match how:
        case "cancelled":
            commands.cancel(farm, [job], "no")
        case "paused":
            commands.pause(farm, [job], "later")
        case "blocked by a child":
            submission.submit(farm, {"name": "child", "command": "x", "host": "zeta"}, parent_id=job)
        case "moved elsewhere":
            commands.permit_clients(farm, job, ["zeta"])
    small = submit(farm, command="x", host="alpha")
    assert handed_out(farm)[small] == ["alpha"]
    assert held_for(farm, job) == []
    assert other in live(farm)


def test_a_hold_of_a_cancelled_job_is_over_even_where_every_client_is_full(farm: Farm, client: TestClient) -> None:
    beta = another(farm, "beta")
    busy(farm, client, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    assert held_for(farm, job) == ["alpha", "beta"]
    commands.cancel(farm, [job], "no")
    passes(farm)
    assert held_for(farm, job) == []


def test_a_rescheduled_job_holds_anew(farm: Farm, client: TestClient) -> None:
    beta = another(farm, "beta")
    busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    commands.cancel(farm, [job], "no")
    passes(farm)
    commands.reschedule(farm, [job], "yes")
    passes(farm)
    assert held_for(farm, job) == ["alpha", "beta"]


def test_a_hold_ends_after_a_time_and_rests_as_long(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """9.15"""
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    small = submit(farm, command="x")
    silence(clock, client, beta, seconds=farm.policy.hold_timeout_seconds + 1)
    assert small in handed_out(farm)
    assert held_for(farm, job) == []
    assert ("hold ended", "its clients did not come together within 10 minutes") in events(farm, job)
    silence(clock, client, beta, seconds=farm.policy.hold_timeout_seconds - 30)
    passes(farm)
    assert held_for(farm, job) == []
    silence(clock, client, beta, seconds=60)
    passes(farm)
    assert held_for(farm, job) == ["alpha", "beta"]
    end(beta, other)
    assert job in handed_out(farm)


def test_while_a_job_rests_another_like_it_may_hold(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """9.15"""
    beta = another(farm, "beta")
    busy(farm, beta)
    first, second = (submit(farm, command="x", minHosts=2) for _ in range(2))
    passes(farm)
    assert held_for(farm, first) == ["alpha", "beta"]
    silence(clock, client, beta, seconds=farm.policy.hold_timeout_seconds + 1)
    passes(farm)
    assert (held_for(farm, first), held_for(farm, second)) == ([], ["alpha", "beta"])


def test_a_resting_job_starts_where_its_clients_are_free(farm: Farm, client: TestClient, clock: SetClock) -> None:
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    silence(clock, client, beta, seconds=farm.policy.hold_timeout_seconds + 1)
    passes(farm)
    end(beta, other)
    assert handed_out(farm) == {job: ["alpha", "beta"]}


@pytest.mark.parametrize("how", ["lost", "disabled", "removed", "out of hours"])
def test_a_held_client_that_goes_is_replaced(farm: Farm, client: TestClient, clock: SetClock, how: str) -> None:
    beta, gamma = several(farm, "beta gamma")
    busy(farm, beta)
    job = submit(farm, command="x", minHosts=3)
    passes(farm)
    assert len(held_for(farm, job)) == 3
    submit(farm, command="x", cpus=0, host="delta", priority=9)
    delta = another(farm, "delta")
    passes(farm)
    match how:
        case "lost":
            silence(clock, client, beta, delta, seconds=farm.policy.lost_seconds + 1)
        case "disabled":
            client_control.set_disabled(farm, "gamma", True)
        case "removed":
            client_control.remove(farm, [gamma.id])
        case "out of hours":
            set_rules(gamma, {"start": "03:00", "end": "04:00"})
    passes(farm)
    assert sorted(held_for(farm, job)) == ["alpha", "beta", "delta"]


def test_where_too_few_clients_are_left_none_is_held(farm: Farm, client: TestClient) -> None:
    beta = another(farm, "beta")
    busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    small = submit(farm, command="x")
    passes(farm)
    client_control.set_disabled(farm, "beta", True)
    assert handed_out(farm)[small] == ["alpha"]
    assert held_for(farm, job) == []
    assert waiting_for(farm, job) == "2 clients together, but only 1 can run it"


def test_a_restart_of_the_server_forgets_holds_and_makes_them_anew(
    farm: Farm, client: TestClient, clock: SetClock, asked: Asked, policy: Policy
) -> None:
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    farm.database.close()
    again = open_farm(farm.database.path.parent, clock, asked, policy)
    try:
        client.farm = beta.farm = again
        assert held_for(again, job) == []
        for each in (client, beta):
            each.sequence = 0
            each.register()
            each.beat()
        passes(again)
        assert held_for(again, job) == ["alpha", "beta"]
        end(beta, other)
        assert handed_out(again) == {job: ["alpha", "beta"]}
        check_counters(again)
    finally:
        again.database.close()


def test_a_job_that_only_waits_is_not_written_by_each_pass(farm: Farm, client: TestClient, clock: SetClock) -> None:
    beta = another(farm, "beta")
    busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    before = detail(farm, job, "updatedTime")
    silence(clock, client, beta, seconds=60)
    passes(farm)
    assert detail(farm, job, "updatedTime") == before
