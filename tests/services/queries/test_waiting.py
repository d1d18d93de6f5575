"""`waitingFor` always says the true reason (CONTRACT 1.3, 10 Why; decision 9.11)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from farm_kit import Asked, SetClock, TestClient, open_farm, submit
from hypothesis import given, settings
from scheduling_kit import (
    another,
    detail,
    end,
    handed_out,
    live,
    passes,
    run_of,
    set_rules,
    several,
    silence,
    waiting_for,
)

from hqserver.services import resources
from hqserver.services.care import upkeep
from hqserver.services.clients import client_control
from hqserver.services.control import commands
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.queries import lookup


def blocker(farm: Farm, **specification: Any) -> int:
    """A job that runs."""
    job = submit(farm, command="x", **specification)
    assert job in handed_out(farm)
    return job


# What a job waits for besides clients --------------------------------------------------------------------------------


def test_a_parent_waits_for_its_children(farm: Farm, client: TestClient) -> None:
    parent, first, _ = submission.submit(
        farm,
        {"name": "p", "command": "x", "children": [{"name": "a", "command": "x"}, {"name": "b", "command": "x"}]},
    )
    assert waiting_for(farm, parent) == "2 of 2 children to end"
    passes(farm)
    end(client, first)
    assert waiting_for(farm, parent) == "1 of 2 children to end"


def test_a_held_job_waits_for_somebody(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    parent, child = submission.submit(farm, {"name": "p", "command": "x", "children": [{"name": "c", "command": "x"}]})
    commands.pause(farm, [job, parent], "later")
    assert waiting_for(farm, job) == waiting_for(farm, child) == "somebody to resume it"
    assert waiting_for(farm, parent) == "1 of 1 children to end and somebody to resume it"
    commands.resume(farm, [job], "now")
    assert waiting_for(farm, job) == "its turn"


def test_a_run_that_is_paused_waits_for_somebody(farm: Farm, client: TestClient) -> None:
    job = blocker(farm)
    client.beat(client.started(run_of(farm, job)))
    commands.pause(farm, [job], "later")
    client.beat(client.paused(run_of(farm, job)))
    assert waiting_for(farm, job) == "somebody to resume it"


@pytest.mark.parametrize("how", [commands.cancel, commands.eject])
def test_a_job_that_is_being_killed_waits_for_its_client(farm: Farm, client: TestClient, how: Any) -> None:
    """9.11"""
    job = blocker(farm)
    client.beat(client.started(run_of(farm, job)))
    how(farm, [job], "away")
    assert waiting_for(farm, job) == "ending on alpha"


def test_a_job_whose_client_is_lost_waits_for_it_or_for_another(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = blocker(farm)
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    assert waiting_for(farm, job) == "alpha to be heard again, or another client"


def test_a_job_that_runs_or_has_ended_waits_for_nothing(farm: Farm, client: TestClient) -> None:
    job = blocker(farm)
    assert waiting_for(farm, job) == ""
    end(client, job)
    assert waiting_for(farm, job) == ""


# Which clients it waits for ------------------------------------------------------------------------------------------


def test_of_a_farm_without_clients_it_waits_for_one(farm: Farm) -> None:
    assert waiting_for(farm, submit(farm, command="x")) == "no client is registered with the farm"


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("disabled", "alpha is disabled"),
        ("removed", "alpha is removed from the farm"),
        ("silent", "alpha has been silent for 31 s"),
        ("unheard", "alpha has not been heard of since the server started"),
        ("draining", "alpha takes no new work (it is draining or its disk is nearly full)"),
        ("out of hours", "alpha is available every day 03:00-04:00 only"),
        ("in use", "alpha is available after 15 minutes without user input (now unknown)"),
        ("no rule", "alpha has no availability rule that is enabled"),
        ("unconfirmed", "alpha may still run a job that was cancelled or given to another client"),
    ],
)
def test_a_client_that_takes_no_work_says_why(
    farm: Farm, client: TestClient, clock: SetClock, how: str, sentence: str
) -> None:
    """3.4, 9.10, 9.11, 9.14"""
    presence = farm.watch.get(client.id)
    assert presence is not None
    match how:
        case "disabled":
            client_control.set_disabled(farm, "alpha", True)
        case "removed":
            client_control.remove(farm, [client.id])
        case "silent":
            clock.advance(31)
        case "unheard":
            presence.heard = False
        case "draining":
            client.beat(accepting=False)
        case "out of hours":
            set_rules(client, {"start": "03:00", "end": "04:00"})
        case "in use":
            set_rules(client, {"kind": "idle", "minutes": 15})
        case "no rule":
            client_control.set_availability(farm, client.id, [])
        case "unconfirmed":
            gone = blocker(farm)
            client.beat(client.started(run_of(farm, gone)))
            commands.cancel(farm, [gone], "away")
            upkeep.bound_waits(farm)
            silence(clock, client, seconds=farm.policy.kill_timeout_seconds + 1)
            for _ in range(2):  # bounded, and then not waited for any more
                upkeep.bound_waits(farm)
    assert waiting_for(farm, submit(farm, command="x")) == sentence


def test_a_client_that_cannot_run_it_says_why(farm: Farm, client: TestClient) -> None:
    """2.4, 9.17"""
    for specification, sentence in (
        ({"cpus": 3}, "alpha has 2 CPUs, the job needs 3"),
        ({"host": "beta"}, "alpha does not meet hostname == beta"),
        ({"hostgroup": "fast,new"}, "alpha does not meet group in fast, new"),
        ({"command": {"windows": "x"}}, "alpha is linux-x86_64 and the job has a command for windows only"),
    ):
        assert waiting_for(farm, submit(farm, **{"command": "x", **specification})) == sentence


def test_what_keeps_a_client_now_is_said(farm: Farm, client: TestClient) -> None:
    resources.set_resource(farm, "plugin", 0, False)
    blocker(farm, tags=["single:1"])
    for specification, sentence in (
        ({"cpus": 2}, "2 free CPUs on alpha"),
        ({"cpus": 0}, "all CPUs of alpha"),
        ({"tags": "single"}, "alpha runs other jobs and this one shares its machine with nothing"),
        ({"tags": ["single:1"]}, "alpha runs a job with the same tag 'single:1'"),
        ({"resources": {"plugin": 1}}, "resource 'plugin', of which the farm has none"),
        ({"minHosts": 2}, "2 clients together, but only 1 can run it"),
        ({}, "its turn"),
    ):
        assert waiting_for(farm, submit(farm, command="x", **specification)) == sentence


def test_a_machine_that_shares_with_nothing_says_so(farm: Farm, client: TestClient) -> None:
    """9.16"""
    blocker(farm, tags="single")
    assert waiting_for(farm, submit(farm, command="x")) == "alpha runs a job that shares its machine with nothing"


def test_held_and_blocked_clients_are_told_apart(farm: Farm, client: TestClient) -> None:
    """3.6, 9.15"""
    beta = another(farm, "beta")
    root, *children = submission.submit(
        farm,
        {"name": "r", "children": [{"name": "c", "command": "x", "cpus": 2, "host": "alpha,beta"} for _ in range(4)]},
    )
    client_control.set_disabled(farm, "alpha", True)
    for child in children[:3]:
        assert handed_out(farm) == {child: ["beta"]}
        end(beta, child, code=1)
    assert detail(farm, root, "blockedClients") == ["beta"]
    gamma = another(farm, "gamma")
    busy = blocker(farm, host="gamma", cpus=2)
    pair = submit(farm, command="x", minHosts=2, host="alpha,gamma", priority=9)
    client_control.set_disabled(farm, "alpha", False)
    passes(farm)
    left = children[3]
    assert waiting_for(farm, left) == (
        f"alpha is held for job {pair}; beta is blocked for this job: too much of it failed there"
    )
    assert waiting_for(farm, pair) == "2 clients together, of which 1 is free"
    end(gamma, busy)
    assert pair in handed_out(farm)


def test_on_a_large_farm_the_sentence_stays_short(farm: Farm, client: TestClient) -> None:
    several(farm, " ".join(f"node{number}" for number in range(30)), cpus=2)
    assert waiting_for(farm, submit(farm, command="x", cpus=4)) == (
        "no client can run it: 31 clients have 2 CPUs, the job needs 4"
    )
    for number in range(0, 30, 2):
        client_control.set_disabled(farm, f"node{number}", True)
    submission.submit(farm, [{"name": "x", "command": "x"}] * 32)
    assert len(handed_out(farm)) == 32
    last = submit(farm, command="x")
    assert waiting_for(farm, last) == "free CPUs on one of 16 clients"


def test_many_jobs_are_asked_about_at_once_in_their_order(farm: Farm, client: TestClient) -> None:
    running = blocker(farm, cpus=2)
    plain, large = submit(farm, command="x"), submit(farm, command="x", cpus=5)
    asked = [large, running, plain, 999, large]
    found = [each["waitingFor"] for each in lookup.job_details(farm, asked, ["waitingFor"])]
    assert found[:3] == ["alpha has 2 CPUs, the job needs 5", "", "free CPUs on alpha"]


# A property ----------------------------------------------------------------------------------------------------------

wishes = st.fixed_dictionaries(
    {},
    optional={
        "cpus": st.integers(0, 4),
        "priority": st.integers(0, 2),
        "tags": st.sampled_from([["single"], ["single:1"], ["single:2"]]),
        "host": st.sampled_from(["alpha", "alpha,beta", "gamma", "zeta"]),
        "resources": st.sampled_from([{"plugin": 1}, {"plugin": 3}, {"house": 1}, {"unknown": 1}]),
        "command": st.sampled_from([{"linux": "x"}, {"windows": "y"}]),
        "minHosts": st.integers(1, 3),
        "triesLeft": st.integers(1, 3),
    },
)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(wishes, min_size=1, max_size=12), st.lists(st.integers(0, 20), max_size=12))
def test_whenever_it_is_a_jobs_turn_a_pass_gives_it_out(asked: list[dict[str, Any]], ends: list[int]) -> None:
    """10 Why: of jobs one at a time "its turn" comes true in the next pass, any other reason stays true in it; and
    after the passes it is nobody's turn."""
    folder = Path(tempfile.mkdtemp(prefix="hq-waiting-"))
    farm = open_farm(folder, SetClock(), Asked(), Policy())
    try:
        clients = {
            "alpha": another(farm, "alpha"),
            "beta": another(farm, "beta", cpus=4, platform="windows-x86_64"),
            "gamma": another(farm, "gamma", cpus=1, spare=1),
        }
        resources.set_resource(farm, "plugin", 2, False)
        resources.set_resource(farm, "house", 1, True)
        for wish in asked:
            job = submit(farm, **{"command": "x", **wish})
            its_turn = waiting_for(farm, job) == "its turn"
            assert (job in handed_out(farm)) is its_turn
        for number in ends:
            running = sorted(live(farm).items())
            if running:
                job, labels = running[number % len(running)]
                end(clients[labels[0]], job, code=number % 2)
            passes(farm)
            with farm.database.read() as connection:
                waiting = [row[0] for row in connection.execute("SELECT id FROM job WHERE status = 'runnable'")]
            assert "its turn" not in {waiting_for(farm, job) for job in waiting}
            assert "" not in {waiting_for(farm, job) for job in waiting}
    finally:
        farm.database.close()
        shutil.rmtree(folder)
