"""Which client gets which job: everything a specification can ask for (CONTRACT 2.4, 2.5, 3.4, 3.6, 5.3 to 5.6)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, submit
from scheduling_kit import (
    another,
    condition,
    detail,
    end,
    events,
    handed_out,
    live,
    passes,
    run_of,
    set_rules,
    several,
    silence,
    submit_all,
    waiting_for,
)

from hqserver.domain.errors import BadParameters
from hqserver.services import resources
from hqserver.services.care import upkeep
from hqserver.services.clients import client_control, groups
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.intake import submission

# Conditions (CONTRACT 2.4, 9.5, 9.8) ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"conditions": [condition("hostname", "==", "beta")]}, "beta"),
        ({"conditions": [condition("hostname", "!=", "alpha"), condition("hostname", "!=", "gamma")]}, "beta"),
        ({"conditions": [condition("hostname", "in", "zeta, beta")]}, "beta"),
        ({"conditions": [condition("hostname", "any", "zeta,beta")]}, "beta"),
        ({"conditions": [condition("hostname", "not_in", "alpha,gamma")]}, "beta"),
        ({"conditions": [condition("hostname:name", "==", "gamma:two")]}, "gamma:two"),
        ({"conditions": [condition("group", "==", "fast & new")]}, "beta"),
        ({"conditions": [condition("os", "==", "windows")]}, "gamma:two"),
        ({"conditions": [condition("platform", "==", "windows-x86_64")]}, "gamma:two"),
        ({"conditions": [condition("cpus", ">", "2")]}, "beta"),
        ({"conditions": [condition("memory", ">=", "16e6"), condition("cpus", "==", "8")]}, "beta"),
        ({"host": "BETA"}, "beta"),
        ({"host": "gamma:two, zeta"}, "gamma:two"),
        ({"hostgroup": "nobodys,fast"}, "beta"),
        ({"host": "alpha,beta", "conditions": [condition("cpus", "==", "8")]}, "beta"),
    ],
)
def test_a_job_goes_to_a_client_that_meets_all_its_conditions(
    farm: Farm, client: TestClient, given: dict[str, Any], where: str
) -> None:
    """9.5: conditions, and the shorthands that become conditions."""
    beta = another(farm, "beta", cpus=8)
    another(farm, "gamma", name="two", platform="windows-x86_64")
    for name in ("fast", "fast & new"):
        groups.add_client(farm, groups.create_group(farm, name), beta.id)
    job = submit(farm, command="x", **given)
    assert handed_out(farm) == {job: [where]}


def test_a_client_that_joins_a_group_gets_the_groups_jobs(farm: Farm, client: TestClient, asked: Asked) -> None:
    job, other = submit(farm, command="x", hostgroup="fast"), submit(farm, command="x", hostgroup="fast")
    assert handed_out(farm) == {}
    group = groups.create_group(farm, "fast")
    before = asked.passes
    groups.add_client(farm, group, client.id)
    assert asked.passes > before
    client.cpus = 1
    assert handed_out(farm) == {job: ["alpha"], other: ["alpha"]}
    groups.remove_client(farm, group, client.id)
    assert live(farm) == {job: ["alpha"], other: ["alpha"]}  # what runs goes on
    end(client, job)
    submit(farm, command="x", hostgroup="fast")
    assert handed_out(farm) == {other: ["alpha"]}


def test_conditions_come_from_the_root_where_a_job_has_none(farm: Farm, client: TestClient) -> None:
    """9.8: not from the nearest ancestor, and each job's own replace them."""
    several(farm, "beta gamma")
    ids = submission.submit(
        farm,
        {
            "name": "root",
            "host": "beta",
            "command": "r",
            "children": [
                {"name": "middle", "host": "gamma", "command": "m", "children": [{"name": "leaf", "command": "l"}]},
                {"name": "own", "conditions": [condition("hostname", "==", "alpha")], "command": "o"},
            ],
        },
    )
    later = submission.submit(farm, {"name": "later", "command": "x"}, parent_id=ids[1])[0]
    assert handed_out(farm) == {ids[2]: ["beta"], ids[3]: ["alpha"], later: ["beta"]}


