"""Runners from outside claim work, renew their claims and say how they ended (CONTRACT 10)."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm, restarted, submit
from live_farm import wait_until
from scheduling_kit import another, condition, detail, live, passes, waiting_for
from scheduling_kit import events as history

from hqserver.domain.errors import BadParameters, BadSpecification, Busy, Conflict, DiskFull, NotFound, TooLarge
from hqserver.services import resources, results
from hqserver.services.care import upkeep
from hqserver.services.clients import claims, client_control, groups, runners
from hqserver.services.control import commands
from hqserver.services.control.changing import change_jobs
from hqserver.services.events import events
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.queries import explaining, lookup, output, run_records
from hqserver.services.work import blocked_work, leases


def claim(farm: Farm, runner: Any = "laptop", seconds: int = 60, **wanted: Any) -> dict[str, Any]:
    """Claim work that is there."""
    found = claims.claim_job(farm, wanted, runner, seconds)
    assert found is not None
    return found


def nothing(farm: Farm, runner: Any = "laptop", **wanted: Any) -> bool:
    """Whether there is no work for the runner."""
    return claims.claim_job(farm, wanted, runner, 60) is None


def finish(farm: Farm, claimed: dict[str, Any], status: str = "succeeded", **more: Any) -> str:
    return claims.finish_job(farm, claimed["job"], {"status": status, "run": claimed["run"], **more})["status"]


def renew(farm: Farm, claimed: dict[str, Any], seconds: int | None = None, progress: float | None = None) -> Any:
    return claims.renew_claim(farm, claimed["run"], seconds, progress)


def status(farm: Farm, job_id: int) -> str:
    return str(detail(farm, job_id, "status"))


def client_of(farm: Farm, label: str = "laptop") -> dict[str, Any]:
    return lookup.client_detail_by_name(farm, label, None)


def pass_by(farm: Farm, clock: SetClock, seconds: float) -> None:
    """Time goes by, and the ticks that look at claims happen before and after it."""
    leases.end_leases(farm)
    upkeep.bound_waits(farm)
    clock.advance(seconds)
    upkeep.notice_silence(farm)
    upkeep.bound_waits(farm)
    leases.end_leases(farm)


# Which work a runner gets ---------------------------------------------------------------------------------------------


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


# What dispatch does about runners -------------------------------------------------------------------------------------


def test_dispatch_gives_a_runner_nothing_unasked_and_says_so(farm: Farm, asked: Asked) -> None:
    finish(farm, claim(farm, ids=[submit(farm, command="x")]))
    job = submit(farm, command="x", conditions=[condition("hostname", "==", "laptop")])
    passes(farm)
    assert live(farm) == {}
    assert explaining.client_order(farm, job) == []
    assert "laptop is a runner that asks for its work itself" in waiting_for(farm, job)
    (found,) = explaining.explain_job(farm, job)["clients"]
    unmet = [reason for reason in found["reasons"] if not reason["holds"]]
    assert [reason["requirement"] for reason in unmet] == ["dispatch"]
    assert unmet[0]["remedy"] == "laptop takes the job when it next asks for such work (claimJob)"
    assert explaining.job_order(farm, client_of(farm)["id"], 100, 0) == [job]
    submit(farm, command="x", conditions=[condition("hostname", "==", "laptop")], onSuccess="y")
    assert explaining.job_order(farm, client_of(farm)["id"], 100, 0) == [job]
    assert client_of(farm)["outside"] is True


def test_a_runner_is_as_good_as_new_however_long_it_said_nothing(farm: Farm, clock: SetClock) -> None:
    finish(farm, claim(farm, ids=[submit(farm, command="x")]))
    clock.advance(farm.policy.lost_seconds * 3)
    upkeep.notice_silence(farm)
    job = submit(farm, command="x")
    (found,) = explaining.explain_job(farm, job)["clients"]
    assert [reason["requirement"] for reason in found["reasons"] if not reason["holds"]] == ["dispatch"]
    assert claim(farm)["job"] == job


def test_a_daemon_and_a_runner_share_a_queue(farm: Farm, client: TestClient) -> None:
    jobs = [submit(farm, command="x") for _ in range(4)]
    orders = client.fetch()
    found = [claim(farm), claim(farm)]
    assert sorted([order["job"] for order in orders] + [each["job"] for each in found]) == jobs
    client.beat(*(client.ended(order["run"]) for order in orders))
    for each in found:
        finish(farm, each)
    assert {status(farm, job) for job in jobs} == {"succeeded"}


# Renewing -------------------------------------------------------------------------------------------------------------


def test_a_claim_lasts_as_long_as_it_is_renewed(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    for _ in range(5):
        pass_by(farm, clock, 59)
        assert renew(farm, found) == {"run": found["run"], "job": job, "wanted": True, "why": "", "seconds": 60}
    assert renew(farm, found, 600)["seconds"] == 600
    pass_by(farm, clock, 599)
    assert status(farm, job) == "running"
    assert renew(farm, found, progress=0.25)["wanted"]
    upkeep.flush(farm)
    assert detail(farm, job, "progress") == 0.25
    assert finish(farm, found) == "succeeded"
    answer = renew(farm, found, 60)
    assert (answer["wanted"], answer["why"]) == (False, "it is succeeded")


def test_a_claim_that_is_not_renewed_goes_back_to_the_queue(farm: Farm, clock: SetClock, asked: Asked) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    before = asked.passes
    pass_by(farm, clock, 61)
    assert (status(farm, job), asked.passes > before) == ("runnable", True)
    assert any("laptop did not renew its claim within 60 s" in message for _, message in history(farm, job))
    answer = renew(farm, found)
    assert (answer["wanted"], answer["why"]) == (False, "laptop did not renew its claim within 60 s")
    with pytest.raises(Conflict, match=f"the claim of laptop on job {job} is over: laptop did not renew its claim"):
        finish(farm, found, output="late", result=1)
    assert (status(farm, job), output.job_output_text(farm, job), results.get(farm, job)) == ("runnable", "", None)
    again = claim(farm, "desk")
    with pytest.raises(Conflict):
        finish(farm, found)
    assert finish(farm, again) == "succeeded"


def test_work_that_lost_too_many_runners_is_abandoned(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x")
    for number in range(farm.policy.max_client_losses):
        claim(farm, f"laptop{number}")
        pass_by(farm, clock, 61)
    assert status(farm, job) == "abandoned"
    assert "laptop0, laptop1, laptop2" in detail(farm, job, "latestNote") or any(
        "laptop0, laptop1, laptop2" in message for _, message in history(farm, job)
    )


def test_claims_of_a_farm_that_reschedules_nothing_end_abandoned(farm: Farm, clock: SetClock) -> None:
    strict = replace(farm, policy=replace(farm.policy, reschedule_abandoned=False))
    job = submit(farm, command="x")
    found = claim(farm)
    pass_by(strict, clock, 61)
    assert status(farm, job) == "abandoned"
    with pytest.raises(Conflict):
        finish(farm, found)


def test_a_late_renewal_is_not_told_that_work_is_wanted_which_went_back_meanwhile(
    farm: Farm, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    leases.end_leases(farm)
    clock.advance(61)
    hear = claims.hear

    def meanwhile(farm: Farm, client_id: int) -> None:
        leases.end_leases(farm)
        hear(farm, client_id)

    monkeypatch.setattr(claims, "hear", meanwhile)
    answer = renew(farm, found)
    assert (answer["wanted"], answer["why"]) == (False, "laptop did not renew its claim within 60 s")
    assert status(farm, job) == "runnable"


def test_a_claim_that_is_made_shorter_in_time_does_not_end_by_that(
    farm: Farm, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(farm, command="x")
    found = claim(farm, seconds=3600)
    leases.end_leases(farm)
    clock.advance(1800)
    write = farm.database.write

    def meanwhile(*words: Any, **more: Any) -> Any:
        answer = write(*words, **more)
        monkeypatch.setattr(farm.database, "write", write)
        leases.end_leases(farm)
        return answer

    monkeypatch.setattr(farm.database, "write", meanwhile)
    assert renew(farm, found, 60)["wanted"]
    assert status(farm, job) == "running"
    assert renew(farm, found)["wanted"]


def test_after_a_restart_of_the_server_claims_count_anew_and_then_end(
    farm: Farm, clock: SetClock, asked: Asked
) -> None:
    kept, lost = submit(farm, command="x"), submit(farm, command="x")
    first, second = claim(farm), claim(farm)
    leases.end_leases(farm)
    clock.advance(59)
    with restarted(farm, clock, asked) as found:
        leases.end_leases(found)
        pass_by(found, clock, 59)
        assert status(found, lost) == "running"
        assert renew(found, first)["wanted"]
        pass_by(found, clock, 2)
        assert (status(found, kept), status(found, lost)) == ("running", "runnable")
        assert finish(found, first) == "succeeded"
        assert nothing(found, ids=[kept])
        assert claim(found)["job"] == lost
        with pytest.raises(Conflict):
            finish(found, second)


# The end --------------------------------------------------------------------------------------------------------------


def test_what_the_runner_says_at_the_end_is_kept(farm: Farm) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    assert finish(farm, found, output=b"hello\n\xff", result={"frames": 3}, reason="quick") == "succeeded"
    assert (status(farm, job), detail(farm, job, "progress")) == ("succeeded", 1.0)
    assert output.job_output(farm, job) == b"hello\n\xff"
    assert results.get(farm, job) == {"frames": 3}
    (run,) = run_records.list_runs(farm, job)
    assert (run["client"], run["status"], run["exitCode"]) == ("laptop", "succeeded", 0)
    assert run["reason"] == "quick"


def test_a_failure_counts_as_one_try_and_runs_again_where_tries_are_left(farm: Farm) -> None:
    job = submit(farm, command="x", triesLeft=1)
    assert finish(farm, claim(farm), "failed", exitCode=7, reason="no licence") == "failed"
    assert (status(farm, job), detail(farm, job, "triesLeft")) == ("runnable", 0)
    assert finish(farm, claim(farm, "desk"), "failed") == "failed"
    assert status(farm, job) == "failed"
    assert [(run["client"], run["exitCode"]) for run in run_records.list_runs(farm, job)] == [
        ("laptop", 7),
        ("desk", 1),
    ]


@pytest.mark.parametrize("how", ["returned", "failed", "ejected", "late"])
def test_a_runner_gets_other_work_before_what_it_could_not_do(farm: Farm, clock: SetClock, how: str) -> None:
    """9.12: the same client is last in line. A runner that gives back what it cannot do would get nothing else."""
    first = submit(farm, command="x", triesLeft=1, agenda="1-2", priority=5)
    other = submit(farm, command="x")
    found = claim(farm)
    if how == "late":
        pass_by(farm, clock, 61)
    elif how == "ejected":
        commands.eject(farm, [first], "")
        finish(farm, found, "returned")
    else:
        finish(farm, found, how)
    taken = [(each["job"], each["work"]) for each in (claim(farm), claim(farm), claim(farm))]
    assert taken == [(first, "2"), (other, ""), (first, "1")]


def test_another_runner_gets_what_one_gave_back_in_its_order(farm: Farm) -> None:
    first, other = submit(farm, command="x"), submit(farm, command="x")
    finish(farm, claim(farm), "returned")
    assert [claim(farm, "desk")["job"], claim(farm, "desk")["job"]] == [first, other]


def test_what_is_returned_goes_back_and_burns_no_try(farm: Farm) -> None:
    job = submit(farm, command="x", triesLeft=1)
    assert finish(farm, claim(farm), "returned", reason="the laptop closes", exitCode=143, output="half") == "ejected"
    assert (status(farm, job), detail(farm, job, "triesLeft")) == ("runnable", 1)
    (run,) = run_records.list_runs(farm, job)
    assert (run["status"], run["exitCode"]) == ("ejected", 143)
    assert run["reason"] == "laptop gave it back: the laptop closes"
    assert "half" in output.job_output_text(farm, job)
    assert finish(farm, claim(farm)) == "succeeded"


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "returned"])
def test_told_twice_it_changes_nothing(farm: Farm, outcome: str) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    first = finish(farm, found, outcome, output="once\n", result=1)
    was = detail(farm, job, "logs"), run_records.list_runs(farm, job)
    assert finish(farm, found, outcome, output="once\n", result=2) == first
    assert (detail(farm, job, "logs"), run_records.list_runs(farm, job)) == was
    assert output.job_output_text(farm, job).count("once") == 1
    assert results.get(farm, job) == 1
    for other in {"succeeded", "failed", "returned"} - {outcome}:
        with pytest.raises(Conflict, match=f"the claim of laptop on job {job} is over"):
            finish(farm, found, other)


def test_without_a_run_the_only_claim_is_meant(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", agenda="1-3")
    with pytest.raises(NotFound, match="there is no job 99"):
        claims.finish_job(farm, 99, "succeeded")
    with pytest.raises(Conflict, match=f"nobody has claimed work of job {job}"):
        claims.finish_job(farm, job, "succeeded")
    first, second = claim(farm), claim(farm, "desk")
    with pytest.raises(Conflict, match=rf"job {job} has 2 claims: say which one with outcome\.run"):
        claims.finish_job(farm, job, "succeeded")
    assert finish(farm, second) == "succeeded"
    assert claims.finish_job(farm, job, "failed") == {"run": first["run"], "status": "failed"}
    assert claims.finish_job(farm, job, "succeeded") == {"run": second["run"], "status": "succeeded"}, "the last"
    other = submit(farm, command="x")
    with pytest.raises(NotFound, match=rf"is of job {job}, not of job {other}"):
        claims.finish_job(farm, other, {"status": "failed", "run": first["run"]})
    (order, *_) = client.fetch()
    for run in (order["run"], "f" * 32, "../x"):
        with pytest.raises(NotFound, match="there is no claim"):
            claims.finish_job(farm, order["job"], {"status": "failed", "run": run})
        with pytest.raises(NotFound, match="there is no claim"):
            claims.renew_claim(farm, run, None, None)


def test_too_much_output_or_a_wrong_result_leaves_the_claim_as_it_is(farm: Farm) -> None:
    small = replace(farm, policy=replace(farm.policy, log_limit_bytes=10))
    job = submit(farm, command="x")
    found = claim(small)
    with pytest.raises(TooLarge, match=r"outcome\.output has 11 bytes, more than 10"):
        finish(small, found, output="x" * 11)
    with pytest.raises(BadSpecification, match=r"outcome\.result\[0\] is base64"):
        finish(small, found, output="x", result=[b"x"])
    assert (status(farm, job), output.job_output(farm, job)) == ("running", b"")
    assert finish(small, found, output="x" * 10) == "succeeded"


@pytest.mark.parametrize("then", ["hello\n", "hullo\n", "h"])
def test_output_that_was_cut_short_is_replaced_by_what_is_said_at_the_end(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    whole = farm.output.append

    def short(job_id: int, run_id: str, offset: int, data: bytes) -> int:
        return whole(job_id, run_id, offset, data[:3])

    with monkeypatch.context() as patch:
        patch.setattr(farm.output, "append", short)
        with pytest.raises(DiskFull, match=r"no room for outcome\.output"):
            finish(farm, found, output="hello\n")
    assert status(farm, job) == "running"
    assert finish(farm, found, output=then) == "succeeded"
    assert output.job_output_text(farm, job) == then


def test_of_two_different_ends_at_the_same_time_one_counts_with_its_output(farm: Farm) -> None:
    """A writer that waits lets both go as far as they get before either is decided."""
    job = submit(farm, command="x")
    found = claim(farm)
    first, second = "first\n", "a text that is longer than the other one\n"
    begun, free = threading.Event(), threading.Event()
    said: list[str] = []

    def hold_up(_: Any) -> None:
        begun.set()
        free.wait(30)

    def end(outcome: str, text: str) -> None:
        try:
            said.append(finish(farm, found, outcome, output=text))
        except Conflict:
            said.append("refused")

    def stored() -> int:
        return farm.output.size(job, found["run"])

    threads = [
        threading.Thread(target=farm.database.write, args=[hold_up]),
        threading.Thread(target=end, args=["succeeded", first]),
        threading.Thread(target=end, args=["failed", second]),
    ]
    threads[0].start()
    begun.wait(30)
    threads[1].start()
    wait_until(lambda: stored() == len(first), what="the first text")
    threads[2].start()
    deadline = time.monotonic() + 0.2  # time for the second text to be mixed in
    while time.monotonic() < deadline and stored() == len(first):
        time.sleep(0.01)
    free.set()
    for thread in threads:
        thread.join(30)
    assert sorted(said) == ["refused", "succeeded"]
    assert output.job_output_text(farm, job) == first


# What people do -------------------------------------------------------------------------------------------------------


def test_a_claimed_job_that_is_cancelled_is_not_wanted_any_more(farm: Farm) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    commands.cancel(farm, [job], "no longer wanted")
    answer = renew(farm, found, 600)
    assert (answer["wanted"], answer["why"], answer["seconds"]) == (False, "the work is cancelled", 60)
    assert finish(farm, found) == "cancelled"
    assert finish(farm, found) == "cancelled"
    assert status(farm, job) == "cancelled"


def test_a_claimed_job_that_is_moved_goes_to_another(farm: Farm) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    commands.eject(farm, [job], "elsewhere")
    answer = renew(farm, found)
    assert (answer["wanted"], answer["why"]) == (False, "the work is to go to another client")
    assert finish(farm, found, "returned") == "ejected"
    assert claim(farm, "desk")["job"] == job


@pytest.mark.parametrize("ask", [commands.cancel, commands.eject])
def test_a_kill_that_a_runner_does_not_confirm_is_bounded_however_often_it_renews(
    farm: Farm, clock: SetClock, ask: Any
) -> None:
    job, other = submit(farm, command="x"), submit(farm, command="x")
    found = claim(farm, seconds=3600)
    ask(farm, [job], "")
    upkeep.bound_waits(farm)
    for _ in range(int(farm.policy.kill_timeout_seconds / 10) + 1):
        clock.advance(10)
        assert not renew(farm, found)["wanted"]
        upkeep.bound_waits(farm)
        leases.end_leases(farm)
    assert status(farm, job) == ("cancelled" if ask is commands.cancel else "runnable")
    assert farm.watch.stuck_with(client_of(farm)["id"]) == ""
    assert detail(farm, job, "unconfirmed") == []
    assert claim(farm, ids=[other])["job"] == other, "the runner may go on with other work"


@pytest.mark.parametrize("ask", [commands.cancel, commands.eject])
def test_work_with_a_strict_lease_is_not_given_again_while_its_claim_lasts(
    farm: Farm, clock: SetClock, ask: Any
) -> None:
    """PROMISES 2.2: of such work two are never alive at once, and a runner may hear of the kill only when it renews."""
    job = submit(farm, command="x", lease=900)
    found = claim(farm, seconds=3600)
    assert found["seconds"] == 900
    assert renew(farm, found, 1800)["seconds"] == 900
    ask(farm, [job], "")
    for _ in range(8):
        pass_by(farm, clock, 100)
        assert not renew(farm, found)["wanted"]
        assert status(farm, job) == "running"
        assert nothing(farm, "desk")
    pass_by(farm, clock, 101)
    assert status(farm, job) == ("cancelled" if ask is commands.cancel else "runnable")
    assert nothing(farm, "desk") is (ask is commands.cancel)


def test_a_runner_whose_kill_is_on_its_way_gets_other_work_meanwhile(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x")
    found = claim(farm, seconds=3600)
    commands.cancel(farm, [job], "")
    upkeep.bound_waits(farm)
    clock.advance(61)
    renew(farm, found)
    upkeep.bound_waits(farm)
    assert claim(farm, ids=[submit(farm, command="x")])


@pytest.mark.parametrize("resumed", [False, True])
def test_a_claimed_job_that_is_paused_goes_on_and_says_so(farm: Farm, clock: SetClock, resumed: bool) -> None:
    job = submit(farm, command="x", agenda="1-2")
    found = claim(farm, seconds=3600)
    commands.pause(farm, [job], "not now")
    assert renew(farm, found)["wanted"]
    if resumed:
        commands.resume(farm, [job], "now")
    pass_by(farm, clock, farm.policy.kill_timeout_seconds + 1)
    assert status(farm, job) == "running"
    assert dict(history(farm, job))["pause not confirmed"] == "laptop is a runner that pauses nothing"
    assert nothing(farm) is not resumed, "the pieces that nobody has are held as before"
    assert finish(farm, found) == "succeeded"
    assert status(farm, job) == ("running" if resumed else "paused")
    if not resumed:
        commands.resume(farm, [job], "now")
        assert claim(farm)["work"] == "2"
    check_counters(farm)


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "returned"])
@pytest.mark.parametrize("ask", [commands.pause, commands.cancel, commands.eject])
def test_whatever_is_asked_of_a_claim_its_end_is_taken(farm: Farm, ask: Any, outcome: str) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    ask(farm, [job], "")
    said = finish(farm, found, outcome)
    usual = {"succeeded": "succeeded", "failed": "failed", "returned": "ejected"}[outcome]
    assert said == ("cancelled" if ask is commands.cancel else usual)
    assert live(farm) == {}


def test_work_marked_as_done_is_not_wanted(farm: Farm) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    change_jobs(farm, [job], "complete", {}, "ana")
    answer = renew(farm, found)
    assert (answer["wanted"], answer["why"]) == (False, "somebody marked the work as done")
    assert finish(farm, found) == "cancelled"
    assert renew(farm, found)["why"] == "somebody marked the work as done"
    assert status(farm, job) == "succeeded"


# Runners as clients ---------------------------------------------------------------------------------------------------


def test_a_runner_that_is_removed_is_to_stop_and_its_work_goes_back(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    former = client_of(farm)["id"]
    client_control.remove(farm, [former])
    with pytest.raises(NotFound):
        client_of(farm)
    answer = renew(farm, found)
    assert (answer["wanted"], answer["why"]) == (False, "the runner was removed from the farm")
    for _ in range(3):
        pass_by(farm, clock, 21)
        renew(farm, found)
    assert status(farm, job) == "runnable"
    assert claim(farm)["job"] == job
    assert client_of(farm)["id"] != former, "it is a new client"


def test_a_runner_that_is_removed_may_still_say_how_its_work_ended(farm: Farm) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    client_control.remove(farm, [client_of(farm)["id"]])
    assert finish(farm, found) == "succeeded"
    assert status(farm, job) == "succeeded"


def test_idle_runners_leave_after_a_day_and_may_come_again(farm: Farm, clock: SetClock) -> None:
    job, held = submit(farm, command="x"), submit(farm, command="x")
    finish(farm, claim(farm))
    former = client_of(farm)["id"]
    found = claim(farm, "busy", 7 * 86_400)
    clock.advance(86_399)
    runners.retire_idle(farm)
    assert client_of(farm)["id"] == former
    clock.advance(2)
    runners.retire_idle(farm)
    assert [each["label"] for each in lookup.client_details(farm, None, ["label"])] == ["busy"]
    assert [run["client"] for run in run_records.list_runs(farm, job)] == ["laptop"]
    assert nothing(farm)
    assert client_of(farm)["id"] != former
    assert (finish(farm, found), status(farm, held)) == ("succeeded", "succeeded")


def test_a_daemon_takes_the_name_of_a_runner_and_keeps_it(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x")
    found = claim(farm, "alpha")
    daemon = another(farm, "alpha")
    assert client_of(farm, "alpha")["id"] == daemon.id
    assert client_of(farm, "alpha")["outside"] is False
    with pytest.raises(Conflict, match="alpha is a client with a daemon; call the runner otherwise"):
        claims.claim_job(farm, {}, "alpha", 60)
    assert renew(farm, found)["wanted"]
    assert (finish(farm, found), status(farm, job)) == ("succeeded", "succeeded")


def test_daemons_orders_are_not_for_runners(farm: Farm) -> None:
    finish(farm, claim(farm, ids=[submit(farm, command="x")]))
    runner = client_of(farm)["id"]
    client_control.upgrade(farm, [runner])
    client_control.restart(farm, [runner])
    assert (client_of(farm)["wanted"], client_of(farm)["needsUpgrade"]) == ("", False)


def test_the_farm_knows_so_many_runners_at_a_time(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "MOST_RUNNERS", 3)
    for number in range(3):
        assert nothing(farm, f"laptop{number}")
    with pytest.raises(Busy, match="the farm has 3 runners; those that do nothing for a day leave it"):
        claims.claim_job(farm, {}, "laptop3", 60)
    assert nothing(farm, "laptop0")


def test_what_is_no_claim_is_refused_and_makes_no_client(farm: Farm) -> None:
    submit(farm, command="x")
    for wanted, runner, seconds, words in (
        ({"nmae": "x"}, "laptop", 60, "did you mean 'name'"),
        ({}, "", 60, "name of a runner"),
        ({}, "laptop", 0, "seconds must be from 1 to 604800, not 0"),
        ({}, "laptop", 604_801, "seconds must be from 1 to 604800"),
    ):
        with pytest.raises(BadParameters, match=words):
            claims.claim_job(farm, wanted, runner, seconds)
    assert lookup.client_details(farm, None, ["label"]) == []
    found = claim(farm)
    for seconds, progress in ((0, None), (604_801, None), (None, -0.1), (None, 1.1), (None, float("nan"))):
        with pytest.raises(BadParameters):
            renew(farm, found, seconds, progress)


def test_the_journal_names_the_runner(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x")
    claim(farm)
    pass_by(farm, clock, 61)
    finish(farm, claim(farm), "failed")
    told = events.get_events(farm, 0, 1000, None)["events"]
    assert any((each["kind"], each["now"], each["client"]) == ("client", "registered", "laptop") for each in told)
    of_job = [each for each in told if each["job"] == job]
    moves = [(each["was"], each["now"], each["client"]) for each in of_job if each["kind"] == "job"]
    assert ("runnable", "running", "laptop") in moves
    assert ("running", "failed", "laptop") in moves
    assert any(each["kind"] == "run" and each["client"] == "laptop" for each in of_job)


def test_runners_that_ask_at_the_same_time_get_each_job_once(farm: Farm) -> None:
    jobs = [submit(farm, command="x") for _ in range(40)]
    found: list[int] = []

    def work(runner: str) -> None:
        while (claimed := claims.claim_job(farm, {}, runner, 60)) is not None:
            found.append(claimed["job"])
            finish(farm, claimed)

    threads = [threading.Thread(target=work, args=[f"laptop{number % 3}"]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == jobs
    assert len(lookup.client_details(farm, None, ["label"])) == 3


@pytest.mark.slow
def test_two_first_questions_of_a_runner_make_one_client_that_the_server_watches(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [submit(farm, command="x") for _ in range(2)]
    by_name, get, put = farm.watch.by_name, farm.watch.get, farm.watch.put
    both_unknown, both_registered = threading.Barrier(2), threading.Barrier(2)
    made: list[Any] = []

    def unknown(hostname: str, name: str) -> Any:
        known = by_name(hostname, name)
        both_unknown.wait(30)
        return known

    def unwatched(client_id: int) -> Any:
        known = get(client_id)
        with suppress(threading.BrokenBarrierError):
            if known is None:
                both_registered.wait(1)  # both look before either makes it, where they can
        return known

    def remember(presence: Any) -> None:
        made.append(presence)
        put(presence)

    monkeypatch.setattr(farm.watch, "by_name", unknown)
    monkeypatch.setattr(farm.watch, "get", unwatched)
    monkeypatch.setattr(farm.watch, "put", remember)
    found: list[dict[str, Any]] = []
    sayings = [{"name": "laptop", "cpus": 8}, {"name": "laptop", "cpus": 8}]
    threads = [threading.Thread(target=lambda each=each: found.append(claim(farm, each))) for each in sayings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(each["job"] for each in found) == jobs
    assert len(made) == 1


def test_what_people_set_while_a_runner_tells_of_itself_stays(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nothing(farm)
    write = farm.database.write

    def meanwhile(function: Any, **more: Any) -> Any:
        monkeypatch.setattr(farm.database, "write", write)
        answer = write(function, **more)
        client_control.set_description(farm, client_of(farm)["id"], "on the desk")
        return answer

    monkeypatch.setattr(farm.database, "write", meanwhile)
    assert nothing(farm, {"name": "laptop", "memory": 3 * 2**31})
    assert (client_of(farm)["description"], client_of(farm)["memory"]) == ("on the desk", 3 * 2**31)


def test_a_runner_that_does_not_say_how_many_cpus_it_has_may_have_any_work(farm: Farm) -> None:
    many = submit(farm, command="x", cpus=64, conditions=[condition("cpus", ">=", "48")])
    whole = submit(farm, command="x", cpus=0)
    found = claim(farm, ids=[many])
    assert (found["cpus"], client_of(farm)["cpus"]) == (64, 0)
    assert nothing(farm, ids=[whole])
    (told,) = explaining.explain_job(farm, whole)["clients"]
    room = {reason["requirement"]: reason["found"] for reason in told["reasons"]}
    assert (room["cpus"], room["freeCpus"]) == ("it did not say how many",) * 2
    finish(farm, found)
    assert claim(farm, ids=[whole])["cpus"] == 0, "all that its machine has"
    assert [each["cpus"] for each in lookup.client_details(farm, None, ["cpus"])] == [0]
    claim(farm, {"name": "desk", "cpus": 8}, ids=[submit(farm, command="x", cpus=0)])
    assert client_of(farm, "desk")["cpus"] == 8


def test_what_is_the_matter_with_a_runner_is_said_before_that_it_asks_itself(farm: Farm) -> None:
    for number in range(5):
        finish(farm, claim(farm, ids=[submit(farm, command="x", submittedBy=f"user{number % 2}")]), "failed")
    assert client_of(farm)["unavailableBecause"].startswith("is set aside")


def test_asking_for_nothing_keeps_no_writer_waiting(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nothing(farm)
    submit(farm, command="x", cpus=2, conditions=[condition("hostname", "==", "desk")])

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a write")

    monkeypatch.setattr(type(farm.database), "write", refused)
    assert nothing(farm)


def test_a_farm_opened_anew_counts_what_claims_left(
    tmp_path_factory: pytest.TempPathFactory, clock: SetClock, asked: Asked
) -> None:
    found = open_farm(tmp_path_factory.mktemp("farm"), clock, asked, Policy())
    submit(found, command="x", agenda="1-4", triesLeft=1)
    claims = [claim(found, f"laptop{number}") for number in range(4)]
    finish(found, claims[0])
    finish(found, claims[1], "failed")
    finish(found, claims[2], "returned")
    pass_by(found, clock, 61)
    check_counters(found)
    found.database.close()
