"""Jobs that run on several clients at once: they start and end on all together (CONTRACT 3.4, 9.15)."""

from __future__ import annotations

import pytest
from farm_kit import SetClock, TestClient, submit
from scheduling_kit import (
    another,
    busy,
    detail,
    end,
    handed_out,
    live,
    passes,
    run_of,
    several,
    silence,
    waiting_for,
)

from hqserver.services import resources
from hqserver.services.care import upkeep
from hqserver.services.clients import client_control
from hqserver.services.control import commands
from hqserver.services.dispatch import assignment
from hqserver.services.farm import Farm


def test_a_job_starts_only_with_as_many_clients_as_it_needs(farm: Farm, client: TestClient) -> None:
    """9.15"""
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    assert job not in handed_out(farm)
    end(beta, other)
    assert handed_out(farm) == {job: ["alpha", "beta"]}
    assert detail(farm, job, "status") == "running"
    assert [each["label"] for each in detail(farm, job, "clients")] == ["alpha", "beta"]


def test_a_job_gets_up_to_as_many_clients_as_it_may_have(farm: Farm, client: TestClient) -> None:
    """9.15: of those free; once started it does not grow."""
    beta, *_ = several(farm, "beta gamma delta epsilon")
    busy(farm, beta)
    job = submit(farm, command="x", minHosts=2, maxHosts=3)
    assert handed_out(farm)[job] == ["alpha", "gamma", "delta"]
    second = submit(farm, command="x", minHosts=1, maxHosts=9, cpus=2)
    assert handed_out(farm)[second] == ["epsilon"]
    end(beta, 1)
    assert handed_out(farm) == {job: ["alpha", "gamma", "delta"], second: ["epsilon"]}


def test_the_command_runs_on_the_first_and_is_told_of_all(farm: Farm, client: TestClient) -> None:
    others = several(farm, "gamma beta")
    job = submit(farm, command="mantra", minHosts=3)
    passes(farm)
    (order,) = client.fetch()
    assert (order["job"], order["environment"]["HQHOSTS"]) == (job, "alpha,gamma,beta")
    assert [other.fetch() for other in others] == [[], []]


def test_further_clients_are_occupied_and_free_again_when_it_ends(farm: Farm, client: TestClient) -> None:
    another(farm, "beta")
    job = submit(farm, command="x", minHosts=2, cpus=2, resources={"sidefx.license.render": 1})
    behind = [submit(farm, command="x", cpus=2) for _ in range(2)]
    assert handed_out(farm) == {job: ["alpha", "beta"]}
    assert {each["name"]: each["inUse"] for each in resources.resource_details(farm, None)}[
        "sidefx.license.render"
    ] == 2
    end(client, job)
    assert detail(farm, job, "status") == "succeeded"
    assert sorted(handed_out(farm)) == behind


def test_amounts_counted_per_job_are_taken_once(farm: Farm, client: TestClient) -> None:
    """CONTRACT 5.6"""
    resources.set_resource(farm, "plugin", 3, False)
    resources.set_resource(farm, "house", 3, True)
    several(farm, "beta gamma delta")
    job = submit(farm, command="x", minHosts=3, resources={"plugin": 2, "house": 1})
    small = submit(farm, command="x", resources={"plugin": 1})
    waits = submit(farm, command="x", resources={"plugin": 1})
    assert sorted(handed_out(farm)) == [job, small]
    assert {each["name"]: each["inUse"] for each in resources.resource_details(farm, None)[3:]} == {
        "plugin": 3,
        "house": 3,
    }
    assert waiting_for(farm, waits) == "resource 'plugin': 3 of 3 are in use"


def test_a_cancelled_job_frees_all_its_clients(farm: Farm, client: TestClient) -> None:
    another(farm, "beta")
    job = submit(farm, command="x", minHosts=2, cpus=2)
    passes(farm)
    client.beat(client.started(run_of(farm, job)))
    commands.cancel(farm, [job], "enough")
    client.beat(client.ended(run_of(farm, job), 143, killed=True))
    assert detail(farm, job, "status") == "cancelled"
    assert live(farm) == {}


@pytest.mark.parametrize("how", ["silent", "removed", "booted anew"])
def test_losing_a_further_client_ends_the_run_on_all_and_burns_no_try(
    farm: Farm, client: TestClient, clock: SetClock, how: str
) -> None:
    """9.15"""
    beta, gamma = several(farm, "beta gamma")
    job = submit(farm, command="x", minHosts=2, cpus=2, triesLeft=1)
    assert handed_out(farm) == {job: ["alpha", "beta"]}
    client.beat(client.started(run_of(farm, job)))
    if how == "booted anew":
        beta.boot_id = "boot-2"
        beta.register()
    else:
        if how == "removed":
            client_control.remove(farm, [beta.id])
        silence(clock, client, gamma, seconds=farm.policy.lost_seconds + 1)
        upkeep.notice_silence(farm)
        client_control.hide_silent(farm)
    assert "kill" in [order["kind"] for order in client.beat().orders]
    assert waiting_for(farm, job) == "ending on alpha"
    client.beat(client.ended(run_of(farm, job), 143, killed=True))
    assert live(farm) == {}
    assert detail(farm, job, "triesLeft") == 1
    assert len(handed_out(farm)[job]) == 2


def test_a_further_client_that_restarts_its_daemon_changes_nothing(farm: Farm, client: TestClient) -> None:
    beta = another(farm, "beta")
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    beta.session = "s2"
    beta.register()
    beta.beat()
    assert live(farm) == {job: ["alpha", "beta"]}


def test_the_work_of_a_lost_first_host_is_taken_over_by_another_set(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """9.15: the run's further clients count as free for it."""
    beta = another(farm, "beta")
    job = submit(farm, command="x", minHosts=2, cpus=0, triesLeft=1)
    assert handed_out(farm) == {job: ["alpha", "beta"]}
    client.beat(client.started(run_of(farm, job)))
    gamma = another(farm, "gamma")
    behind = submit(farm, command="x", cpus=0)
    assert handed_out(farm) == {job: ["alpha", "beta"], behind: ["gamma"]}
    silence(clock, beta, gamma, seconds=farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    passes(farm)
    end(gamma, behind)
    assert sorted(handed_out(farm)[job]) == ["beta", "gamma"]
    assert detail(farm, job, "triesLeft") == 1
    assert "kill" in [order["kind"] for order in client.beat().orders]
    end(beta if live(farm)[job][0] == "beta" else gamma, job)
    assert detail(farm, job, "status") == "succeeded"
    assert live(farm) == {}


def test_a_pass_of_one_client_starts_no_job_for_several(farm: Farm, client: TestClient) -> None:
    """9.15: it is left to the pass over all, which is asked for."""
    another(farm, "beta")
    small = submit(farm, command="x", host="alpha")
    passes(farm)
    job = submit(farm, command="x", minHosts=1, maxHosts=2)
    end(client, small)
    assert live(farm) == {}
    assert assignment.dispatch_pass(farm) is False
    assert live(farm) == {job: ["alpha", "beta"]}
