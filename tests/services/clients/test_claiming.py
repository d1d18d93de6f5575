"""Which work a runner from outside gets when it asks (CONTRACT 10, Locks and outside runners)."""

from __future__ import annotations

from typing import Any

import pytest
from claims_kit import claim, client_of, finish, nothing
from farm_kit import SetClock, TestClient, submit
from job_kit import status
from scheduling_kit import condition, detail
from scheduling_kit import events as history

from hqserver.domain.errors import Conflict
from hqserver.services import resources
from hqserver.services.clients import claims, client_control, groups
from hqserver.services.control import commands
from hqserver.services.control.changing import change_jobs
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.queries import run_records
from hqserver.services.work import blocked_work


def test_a_claim_tells_all_that_is_needed_to_do_the_work(farm: Farm) -> None:
    (root, child) = submission.submit(
        farm,
        {
            "name": "film",
            "children": [
                {
                    "name": "f",
                    "command": "render",
                    "environment": {"A": "1"},
                    "maxTime": 90,
                    "cpus": 4,
                    "failurePatterns": {"out of memory": "fatal"},
                }
            ],
        },
    )
    found = claim(farm)
    environment = found.pop("environment")
    assert environment["HQ_RUN_TOKEN"] == found["run"]
    assert len(found.pop("run")) == 32
    assert found == {
        "job": child,
        "root": root,
        "work": "",
        "name": "f",
        "command": "render",
        "shell": "",
        "cpus": 4,
        "maxTime": 90.0,
        "minTime": 0.0,
        "maxSilence": 0.0,
        "maxMemory": 0.0,
        "failurePatterns": [{"pattern": "out of memory", "action": "fatal"}],
        "seconds": 60,
    }
    assert environment["A"] == "1"
    assert (environment["JOBID"], environment["ROOTJOBID"]) == (str(child), str(root))
    assert environment["HQHOSTS"] == "laptop"
    assert status(farm, child) == "running"
    assert detail(farm, child, "commandStartTime") is not None


def test_the_first_of_the_queue_by_priority_and_place_comes_first(farm: Farm) -> None:
    low = submit(farm, command="x")
    high = submit(farm, command="x", priority=5)
    second = submit(farm, command="x")
    change_jobs(farm, [second], "top", {}, "ana")
    assert [claim(farm)["job"] for _ in range(3)] == [high, second, low]
    assert nothing(farm)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({"name": "b*"}, 1),
        ({"text": "SECOND"}, 1),
        ({"tags": ["wip"]}, 1),
        ({"priority": 3}, 1),
        ({"submittedBy": ["ben"]}, 1),
        ({"properties": {"film": "Ape"}}, 1),
        ({"group": "night"}, 2),
        ({"status": ["runnable"], "maxId": 1}, 0),
    ],
    ids=str,
)
def test_only_what_matches_the_filter_is_claimed(farm: Farm, wanted: dict[str, Any], index: int) -> None:
    jobs = [
        submit(farm, name="a", command="x"),
        submit(
            farm,
            name="b1",
            command="x",
            description="the second",
            tags=["wip"],
            priority=3,
            submittedBy="ben",
            properties={"film": "Ape"},
        ),
        submit(farm, name="c", command="x", hostgroup="night"),
    ]
    group = groups.create_group(farm, "night")
    claim(farm, ids=[submit(farm, command="x")])
    groups.add_client(farm, group, client_of(farm)["id"])
    assert claim(farm, **wanted)["job"] == jobs[index]
    assert nothing(farm, ids=[])
    assert nothing(farm, client=["nobody"])


def test_conditions_hold_for_runners(farm: Farm) -> None:
    by_name = submit(farm, command="x", conditions=[condition("hostname", "==", "laptop")])
    by_memory = submit(farm, command="x", conditions=[condition("memory", ">=", "8000")])
    by_cpus = submit(farm, command="x", cpus=16)
    by_platform = submit(farm, command={"windows": "dir"})
    big = {"name": "big", "platform": "windows-x86_64", "cpus": 16, "memory": 9000}
    assert nothing(farm, {"name": "small", "cpus": 8, "platform": "linux-x86_64", "memory": 10})
    assert claim(farm, "laptop", ids=[by_name])["job"] == by_name
    assert nothing(farm, "laptop", ids=[by_memory, by_platform])
    found = claim(farm, big, ids=[by_memory])
    assert nothing(farm, big, ids=[by_cpus]), "one of its CPUs is in use"
    finish(farm, found)
    assert claim(farm, big, ids=[by_platform])["command"] == "dir"
    assert claim(farm, {"name": "big", "cpus": 32}, ids=[by_cpus])["job"] == by_cpus
    assert client_of(farm, "big")["cpus"] == 32, "what it says last is taken over"


