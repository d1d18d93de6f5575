"""Which client gets which job: conditions, hours, platforms, CPUs (CONTRACT 2.4, 5.3 to 5.5, 9.5, 9.8, 9.14)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, submit
from scheduling_kit import (
    another,
    condition,
    end,
    handed_out,
    live,
    passes,
    set_rules,
    several,
    silence,
    waiting_for,
)

from hqserver.domain.errors import BadParameters
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
