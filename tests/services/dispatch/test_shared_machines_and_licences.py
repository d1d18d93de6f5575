"""What jobs share or keep to themselves: machines by their tags, and resources (CONTRACT 2.5, 5.6, 9.16)."""

from __future__ import annotations

import pytest
from farm_kit import SetClock, TestClient, submit
from scheduling_kit import (
    another,
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
from hqserver.services.control import commands
from hqserver.services.farm import Farm

# Tags (CONTRACT 2.5, 9.16) -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("running", "coming", "together"),
    [
        ([], ["single"], False),
        (["single"], [], False),
        (["single"], ["single:1"], False),
        (["single:1"], ["single"], False),
        (["single:1"], ["single:1"], False),
        (["single:1"], ["single:2"], True),
        (["single:1"], [], True),
        ([], ["single:1"], True),
        ("single:1", "single:1", False),
        (["other"], ["other"], True),
    ],
)
def test_tags_say_which_jobs_share_a_machine(
    farm: Farm, client: TestClient, running: list[str], coming: list[str], together: bool
) -> None:
    """9.16: of what runs there and of what one pass gives out."""
    first = submit(farm, command="x", tags=running)
    passes(farm)
    second = submit(farm, command="x", tags=coming)
    assert (second in handed_out(farm)) is together
    if not together:
        end(client, first)
        assert handed_out(farm) == {second: ["alpha"]}


def test_tags_hold_within_one_pass(farm: Farm, client: TestClient) -> None:
    """9.16"""
    beta = another(farm, "beta")
    jobs = [submit(farm, command="x", tags=["single:sim"]) for _ in range(3)]
    assert sorted(handed_out(farm)) == jobs[:2]
    assert {label for labels in live(farm).values() for label in labels} == {"alpha", "beta"}
    assert waiting_for(farm, jobs[2]) == (
        "alpha runs a job with the same tag 'single:sim'; beta runs a job with the same tag 'single:sim'"
    )
    end(beta if live(farm)[jobs[0]] == ["beta"] else client, jobs[0])
    assert sorted(handed_out(farm)) == jobs[1:]


def test_a_client_of_short_jobs_queues_nothing_that_breaks_a_tag(farm: Farm, client: TestClient) -> None:
    """9.16: runs queued behind others never break one."""
    client.spare = 4
    client.beat()
    first = submit(farm, command="x", tags=["single"])
    second = submit(farm, command="x")
    third = submit(farm, command="x", tags=["single"])
    assert handed_out(farm) == {first: ["alpha"]}
    end(client, first)
    assert handed_out(farm) == {second: ["alpha"]}
    queued = [submit(farm, command="x") for _ in range(3)]
    assert sorted(handed_out(farm)) == [second, *queued]
    for job in (second, *queued):
        end(client, job)
        assert (third in live(farm)) is (job == queued[-1])


def test_a_job_with_a_custom_tag_is_not_queued_behind_others(farm: Farm, client: TestClient) -> None:
    client.spare = 4
    client.beat()
    plain = [submit(farm, command="x") for _ in range(2)]
    tagged = submit(farm, command="x", tags=["single:1"])
    assert sorted(handed_out(farm)) == plain
    assert waiting_for(farm, tagged) == "free CPUs on alpha"


# Resources (CONTRACT 5.6) --------------------------------------------------------------------------------------------


def test_each_job_takes_what_it_asked_for(farm: Farm, client: TestClient) -> None:
    resources.set_resource(farm, "plugin", 5, False)
    several(farm, "beta gamma")
    jobs = [submit(farm, command="x", resources={"plugin": 2}) for _ in range(3)]
    assert sorted(handed_out(farm)) == jobs[:2]
    assert waiting_for(farm, jobs[2]) == "resource 'plugin': 4 of 5 are in use"
    small = submit(farm, command="x", resources={"plugin": 1})
    assert sorted(handed_out(farm)) == [*jobs[:2], small]
    resources.set_resource(farm, "plugin", 7, False)
    assert sorted(handed_out(farm)) == [*jobs, small]