@pytest.mark.parametrize(
    ("entries", "where"),
    [
        (["beta"], ["beta", "beta:two"]),
        (["beta:two"], ["beta:two"]),
        (["beta:"], ["beta"]),
        (["zeta", "beta:two"], ["beta:two"]),
    ],
)
def test_the_permitted_clients_replace_the_conditions_of_a_job_that_waits(
    farm: Farm, client: TestClient, entries: list[str], where: list[str]
) -> None:
    """CONTRACT 1.2: the three forms of an entry."""
    another(farm, "beta", cpus=1)
    another(farm, "beta", name="two", cpus=1)
    jobs = [submit(farm, command="x", host="nowhere") for _ in range(2)]
    assert handed_out(farm) == {}
    for job in jobs:
        commands.permit_clients(farm, job, entries)
        assert sorted(commands.permitted_clients(farm, job)) == where
    assert sorted(handed_out(farm).values()) == [[label] for label in where]


def test_permitted_clients_are_those_that_meet_the_conditions_and_removed_ones_are_none(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    beta = another(farm, "beta", name="two")
    anywhere, there = submit(farm, command="x"), submit(farm, command="x", host="beta")
    assert commands.permitted_clients(farm, anywhere) == ["alpha", "beta:two"]
    assert commands.permitted_clients(farm, there) == ["beta:two"]
    client_control.remove(farm, [beta.id])
    silence(clock, client, seconds=farm.policy.lost_seconds + 1)
    client_control.hide_silent(farm)
    assert commands.permitted_clients(farm, there) == []


def test_nobody_may_be_permitted_nothing(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    for entries in ([], [""], ["a b"]):
        with pytest.raises(BadParameters):
            commands.permit_clients(farm, job, entries)
    assert handed_out(farm) == {job: ["alpha"]}


# Availability (CONTRACT 5.3, 9.14) -----------------------------------------------------------------------------------

# The test's clock stands at Tuesday, 22:13:20 UTC at first.


@pytest.mark.parametrize(
    ("rule", "utc_offset", "takes"),
    [
        ({"start": "22:00", "end": "23:00"}, 0, True),
        ({"start": "23:00", "end": "22:00"}, 0, False),
        ({"start": "18:00", "end": "08:00", "days": ["Tue"]}, 0, True),
        ({"start": "18:00", "end": "08:00", "days": ["Wed"]}, 0, False),
        # Three hours east it is Wednesday, 01:13: past midnight the window is still Tuesday's.
        ({"start": "18:00", "end": "08:00", "days": ["Tue"]}, 180, True),
        ({"start": "18:00", "end": "08:00", "days": ["Wed"]}, 180, False),
        ({"days": ["Wed"]}, 180, True),
        ({"days": ["Tue"]}, 180, False),
        ({"days": ["Tue"]}, -300, True),
        ({"start": "17:00", "end": "17:30"}, -300, True),
        ({"enabled": False}, 0, False),
        ({"start": "00:00", "end": "00:00"}, 0, True),
    ],
)
def test_a_client_takes_work_in_its_hours_by_its_own_clock(
    farm: Farm, client: TestClient, rule: dict[str, Any], utc_offset: int, takes: bool
) -> None:
    """9.14"""
    client_control.set_availability(farm, client.id, [rule])
    presence = farm.watch.get(client.id)
    assert presence is not None
    presence.row.utc_offset = utc_offset
    job = submit(farm, command="x")
    assert handed_out(farm) == ({job: ["alpha"]} if takes else {})
    assert waiting_for(farm, job).startswith("" if takes else "alpha ")


def test_a_window_opens_and_closes_while_jobs_wait(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """9.14: what runs goes on."""
    client_control.set_availability(farm, client.id, [{"start": "22:30", "end": "23:00"}])
    first = submit(farm, command="x")
    assert handed_out(farm) == {}
    assert waiting_for(farm, first) == "alpha is available every day 22:30-23:00 only"
    silence(clock, client, seconds=1000)
    assert handed_out(farm) == {first: ["alpha"]}
    silence(clock, client, seconds=1800)
    submit(farm, command="x")
    assert handed_out(farm) == {first: ["alpha"]}


def test_a_workstation_takes_work_while_nobody_uses_it(farm: Farm, client: TestClient) -> None:
    """9.14, 9.24: any rule that holds is enough; an unknown idle time never is."""
    set_rules(client, {"kind": "idle", "minutes": 15}, {"start": "03:00", "end": "04:00"})
    presence = farm.watch.get(client.id)
    assert presence is not None
    job = submit(farm, command="x")
    for idle in (-1, 0, 14):
        presence.row.idle_minutes = idle
        assert handed_out(farm) == {}
    presence.row.idle_minutes = 15
    assert handed_out(farm) == {job: ["alpha"]}


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


# Platforms, CPUs, clients that take nothing --------------------------------------------------------------------------


def test_a_command_for_some_platforms_goes_to_those(farm: Farm, client: TestClient) -> None:
    """9.17"""
    mac = another(farm, "mac", platform="macos-arm64", cpus=1)
    job = submit(farm, command={"macosx": "open", "windows": "dir"})
    assert handed_out(farm) == {job: ["mac"]}
    assert [order["command"] for order in mac.fetch()] == ["open"]
    nowhere = submit(farm, command={"windows": "dir"})
    passes(farm)
    assert waiting_for(farm, nowhere) == (
        "no client can run it: alpha is linux-x86_64 and the job has a command for windows only; "
        "mac is macos-arm64 and the job has a command for windows only"
    )


def test_cpus_nought_is_a_whole_machine_and_others_wait_meanwhile(farm: Farm, client: TestClient) -> None:
    """9.5"""
    small = submit(farm, command="x")
    passes(farm)
    whole = submit(farm, command="x", cpus=0)
    assert set(handed_out(farm)) == {small}
    assert waiting_for(farm, whole) == "all CPUs of alpha"
    end(client, small)
    submit(farm, command="x")
    assert set(handed_out(farm)) == {whole}


@pytest.mark.parametrize("how", ["disabled", "suspect", "draining", "removed"])
def test_a_client_that_takes_no_work_gets_none_until_it_does(
    farm: Farm, client: TestClient, clock: SetClock, how: str
) -> None:
    """3.4, 9.10"""
    match how:
        case "disabled":
            client_control.set_disabled(farm, "alpha", True)
        case "suspect":
            clock.advance(farm.policy.suspect_seconds + 1)
        case "draining":
            client.beat(accepting=False)
        case "removed":
            client_control.remove(farm, [client.id])
    job = submit(farm, command="x")
    assert handed_out(farm) == {}
    assert waiting_for(farm, job).startswith("alpha ")
    if how == "disabled":
        client_control.set_disabled(farm, "alpha", False)
    if how == "removed":
        client.register()
    client.beat()
    assert handed_out(farm) == {job: ["alpha"]}


# Blocked clients, and the client to avoid (CONTRACT 3.6, 9.12, 10 Trouble) -------------------------------------------


def test_after_a_failure_another_client_comes_first(farm: Farm, client: TestClient, asked: Asked) -> None:
    job = submit(farm, command="x", triesLeft=3)
    assert handed_out(farm) == {job: ["alpha"]}
    beta = another(farm, "beta")
    before = asked.passes
    end(client, job, code=1)
    assert live(farm) == {}  # the beat of the client that failed it leaves it to the pass over all
    assert asked.passes > before
    assert handed_out(farm) == {job: ["beta"]}
    end(beta, job, code=1)
    assert handed_out(farm) == {job: ["alpha"]}


def test_where_nobody_else_is_free_the_same_client_gets_it_again(farm: Farm, client: TestClient, asked: Asked) -> None:
    beta = another(farm, "beta", cpus=1)
    other = submit(farm, command="x", host="beta")
    job = submit(farm, command="x", host="alpha,beta", triesLeft=1)
    assert handed_out(farm) == {other: ["beta"], job: ["alpha"]}
    before = asked.passes
    end(client, job, code=1)
    assert (job in live(farm), asked.passes > before) == (False, True)
    assert handed_out(farm) == {other: ["beta"], job: ["alpha"]}
    beta.beat()


def test_an_ejected_job_goes_elsewhere_first_and_others_take_its_place(
    farm: Farm, client: TestClient, asked: Asked
) -> None:
    """9.12: back to the queue, no try burnt, the same client last in line."""
    job = submit(farm, command="x", cpus=2, host="alpha,beta")
    behind = submit(farm, command="x", cpus=2, host="alpha")
    assert handed_out(farm) == {job: ["alpha"]}
    client.beat(client.started(run_of(farm, job)))
    another(farm, "beta")
    commands.eject(farm, [job], "please")
    before = asked.passes
    client.beat(client.ended(run_of(farm, job), 143, killed=True))
    assert live(farm) == {behind: ["alpha"]}
    assert asked.passes > before
    assert handed_out(farm) == {behind: ["alpha"], job: ["beta"]}
    assert detail(farm, job, "triesLeft") == 0


def test_the_third_failure_blocks_a_client_for_the_root_and_for_no_other(farm: Farm, client: TestClient) -> None:
    """3.6"""
    root, *children = submission.submit(
        farm, {"name": "root", "children": [{"name": f"c{number}", "command": "x", "cpus": 2} for number in range(4)]}
    )
    other = submit(farm, command="x")
    for number, child in enumerate(children[:3], start=1):
        passes(farm)
        end(client, child, code=1)
        assert detail(farm, root, "blockedClients") == (["alpha"] if number == 3 else [])
    assert handed_out(farm) == {other: ["alpha"]}
    text = "alpha is blocked: it failed 3 times"
    assert ("blocked client", text) in events(farm, root)
    assert detail(farm, root, "latestNote") == text
    assert waiting_for(farm, children[3]) == "alpha is blocked for this job: too much of it failed there"
    another(farm, "beta")
    assert handed_out(farm) == {other: ["alpha"], children[3]: ["beta"]}


def test_where_all_are_blocked_a_reschedule_lets_them_try_again(farm: Farm, client: TestClient) -> None:
    """3.6"""
    by_label = {"alpha": client} | {each.hostname: each for each in several(farm, "beta gamma delta epsilon")}
    root, *children = submission.submit(
        farm, {"name": "root", "children": [{"name": f"c{number}", "command": "x", "cpus": 2} for number in range(16)]}
    )
    while found := handed_out(farm):
        for job, (label,) in found.items():
            end(by_label[label], job, code=1)
    assert len(detail(farm, root, "blockedClients")) == 5
    left = [child for child in children if detail(farm, child, "status") == "runnable"]
    assert [waiting_for(farm, child) for child in left] == [
        "5 clients are blocked for this job: too much of it failed there"
    ] * len(left)
    assert len(left) == 1
    commands.reschedule(farm, [children[0]], "again")
    assert detail(farm, root, "blockedClients") == []
    assert set(handed_out(farm)) == {children[0], left[0]}


# The order of the queue ----------------------------------------------------------------------------------------------


def test_priority_and_then_age_decide_whatever_the_jobs_require(farm: Farm, client: TestClient) -> None:
    client.cpus = 1
    client.register()
    requirements: list[dict[str, Any]] = [
        {},
        {"host": "alpha"},
        {"tags": ["single"]},
        {"command": {"linux": "y"}},
        {"resources": {"sidefx.license.render": 1}},
        {"cpus": 0},
    ]
    jobs = submit_all(farm, ({"command": "x", "priority": 5} | each for each in requirements))
    high = submit_all(farm, ({"command": "x", "priority": 6} | each for each in requirements))
    order = []
    for _ in range(12):
        (job,) = handed_out(farm)
        order.append(job)
        commands.cancel(farm, [job], "next")
        client.beat(client.refused(run_of(farm, job)), accepting=False)
        client.beat()
    assert order == [*high, *jobs]


def test_a_thousand_jobs_of_a_barren_root_hide_nobody(farm: Farm, client: TestClient) -> None:
    """3.6: its clients are blocked, those of others are not."""
    _, *children = submission.submit(
        farm,
        {"name": "root", "priority": 9, "children": [{"name": "c", "command": "x"} for _ in range(1000)]},
    )
    for child in children[:3]:
        passes(farm)
        end(client, child, code=1)
    for job in live(farm):
        commands.cancel(farm, [job], "gone")
        client.beat(client.refused(run_of(farm, job)))
    other = submit(farm, command="x")
    assert other in handed_out(farm)


def test_a_thousand_roots_without_a_client_hide_nobody(farm: Farm, client: TestClient) -> None:
    submission.submit(farm, [{"name": "x", "command": "x", "priority": 9, "host": "nowhere"} for _ in range(1000)])
    job = submit(farm, command="x")
    assert handed_out(farm) == {job: ["alpha"]}


def test_a_pass_that_can_hand_out_nothing_writes_nothing(
    farm: Farm, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever waits: nobody who writes is kept waiting by it."""
    resources.set_resource(farm, "plugin", 0, False)
    submit(farm, command="x", host="nowhere")
    submit(farm, command="x", resources={"plugin": 1})
    submit(farm, command="x", minHosts=2)
    monkeypatch.setattr(farm.database, "write", None)
    assert passes(farm) == 1
