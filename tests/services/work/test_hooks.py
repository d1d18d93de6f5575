"""Hooks: what follows a job's outcome, on the client where it came about (CONTRACT 2.1, 9.13)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import SetClock, TestClient, submit
from job_kit import lines, read, status

from hqserver.services.care import upkeep
from hqserver.services.clients.beats import Answer, Piece
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.queries import output

EVERY_HOOK = {
    "onSuccess": "success",
    "onError": "error",
    "onCancel": "cancel",
    "onChildError": "child error",
    "cleanup": "clean",
}


def start(client: TestClient) -> str:
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    return str(order["run"])


def ordered(answer: Answer) -> list[dict[str, Any]]:
    return [order for order in answer.orders if order["kind"] == "start"]


def next_hook(answer: Answer) -> dict[str, Any]:
    (order,) = ordered(answer)
    assert order["hook"]
    return order


def run_hooks(client: TestClient, answer: Answer, code: int = 0) -> list[tuple[str, str, str]]:
    """Run one hook after the other; of each its name, its command and its HQSTATUS."""
    found = []
    while orders := ordered(answer):
        (order,) = orders
        found.append((order["hook"], order["command"], order["environment"]["HQSTATUS"]))
        answer = client.beat(client.started(order["run"]), client.ended(order["run"], code))
    return found


# Which hooks run, and when -----------------------------------------------------------------------------------------


def test_a_job_that_succeeds_runs_its_hooks_before_its_status_is_written(farm: Farm, client: TestClient) -> None:
    """9.13: inside the ending run, on its client, before the final status is written."""
    job = submit(farm, command="x", shell="bash", environment={"A": "1"}, cpus=2, **EVERY_HOOK)
    command = client.fetch()[0]
    assert command["hook"] == "" and "HQSTATUS" not in command["environment"]
    order = next_hook(client.beat(client.ended(command["run"])))
    assert (order["hook"], order["command"], order["job"], order["shell"], order["cpus"]) == (
        *("onSuccess", "success", job, "bash", 2),
    )
    assert order["environment"] == {**command["environment"], "HQSTATUS": "succeeded"}
    assert order["run"] != command["run"]
    assert read(farm, job, "status", "outcome", "endTime") == ["running", "", None]
    order = next_hook(client.beat(client.started(order["run"]), client.ended(order["run"])))
    assert (order["hook"], order["command"], order["environment"]["HQSTATUS"]) == ("cleanup", "clean", "succeeded")
    assert status(farm, job) == "running"
    client.beat(client.ended(order["run"]))
    assert read(farm, job, "status", "outcome", "progress") == ["succeeded", "exit", 1.0]


def test_a_parent_moves_only_when_the_hooks_of_its_child_have_run(farm: Farm, client: TestClient) -> None:
    child = {"name": "c", "command": "c", "onSuccess": "x"}
    parent, _ = submission.submit(farm, {"name": "p", "command": "p", "children": [child]})
    order = next_hook(client.beat(client.ended(start(client))))
    assert status(farm, parent) == "queued"
    client.beat(client.ended(order["run"]))
    assert status(farm, parent) == "running", "the client got it with the answer"


def test_on_error_runs_when_the_job_fails_and_not_on_each_try(farm: Farm, client: TestClient) -> None:
    """9.13."""
    job = submit(farm, command="x", triesLeft=1, **EVERY_HOOK)
    client.beat(client.ended(start(client), 3))
    (again,) = client.fetch()
    assert again["hook"] == "", "the command itself, once more"
    assert run_hooks(client, client.beat(client.ended(again["run"], 3))) == [
        ("onError", "error", "failed"),
        ("cleanup", "clean", "failed"),
    ]
    assert status(farm, job) == "failed"
    assert "exit code 3 on alpha" in lines(farm, job, "hook")[0]


def test_on_cancel_runs_when_the_job_was_running(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", **EVERY_HOOK)
    run = start(client)
    commands.cancel(farm, [job], "gone")
    answer = client.beat(client.ended(run, 143, killed=True))
    assert run_hooks(client, answer) == [("onCancel", "cancel", "cancelled"), ("cleanup", "clean", "cancelled")]
    assert status(farm, job) == "cancelled"


def test_a_paused_job_that_is_cancelled_runs_its_hooks_too(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", **EVERY_HOOK)
    run = start(client)
    commands.pause(farm, [job], "lunch")
    client.beat(client.paused(run))
    commands.cancel(farm, [job], "gone")
    answer = client.beat(client.ended(run, 143, killed=True))
    assert [hook for hook, *_ in run_hooks(client, answer)] == ["onCancel", "cleanup"]
    assert status(farm, job) == "cancelled"


def test_a_command_that_ran_too_long_runs_the_hooks_of_a_cancelled_job(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", maxTime=60, **EVERY_HOOK)
    answer = client.beat(client.reached(start(client), "maxTime"))
    assert run_hooks(client, answer) == [("onCancel", "cancel", "cancelled"), ("cleanup", "clean", "cancelled")]
    assert status(farm, job) == "cancelled"


@pytest.mark.parametrize("offered", [False, True])
def test_a_job_that_is_cancelled_before_it_ran_runs_none(farm: Farm, client: TestClient, offered: bool) -> None:
    """CONTRACT 2.1: `onCancel` belongs to a job that is cancelled while it runs on a client."""
    job = submit(farm, command="x", **EVERY_HOOK)
    run = client.fetch()[0]["run"] if offered else ""
    commands.cancel(farm, [job], "gone")
    if offered:
        client.beat(client.refused(run))
    assert status(farm, job) == "cancelled"
    assert client.fetch() == []


def test_on_child_error_runs_before_on_error_and_the_command_is_skipped(farm: Farm, client: TestClient) -> None:
    """9.8, 9.13: the job never had a run; it dispatches one for its hooks."""
    children = [{"name": "c", "command": "c"}, {"name": "c", "command": "c"}]
    parent = submission.submit(farm, {"name": "p", "command": "p", "children": children, **EVERY_HOOK})[0]
    first, second = client.fetch()
    client.beat(client.ended(first["run"], 1))
    assert status(farm, parent) == "queued", "all children end first"
    answer = client.beat(client.ended(second["run"]))
    assert run_hooks(client, answer) == [
        ("onChildError", "child error", "failed"),
        ("onError", "error", "failed"),
        ("cleanup", "clean", "failed"),
    ]
    assert read(farm, parent, "status", "progress", "commandStartTime") == ["failed", 0.0, None]
    assert lines(farm, parent, "status")[-1] == "1 of 2 children did not succeed"


def test_a_container_dispatches_a_run_for_its_hooks(farm: Farm, client: TestClient) -> None:
    """9.13: a job that never had a run."""
    children = [{"name": "c", "command": "c"}]
    parent = submission.submit(farm, {"name": "p", "children": children, **EVERY_HOOK})[0]
    answer = client.beat(client.ended(start(client)))
    assert status(farm, parent) == "running"
    assert run_hooks(client, answer) == [("onSuccess", "success", "succeeded"), ("cleanup", "clean", "succeeded")]
    assert read(farm, parent, "status", "outcome", "progress", "overallProgress") == ["succeeded", "empty", 1.0, 1.0]


def test_a_container_without_children_runs_its_hooks_as_soon_as_it_can(farm: Farm, client: TestClient) -> None:
    job = submit(farm, onSuccess="success")
    assert status(farm, job) == "runnable"
    (order,) = client.fetch()
    assert (order["hook"], order["environment"]["HQSTATUS"]) == ("onSuccess", "succeeded")
    client.beat(client.ended(order["run"]))
    assert read(farm, job, "status", "outcome") == ["succeeded", "empty"]


def test_a_container_without_a_hook_for_its_outcome_never_meets_a_client(farm: Farm, client: TestClient) -> None:
    """9.8."""
    job = submit(farm, onError="error")
    parent = submission.submit(farm, {"name": "p", "onSuccess": "x", "children": [{"name": "c", "command": "c"}]})[0]
    client.run_all(code=1)
    assert read(farm, job, "status", "clients") == ["succeeded", []]
    assert read(farm, parent, "status", "clients") == ["failed", []]


def test_a_rescheduled_job_runs_its_hooks_again(farm: Farm, client: TestClient) -> None:
    container = submission.submit(farm, {"name": "p", "children": [{"name": "c", "command": "c"}], "cleanup": "clean"})
    for _ in range(2):
        answer = client.beat(client.ended(start(client)))
        assert run_hooks(client, answer) == [("cleanup", "clean", "succeeded")]
        assert status(farm, container[0]) == "succeeded"
        commands.reschedule(farm, container[::-1], "once more")


def test_a_hook_may_have_a_command_for_each_platform(farm: Farm, client: TestClient) -> None:
    """CONTRACT 2.3."""
    submit(farm, command="x", onSuccess={"linux": "penguin", "windows": "window"})
    assert next_hook(client.beat(client.ended(start(client))))["command"] == "penguin"


# A command that added children -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, [("onSuccess", "success", "succeeded"), ("cleanup", "clean", "succeeded")]),
        (
            1,
            [("onChildError", "child error", "failed"), ("onError", "error", "failed"), ("cleanup", "clean", "failed")],
        ),
    ],
)
def test_hooks_wait_for_the_children_that_the_command_added_and_run_by_their_outcome(
    farm: Farm, client: TestClient, code: int, expected: list[tuple[str, str, str]]
) -> None:
    """9.8: a command that exits 0 while children it added still live frees its client; the job stays `running`."""
    job = submit(farm, command="fan out", cpus=2, **EVERY_HOOK)
    run = start(client)
    submission.submit(farm, {"name": "c", "command": "c", "cpus": 2}, job)
    answer = client.beat(client.ended(run, seconds=5.0))
    (child,) = ordered(answer)
    assert child["command"] == "c", "its client is free"
    assert read(farm, job, "status", "progress") == ["running", 1.0]
    assert run_hooks(client, client.beat(client.ended(child["run"], code))) == expected
    details = read(farm, job, "status", "outcome", "progress")
    # The command itself did well; it is the child that fails the job.
    assert details == (["succeeded", "exit", 1.0] if code == 0 else ["failed", "", 1.0])


def test_a_hook_may_add_children_which_its_job_then_waits_for(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", onSuccess="success")
    order = next_hook(client.beat(client.ended(start(client))))
    child = submission.submit(farm, {"name": "c", "command": "c"}, job)[0]
    client.beat(client.ended(order["run"]))
    assert [status(farm, job), status(farm, child)] == ["running", "running"]
    client.beat(client.ended(str(next(run for run, each in client.orders.items() if each["job"] == child))))
    assert status(farm, job) == "succeeded"


# Hooks have no effect on the outcome -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_status_of_a_hook_is_noted_and_without_effect(farm: Farm, client: TestClient, code: int) -> None:
    """9.13."""
    job = submit(farm, command="x", triesLeft=2, onSuccess="success", cleanup="clean")
    answer = client.beat(client.ended(start(client)))
    assert len(run_hooks(client, answer, code=code)) == 2
    assert read(farm, job, "status", "triesLeft", "blockedClients") == ["succeeded", 2, []]
    assert lines(farm, job, "hook")[1:] == [
        f"onSuccess: exit code {code} on alpha",
        f"cleanup: exit code {code} on alpha",
    ]


def test_a_hook_may_take_its_time_and_no_more(farm: Farm, client: TestClient) -> None:
    """9.13: bounded by `hqserver.hookTimeout`; the daemon ends it, and its job is not cancelled for it."""
    job = submit(farm, command="x", maxTime=5, onSuccess="success", cleanup="clean")
    order = next_hook(client.beat(client.ended(start(client))))
    assert order["maxTime"] == farm.policy.hook_timeout_seconds == 600.0
    order = next_hook(client.beat(client.started(order["run"]), client.reached(order["run"], "maxTime")))
    assert order["hook"] == "cleanup"
    client.beat(client.ended(order["run"]))
    assert status(farm, job) == "succeeded"
    assert "onSuccess: hookTimeout" in lines(farm, job, "hook")[1]


def test_what_a_hook_says_of_its_progress_is_not_the_jobs(farm: Farm, client: TestClient) -> None:
    job = submit(farm, onSuccess="success")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]), progress={order["run"]: 0.5})
    upkeep.flush(farm)
    assert read(farm, job, "progress") == [0.0]


# Hooks that cannot run ---------------------------------------------------------------------------------------------


def test_hooks_that_no_client_can_run_in_time_are_left_out(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """9.13: with no eligible client in time it ends without, and the log says so."""
    good = submit(farm, onSuccess="success", host="nowhere")
    bad = submission.submit(
        farm, {"name": "p", "children": [{"name": "c", "command": "c"}], "host": "nowhere", **EVERY_HOOK}
    )[0]
    held = submit(farm, onSuccess="success")
    commands.pause(farm, [held], "lunch")
    failing = submission.submit(farm, {"name": "c", "command": "x", "host": "alpha"}, bad)[0]
    (order,) = client.fetch()
    assert order["job"] == failing
    commands.cancel(farm, [bad + 1], "gone")
    client.beat(client.ended(order["run"], 1))
    assert [status(farm, job) for job in (good, bad, held)] == ["runnable", "runnable", "paused"]
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.hook_timeout_seconds + 1)
    upkeep.bound_waits(farm)
    assert [status(farm, job) for job in (good, bad, held)] == ["succeeded", "failed", "paused"]
    assert lines(farm, good, "hooks skipped") == ["onSuccess: no client could run its hooks in time"]
    skipped = "onChildError, onError, cleanup: no client could run its hooks in time"
    assert lines(farm, bad, "hooks skipped") == [skipped]
    commands.resume(farm, [held], "now")
    client.beat()
    assert client.run_all() == 1, "what somebody held back did not wait in vain"


def test_a_client_that_is_lost_with_its_command_skips_the_hooks(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """9.13: a lost client skips them with a log line. The kill of its command is given up (9.11)."""
    job = submit(farm, command="x", **EVERY_HOOK)
    start(client)
    commands.cancel(farm, [job], "gone")
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)
    assert status(farm, job) == "cancelled"
    assert lines(farm, job, "hooks skipped") == ["onCancel, cleanup: the client is lost"]


def test_a_job_that_is_abandoned_runs_none_and_says_so(farm: Farm, clock: SetClock) -> None:
    """9.10, 9.13."""
    job = submit(farm, command="x", onError="error", cleanup="clean")
    for number in range(farm.policy.max_client_losses):
        victim = TestClient(farm, hostname=f"victim{number}", session=f"v{number}")
        victim.register()
        victim.beat()
        victim.fetch()
        clock.advance(farm.policy.lost_seconds + 1)
        upkeep.notice_silence(farm)
    assert status(farm, job) == "abandoned"
    assert lines(farm, job, "hooks skipped") == ["onError, cleanup: victim2 is silent"]


@pytest.mark.parametrize("started", [False, True])
def test_a_client_that_is_lost_with_a_hook_ends_the_job_as_its_command_did(
    farm: Farm, client: TestClient, clock: SetClock, started: bool
) -> None:
    """9.13."""
    job = submit(farm, command="x", onSuccess="success", cleanup="clean")
    order = next_hook(client.beat(client.ended(start(client))))
    if started:
        client.beat(client.started(order["run"]))
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    assert read(farm, job, "status", "outcome") == ["succeeded", "exit"]
    assert lines(farm, job, "hooks skipped") == ["cleanup: onSuccess was lost: alpha is silent"]
    assert lines(farm, job, "status")[-1] == "exit code 0 on alpha"
    answer = client.beat()
    assert [(each["kind"], each["run"]) for each in answer.orders] == [("kill", order["run"])]
    client.beat(client.ended(order["run"], killed=True))
    submit(farm, command="y")
    assert len(client.fetch()) == 1


def test_a_draining_client_runs_the_hooks_of_the_job_that_it_finishes(farm: Farm, client: TestClient) -> None:
    """9.13: hooks run inside the ending run; a client that takes no new work ends what it has begun."""
    job = submit(farm, command="x", onSuccess="success", cleanup="clean")
    order = next_hook(client.beat(client.ended(start(client)), accepting=False))
    assert order["hook"] == "onSuccess"
    client.beat(accepting=False)  # not even started yet: it is not taken back
    order = next_hook(client.beat(client.ended(order["run"]), accepting=False))
    assert order["hook"] == "cleanup"
    client.beat(client.ended(order["run"]), accepting=False)
    assert status(farm, job) == "succeeded"


def test_a_client_that_refuses_a_hook_lets_the_job_end_without(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", onSuccess="success", cleanup="clean")
    order = next_hook(client.beat(client.ended(start(client))))
    order = next_hook(client.beat(client.refused(order["run"], "the client cannot write to its disk")))
    client.beat(client.refused(order["run"], "the client cannot write to its disk"))
    assert status(farm, job) == "succeeded"
    assert [message.partition(":")[0] for message in lines(farm, job, "hook")[1:]] == ["onSuccess", "cleanup"]


def test_a_container_whose_hook_is_refused_offers_it_to_another_client(farm: Farm, client: TestClient) -> None:
    job = submit(farm, onSuccess="success", cleanup="clean")
    (order,) = client.fetch()
    client.beat(client.refused(order["run"]), accepting=False)
    assert status(farm, job) == "runnable"
    other = TestClient(farm, hostname="beta", session="b")
    other.register()
    other.beat()
    (again,) = other.fetch()
    assert (again["hook"], again["environment"]["HQSTATUS"]) == ("onSuccess", "succeeded")
    assert [hook for hook, *_ in run_hooks(other, other.beat(other.ended(again["run"])))] == ["cleanup"]
    assert status(farm, job) == "succeeded"


def test_a_machine_that_booted_anew_during_a_hook_ends_the_job_without_it(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", onError="error", cleanup="clean")
    order = next_hook(client.beat(client.ended(start(client), 1)))
    client.beat(client.started(order["run"]))
    client.session, client.boot_id = "s2", "boot-2"
    client.register()
    assert status(farm, job) == "failed"
    assert lines(farm, job, "hooks skipped") == ["cleanup: their client is lost"]


# People and hooks --------------------------------------------------------------------------------------------------


def test_a_job_that_is_cancelled_during_a_hook_ends_with_the_hooks_of_a_cancelled_one(
    farm: Farm, client: TestClient
) -> None:
    job = submit(farm, command="x", onSuccess="success", onCancel="tidy", cleanup="clean")
    order = next_hook(client.beat(client.ended(start(client))))
    client.beat(client.started(order["run"]))
    commands.cancel(farm, [job], "gone")
    assert read(farm, job, "status", "waitingFor") == ["running", "ending on alpha"]
    answer = client.beat()
    assert [(each["kind"], each["run"]) for each in answer.orders] == [("kill", order["run"])]
    ran = run_hooks(client, client.beat(client.ended(order["run"], killed=True)))
    assert ran == [("onCancel", "tidy", "cancelled"), ("cleanup", "clean", "cancelled")]
    assert status(farm, job) == "cancelled"
    assert lines(farm, job, "status")[-1] == "cancelled during onSuccess"


def test_a_hook_is_neither_ejected_nor_the_job_that_runs_it(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", onSuccess="success")
    order = next_hook(client.beat(client.ended(start(client))))
    commands.eject(farm, [job], "needed elsewhere")
    assert lines(farm, job, "not ejected") == ["its command has ended, and onSuccess follows on alpha"], "and says so"
    client.beat(client.ended(order["run"]))
    assert status(farm, job) == "succeeded"


@pytest.mark.parametrize("offered", [True, False])
def test_a_job_that_is_rescheduled_while_its_cancel_hooks_run_is_done_again_after_them(
    farm: Farm, client: TestClient, offered: bool
) -> None:
    job = submit(farm, command="x", onCancel="tidy", cleanup="clean", triesLeft=2)
    run = start(client)
    commands.cancel(farm, [job], "gone")
    answer = client.beat(client.ended(run, killed=True))
    if not offered:
        client.beat(client.started(next_hook(answer)["run"]))
    commands.reschedule(farm, [job], "after all")
    if offered:
        answer = client.beat()
    last = client.beat(client.ended(next_hook(answer)["run"]))
    assert next_hook(last)["hook"] == "cleanup"
    assert next_hook(last)["environment"]["HQSTATUS"] == "cancelled"
    client.beat(client.ended(next_hook(last)["run"]), accepting=False)
    assert read(farm, job, "status", "triesLeft") == ["runnable", 2]
    client.beat()
    assert client.run_all() == 2
    assert status(farm, job) == "succeeded"


def test_a_job_that_is_rescheduled_while_a_hook_of_it_is_being_killed_is_done_again(
    farm: Farm, client: TestClient
) -> None:
    job = submit(farm, command="x", onSuccess="success", onCancel="tidy", cleanup="clean")
    order = next_hook(client.beat(client.ended(start(client))))
    client.beat(client.started(order["run"]))
    commands.cancel(farm, [job], "gone")
    commands.reschedule(farm, [job], "after all")
    assert client.beat(client.ended(order["run"], killed=True), accepting=False).orders == []
    assert status(farm, job) == "runnable"
    client.beat()
    assert client.run_all() == 3
    assert status(farm, job) == "succeeded"


def test_a_hook_is_paused_and_goes_on_as_a_command_does(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", onSuccess="success")
    order = next_hook(client.beat(client.ended(start(client))))
    client.beat(client.started(order["run"]))
    commands.pause(farm, [job], "lunch")
    client.beat(client.paused(order["run"]))
    assert status(farm, job) == "paused"
    commands.resume(farm, [job], "now")
    client.beat(client.resumed(order["run"]))
    client.beat(client.ended(order["run"]))
    assert status(farm, job) == "succeeded"


def test_the_output_names_each_hook_before_what_it_wrote(farm: Farm, client: TestClient) -> None:
    """9.20: each later try and hook after one marker line."""
    job = submit(farm, command="x", triesLeft=1, onError="error", cleanup="clean")
    for data in (b"one\n", b"two\n", b"sorry\n", b"swept\n"):
        (order,) = client.fetch()
        run = str(order["run"])
        client.beat(client.ended(run, 1), output=(Piece(run, 0, data),))
    assert output.job_output_text(farm, job) == (
        "one\n[hq] try 2 on alpha\ntwo\n[hq] onError on alpha\nsorry\n[hq] cleanup on alpha\nswept\n"
    )


def test_the_status_log_tells_how_the_command_ended_and_not_its_last_hook(farm: Farm, client: TestClient) -> None:
    """9.13: a hook's exit status is without effect."""
    job = submit(farm, command="x", onError="report", cleanup="clean")
    order = next_hook(client.beat(client.ended(start(client), 7)))
    order = next_hook(client.beat(client.ended(order["run"], 0)))
    client.beat(client.ended(order["run"], 0))
    assert lines(farm, job, "status")[-1] == "exit code 7 on alpha"
    assert read(farm, job, "latestNote") == ["failed: exit code 7 on alpha"]