def test_a_machine_takes_one_licence_whatever_runs_there(farm: Farm, client: TestClient) -> None:
    """CONTRACT 5.6: two named clients of one host are one machine."""
    resources.set_resource(farm, "house", 1, True)
    another(farm, "alpha", name="two")
    several(farm, "beta gamma")
    jobs = [submit(farm, command="x", resources={"house": 1}) for _ in range(6)]
    assert sorted(handed_out(farm)) == jobs[:4]
    assert {label for labels in live(farm).values() for label in labels} == {"alpha", "alpha:two"}
    assert resources.resource_details(farm, None)[-1] | {"id": 0} == {
        "id": 0,
        "name": "house",
        "total": 1,
        "inUse": 1,
        "perMachine": True,
        "builtIn": False,
        "counted": "machine",
    }
    assert waiting_for(farm, jobs[4]) == (
        "2 clients have too few CPUs free; 2 clients lack resource 'house': all 1 are in use"
    )
    resources.set_resource(farm, "house", 2, True)
    assert sorted(handed_out(farm)) == jobs


def test_built_in_licences_are_not_counted_until_somebody_does(farm: Farm, client: TestClient) -> None:
    """9.26"""
    several(farm, "beta gamma")
    wanted = {"cpus": 0, "resources": {"sidefx.license.houdini": 1, "sidefx.license.render": 1}}
    jobs = [submit(farm, command="x", **wanted) for _ in range(3)]
    assert sorted(handed_out(farm)) == jobs
    resources.set_resource(farm, "sidefx.license.houdini", 3, True)
    another(farm, "delta")
    last = submit(farm, command="x", **wanted)
    assert sorted(handed_out(farm)) == jobs
    assert waiting_for(farm, last).endswith("delta lacks resource 'sidefx.license.houdini': all 3 are in use")


def test_a_job_that_wants_what_the_farm_does_not_have_waits_and_says_so(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", resources={"pluggin": 1})
    resources.set_resource(farm, "plugin", 1, False)
    assert handed_out(farm) == {}
    assert waiting_for(farm, job) == "resource 'pluggin', which the farm does not have; did you mean 'plugin'?"
    resources.set_resource(farm, "pluggin", 1, False)
    assert handed_out(farm) == {job: ["alpha"]}


def test_paused_and_lost_runs_keep_their_resources(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """CONTRACT 5.6"""
    resources.set_resource(farm, "plugin", 2, False)
    beta = another(farm, "beta")
    on_alpha = submit(farm, command="x", host="alpha", resources={"plugin": 1})
    on_beta = submit(farm, command="x", host="beta", resources={"plugin": 1})
    third = submit(farm, command="x", host="beta", resources={"plugin": 1})
    passes(farm)
    beta.beat(beta.started(run_of(farm, on_beta)))
    commands.pause(farm, [on_beta], "later")
    beta.beat(beta.paused(run_of(farm, on_beta)))
    assert detail(farm, on_beta, "status") == "paused"
    silence(clock, beta, seconds=farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    assert third not in handed_out(farm)
    assert waiting_for(farm, third) == "resource 'plugin': 2 of 2 are in use"
    commands.cancel(farm, [on_alpha], "gone")
    upkeep.bound_waits(farm)
    silence(clock, beta, seconds=farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)
    assert third in handed_out(farm)


def test_the_work_of_a_lost_client_takes_its_licence_along(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """Nobody else may have what a lost run holds, but the next run of the same work may, or neither would ever run."""
    resources.set_resource(farm, "plugin", 1, False)
    job = submit(farm, command="x", resources={"plugin": 1})
    assert handed_out(farm) == {job: ["alpha"]}
    first = run_of(farm, job)
    beta = another(farm, "beta")
    others = [submit(farm, command="x", priority=priority, resources={"plugin": 1}) for priority in (9, 0)]
    assert handed_out(farm) == {job: ["alpha"]}
    silence(clock, beta, seconds=farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    assert handed_out(farm) == {job: ["beta"]}
    assert run_of(farm, job) != first
    end(beta, job)
    assert handed_out(farm) == {others[0]: ["beta"]}


def test_lost_work_that_nobody_can_take_over_keeps_its_licence(farm: Farm, client: TestClient, clock: SetClock) -> None:
    resources.set_resource(farm, "plugin", 1, False)
    job = submit(farm, command="x", cpus=2, resources={"plugin": 1})
    passes(farm)
    beta = another(farm, "beta", cpus=1)
    other = submit(farm, command="x", resources={"plugin": 1})
    silence(clock, beta, seconds=farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    assert handed_out(farm) == {job: ["alpha"]}
    client.beat()
    assert detail(farm, job, "status") == "running"
    assert handed_out(farm) == {job: ["alpha"]}
    end(client, job)
    assert set(handed_out(farm)) == {other}