def test_resources_tags_rates_and_the_cap_of_a_job_are_respected(farm: Farm, clock: SetClock) -> None:
    resources.set_resource(farm, "licence", 1, False)
    resources.set_resource(farm, "start", 1, False, "rate")
    licensed = [submit(farm, command="x", resources={"licence": 1}) for _ in range(2)]
    rated = [submit(farm, command="x", resources={"start": 1}) for _ in range(2)]
    capped = submit(farm, command="x", agenda="1-3", maxConcurrent=1)
    alone = submit(farm, command="x", tags=["single"])
    first = claim(farm, "a", ids=licensed)
    assert nothing(farm, "b", ids=licensed)
    finish(farm, first)
    assert claim(farm, "b", ids=licensed)["job"] == licensed[1]
    claim(farm, "a", ids=rated)
    assert nothing(farm, "a", ids=rated)
    clock.advance(61)
    claim(farm, "a", ids=rated)
    piece = claim(farm, "a", ids=[capped])
    assert nothing(farm, "b", ids=[capped])
    finish(farm, piece)
    assert claim(farm, "b", ids=[capped])["work"] == "2"
    assert nothing(farm, "a", ids=[alone]), "it has other work"
    assert claim(farm, "c", ids=[alone])["job"] == alone
    assert nothing(farm, "c")


def test_jobs_with_hooks_and_those_for_several_clients_are_left_to_daemons(farm: Farm, client: TestClient) -> None:
    hooked = submit(farm, command="x", onSuccess="rejoice")
    several = submit(farm, command="x", minHosts=1, maxHosts=2)
    assert nothing(farm)
    assert sorted(order["job"] for order in client.fetch()) == [hooked, several]


def test_a_hook_that_a_claimed_job_gets_later_is_skipped_and_told(farm: Farm) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    (changed,) = change_jobs(farm, [job], "modify", {"changes": {"onSuccess": "rejoice"}}, "ana")
    assert changed["changed"], changed
    assert finish(farm, found) == "succeeded"
    assert status(farm, job) == "succeeded"
    assert "a runner that has claimed the command runs no hooks" in dict(history(farm, job))["hooks skipped"]


def test_what_is_held_back_waits_for_children_or_has_ended_is_not_given(farm: Farm) -> None:
    parent, child = submission.submit(farm, {"name": "p", "command": "x", "children": [{"name": "c", "command": "x"}]})
    held = submit(farm, command="x")
    commands.pause(farm, [held], "not now")
    done = submit(farm, command="x")
    commands.cancel(farm, [done], "")
    found = claim(farm)
    assert found["job"] == child
    assert nothing(farm)
    finish(farm, found)
    assert claim(farm)["job"] == parent


def test_pieces_of_an_agenda_are_claimed_one_by_one_in_their_order(farm: Farm) -> None:
    job = submit(farm, command="render {frame} $HQFRAME", agenda="1-20", order="binary")
    found = [claim(farm) for _ in range(5)]
    assert [each["work"] for each in found] == ["1", "20", "11", "6", "16"]
    assert found[1]["command"] == "render 20 $HQFRAME"
    assert found[1]["environment"]["HQFRAME"] == "20"
    for each in found:
        assert finish(farm, each) == "succeeded"
    assert detail(farm, job, "workCounts")["succeeded"] == 5
    assert claim(farm)["work"] == "4"


