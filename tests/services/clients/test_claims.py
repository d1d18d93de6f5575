"""A claim from its first renewal to its end, and what people may ask of it meanwhile (CONTRACT 10)."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from claims_kit import claim, client_of, finish, nothing, pass_by, renew
from farm_kit import Asked, SetClock, TestClient, check_counters, restarted, submit
from job_kit import status
from live_farm import wait_until
from scheduling_kit import detail, live
from scheduling_kit import events as history

from hqserver.domain.errors import BadSpecification, Conflict, DiskFull, NotFound, TooLarge
from hqserver.services import results
from hqserver.services.care import upkeep
from hqserver.services.clients import claims
from hqserver.services.control import commands
from hqserver.services.control.changing import change_jobs
from hqserver.services.farm import Farm
from hqserver.services.queries import output, run_records
from hqserver.services.work import leases

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