@pytest.mark.parametrize(
    ("how", "names", "told"),
    [
        ({"chunk": 4}, ["1-4", "5-8", "9-10"], ("render 9 9 10 9-10 $HQFRAMES", "9", "10", "9-10")),
        ({"partitions": 2}, ["1-5", "6-10"], ("render 6 6 10 6-10 $HQFRAMES", "6", "10", "6-10")),
        ({"chunk": 100}, ["1-10"], ("render 1 1 10 1-10 $HQFRAMES", "1", "10", "1-10")),
        ({"partitions": 3, "agenda": "1-9x2"}, ["1", "3,5", "7,9"], ("render 7 7 9 7,9 $HQFRAMES", "7", "9", "7,9")),
    ],
)
def test_pieces_of_several_frames_are_claimed_with_their_numbers(
    farm: Farm, how: dict[str, Any], names: list[str], told: tuple[str, ...]
) -> None:
    job = submit(farm, **{"command": "render {frame} {first} {last} {frames} $HQFRAMES", "agenda": "1-10", **how})
    found = [claim(farm) for _ in names]
    assert nothing(farm)
    assert [each["work"] for each in found] == names
    last = found[-1]
    environment = last["environment"]
    assert (last["command"], *(environment[key] for key in ("HQFRAME", "HQFRAME_END", "HQFRAMES"))) == told
    assert (environment["HQWORK"], environment["HQ_RUN_TOKEN"]) == (names[-1], last["run"])
    for each in found:
        assert finish(farm, each, output=f"{each['work']}\n") == "succeeded"
    assert (status(farm, job), detail(farm, job, "progress")) == ("succeeded", 1.0)
    assert [run["work"] for run in run_records.list_runs(farm, job)] == names


def test_packages_of_a_claimed_piece_are_in_its_environment(farm: Farm) -> None:
    submit(farm, command="do {frame}", agenda=[{"name": "left", "package": {"eye": "l"}}])
    found = claim(farm)
    assert (found["work"], found["command"]) == ("left", "do {frame}"), "there is no frame to fill in"
    assert found["environment"]["HQPACKAGE"] == '{"eye": "l"}'


def test_a_runner_that_failed_too_often_gets_no_more_of_that_root(farm: Farm) -> None:
    root, *_ = submission.submit(farm, {"name": "root", "children": [{"name": "c", "command": "x"}] * 5})
    other = submit(farm, command="x")
    for _ in range(3):
        finish(farm, claim(farm, root=[root]), "failed")
    assert nothing(farm, root=[root])
    assert claim(farm)["job"] == other
    assert claim(farm, "desk", root=[root])["root"] == root
    assert detail(farm, root, "blockedClients") == ["laptop"]


def test_work_for_runners_alone_fails_once_each_of_them_is_blocked(farm: Farm) -> None:
    """PROMISES P7: it would wait until a person looks."""
    for_two = [condition("hostname", "in", "laptop,desk")]
    job = submit(farm, command="x", triesLeft=9, conditions=for_two)
    claim(farm, "desk", ids=[submit(farm, command="x")])
    for _ in range(3):
        finish(farm, claim(farm, "laptop", ids=[job]), "failed")
    blocked_work.fail_stranded(farm)
    assert status(farm, job) == "runnable", "desk may ask for it"
    for _ in range(3):
        finish(farm, claim(farm, "desk", ids=[job]), "failed")
    blocked_work.fail_stranded(farm)
    assert status(farm, job) == "failed"


def test_no_runner_keeps_work_waiting_that_every_daemon_is_blocked_for(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", triesLeft=9)
    assert client.run_all(code=1) == 3
    claim(farm, ids=[submit(farm, command="x")])
    blocked_work.fail_stranded(farm)
    assert status(farm, job) == "failed"


def test_a_disabled_runner_is_told_so_and_one_that_is_set_aside_gets_nothing(farm: Farm, clock: SetClock) -> None:
    submit(farm, command="x")
    finish(farm, claim(farm))
    job = submit(farm, command="x")
    client_control.set_disabled(farm, "laptop", True)
    with pytest.raises(Conflict, match="laptop is disabled"):
        claims.claim_job(farm, {}, "laptop", 60)
    client_control.set_disabled(farm, "laptop", False)
    for number in range(5):
        finish(farm, claim(farm, ids=[submit(farm, command="x", submittedBy=f"user{number % 2}")]), "failed")
    assert client_of(farm)["unavailableBecause"]
    assert nothing(farm, ids=[job])
    clock.advance(farm.policy.sick_seconds + 1)
    finish(farm, claim(farm, ids=[job]))
    submit(farm, command="x")
    claim(farm)
