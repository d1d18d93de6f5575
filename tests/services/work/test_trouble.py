"""Limits that runs reach, and what their output says of a further try (CONTRACT 10, Trouble; PROTOCOL.md, Limits)."""

from __future__ import annotations

import pytest
from farm_kit import Asked, SetClock, TestClient, restarted, submit
from job_kit import read

from hqserver.services.care import upkeep
from hqserver.services.control import commands, deletion
from hqserver.services.farm import Farm
from hqserver.services.queries import lookup
from hqserver.services.queries.run_records import list_runs

LIMITS = ("maxTime", "minTime", "maxSilence", "maxMemory", "lease")


def last_line(farm: Farm, job_id: int, event: str) -> str:
    lines = [line["message"] for line in lookup.job_detail(farm, job_id, ["logs"])["logs"] if line["event"] == event]
    return str(lines[-1])


def handed_out(client: TestClient) -> list[object]:
    """Ids of the jobs whose work a client fetches that has just been heard."""
    client.beat()
    return [order["job"] for order in client.fetch()]


def start(client: TestClient) -> str:
    """Let the client fetch one run and start it."""
    client.beat()
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    return str(order["run"])


def rest(farm: Farm, clock: SetClock, seconds: float) -> None:
    """The ticks go on for some time."""
    upkeep.bound_waits(farm)
    clock.advance(seconds)
    upkeep.bound_waits(farm)


# Orders --------------------------------------------------------------------------------------------------------------


def test_a_start_order_carries_the_limits_and_the_patterns_of_its_job(farm: Farm, client: TestClient) -> None:
    asked = {"maxTime": 600, "minTime": 5, "maxSilence": 60, "maxMemory": 2**40, "lease": 30}
    submit(farm, command="render", failurePatterns={"no licen[cs]e": "licence", "Fatal": "fatal"}, **asked)
    (order,) = client.fetch()
    assert {key: order[key] for key in LIMITS} == asked
    assert all(isinstance(order[key], float) for key in LIMITS)
    assert order["failurePatterns"] == [
        {"pattern": "no licen[cs]e", "action": "licence"},
        {"pattern": "Fatal", "action": "fatal"},
    ]


def test_a_job_without_limits_has_none_in_its_order(farm: Farm, client: TestClient) -> None:
    submit(farm, command="render")
    (order,) = client.fetch()
    assert {key: order[key] for key in LIMITS} == dict.fromkeys(LIMITS, 0.0)
    assert order["failurePatterns"] == []


def test_a_hook_is_bounded_by_the_farms_own_limit_and_nothing_else(farm: Farm, client: TestClient) -> None:
    """9.13."""
    limits = {"maxTime": 7, "minTime": 5, "maxSilence": 60, "maxMemory": 1000, "lease": 30}
    submit(farm, command="render", onSuccess="tell", failurePatterns={"Fatal": "fatal"}, **limits)
    run = start(client)
    (hook,) = client.beat(client.ended(run)).orders
    assert hook["hook"] == "onSuccess"
    assert {key: hook[key] for key in LIMITS} == {
        **dict.fromkeys(LIMITS, 0.0),
        "maxTime": farm.policy.hook_timeout_seconds,
    }
    assert hook["failurePatterns"] == []


def test_limits_and_patterns_are_attributes_of_the_job(farm: Farm) -> None:
    limits = {"minTime": 5, "maxSilence": 60, "maxMemory": 2**40, "lease": 30}
    job = submit(farm, command="render", failurePatterns={"Fatal": "fatal"}, **limits)
    assert read(farm, job, *limits) == list(limits.values())
    assert read(farm, job, "failurePatterns") == [[{"pattern": "Fatal", "action": "fatal"}]]


# Limits --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["minTime", "maxSilence", "maxMemory"])
def test_a_run_that_reaches_such_a_limit_has_failed_and_is_tried_again(
    farm: Farm, client: TestClient, limit: str
) -> None:
    job = submit(farm, command="render", triesLeft=1)
    client.beat(client.reached(start(client), limit), accepting=False)
    assert read(farm, job, "status", "triesLeft") == ["runnable", 0]
    assert last_line(farm, job, "rescheduled") == f"{limit}: it was reached on alpha; 0 tries left"
    client.beat()
    client.beat(client.reached(start(client), limit))
    assert read(farm, job, "status", "triesLeft") == ["failed", 0]


def test_a_run_that_takes_too_long_is_cancelled_whatever_tries_are_left(farm: Farm, client: TestClient) -> None:
    """CONTRACT 2.1."""
    job = submit(farm, command="render", triesLeft=5)
    client.beat(client.reached(start(client), "maxTime"))
    assert read(farm, job, "status", "triesLeft") == ["cancelled", 5]


@pytest.mark.parametrize("paused", [False, True])
def test_a_run_whose_lease_ended_goes_back_to_the_queue_and_burns_no_try(
    farm: Farm, client: TestClient, paused: bool
) -> None:
    """9.10: only then is it given out again, and also one that was paused."""
    job = submit(farm, command="render", triesLeft=1, lease=60)
    run = start(client)
    if paused:
        commands.pause(farm, [job], "not now")
        client.beat(client.paused(run))
    assert client.beat(client.reached(run, "lease"), accepting=False).results == {f"{run}:ended": "applied"}
    assert read(farm, job, "status", "triesLeft") == ["paused" if paused else "runnable", 1]
    assert client.beat(client.reached(run, "lease")).results == {f"{run}:ended": "applied"}
    commands.resume(farm, [job], "now")
    assert client.run_all() == 1


@pytest.mark.parametrize("limit", LIMITS)
def test_a_cancelled_job_is_cancelled_whatever_limit_its_run_reaches(
    farm: Farm, client: TestClient, limit: str
) -> None:
    """9.11."""
    job = submit(farm, command="render", triesLeft=3)
    run = start(client)
    commands.cancel(farm, [job], "gone")
    client.beat(client.reached(run, limit))
    assert read(farm, job, "status", "triesLeft") == ["cancelled", 3]


# What the output says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1])
def test_after_a_fatal_line_nothing_is_tried_again(farm: Farm, client: TestClient, code: int) -> None:
    job = submit(farm, command="render", triesLeft=5)
    client.beat(client.ended(start(client), code, failure="fatal", line="Fatal: no such scene"))
    assert read(farm, job, "status", "triesLeft") == ["failed", 0]
    assert last_line(farm, job, "status") == f"exit code {code} on alpha; its output says: Fatal: no such scene"
    (run,) = list_runs(farm, job, 10, 0)
    assert (run["status"], run["reason"]) == ("failed", "its output says: Fatal: no such scene")
    commands.reschedule(farm, [job], "mended")
    assert read(farm, job, "status", "triesLeft") == ["runnable", 5]


def test_a_fatal_line_holds_too_for_a_run_that_reached_a_limit(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", triesLeft=5)
    client.beat(client.reached(start(client), "maxSilence", failure="fatal", line="Fatal: no such scene"))
    assert read(farm, job, "status", "triesLeft") == ["failed", 0]
    assert "its output says: Fatal" in last_line(farm, job, "status")


def test_a_fatal_line_of_a_run_that_was_taken_off_its_client_burns_nothing(farm: Farm, client: TestClient) -> None:
    """9.12: killed, so the run tells nothing of the work."""
    job = submit(farm, command="render", triesLeft=5)
    run = start(client)
    commands.eject(farm, [job], "elsewhere")
    client.beat(client.ended(run, 143, killed=True, failure="fatal", line="Fatal: killed"), accepting=False)
    assert read(farm, job, "status", "triesLeft") == ["runnable", 5]


def test_a_line_that_asks_for_a_retry_is_a_failure_even_with_exit_code_nought(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", triesLeft=1)
    client.beat(client.ended(start(client), 0, failure="retry", line="texture missing"), accepting=False)
    assert read(farm, job, "status", "triesLeft") == ["runnable", 0]
    client.beat()
    client.beat(client.ended(start(client), 0, failure="retry", line="texture missing"))
    assert read(farm, job, "status") == ["failed"]


# Licences --------------------------------------------------------------------------------------------------------


def put_back(farm: Farm, client: TestClient, **more: object) -> int:
    """A job whose work was just put back for want of a licence."""
    job = submit(farm, command="render", **more)
    client.beat(client.ended(start(client), 3, failure="licence", line="no licence for karma"))
    return job


def test_work_that_lacks_a_licence_is_put_back_for_a_while_and_burns_no_try(
    farm: Farm, client: TestClient, clock: SetClock, asked: Asked
) -> None:
    job = put_back(farm, client, triesLeft=1)
    assert read(farm, job, "status", "triesLeft") == ["runnable", 1]
    assert read(farm, job, "waitingFor") == [
        "what it lacked at its last try, such as a licence; it is tried again soon"
    ]
    assert last_line(farm, job, "put back") == "exit code 3 on alpha; its output says: no licence for karma"
    rest(farm, clock, farm.policy.licence_pause_seconds - 1)
    assert handed_out(client) == []
    passes = asked.passes
    rest(farm, clock, 2)
    assert asked.passes > passes
    client.beat(client.ended(start(client)))
    assert read(farm, job, "status", "triesLeft", "waitingFor") == ["succeeded", 1, ""]


def test_work_that_lacks_a_licence_again_and_again_waits_each_time(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = put_back(farm, client)
    for _ in range(5):
        rest(farm, clock, farm.policy.licence_pause_seconds + 1)
        # Given out and put back again before the next look at what waits.
        client.beat(client.ended(start(client), 0, failure="licence"))
        upkeep.bound_waits(farm)
        assert handed_out(client) == []
    assert read(farm, job, "status") == ["runnable"]


@pytest.mark.parametrize("limit", ["minTime", "maxSilence", "maxMemory"])
def test_a_command_that_hangs_or_gives_up_for_want_of_a_licence_is_put_back(
    farm: Farm, client: TestClient, limit: str
) -> None:
    job = submit(farm, command="render", triesLeft=1)
    client.beat(client.reached(start(client), limit, failure="licence", line="waiting for a licence"))
    assert read(farm, job, "status", "triesLeft") == ["runnable", 1]
    assert handed_out(client) == []


def test_other_work_goes_on_while_some_lacks_a_licence(farm: Farm, client: TestClient) -> None:
    put_back(farm, client)
    job = submit(farm, command="simulate")
    assert handed_out(client) == [job]


def test_work_that_is_put_back_can_be_cancelled_deleted_and_done_again(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = put_back(farm, client)
    commands.cancel(farm, [job], "gone")
    assert read(farm, job, "status") == ["cancelled"]
    commands.reschedule(farm, [job], "after all")
    client.beat(client.ended(start(client), 3, failure="licence"))
    commands.reschedule(farm, [job], "it has not ended")
    assert handed_out(client) == []
    commands.cancel(farm, [job], "gone")
    upkeep.bound_waits(farm)
    deletion.delete(farm, [job])
    rest(farm, clock, farm.policy.licence_pause_seconds + 1)
    assert lookup.job_details(farm, [job], ["id"]) == []


def test_work_that_is_put_back_can_be_paused_and_waits_for_both(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = put_back(farm, client)
    commands.pause(farm, [job], "not now")
    assert read(farm, job, "status", "waitingFor") == ["paused", "somebody to resume it"]
    commands.resume(farm, [job], "now")
    assert handed_out(client) == []
    commands.pause(farm, [job], "not now")
    rest(farm, clock, farm.policy.licence_pause_seconds + 1)
    assert handed_out(client) == []
    commands.resume(farm, [job], "now")
    assert client.run_all() == 1


def test_work_that_gets_a_child_while_it_is_put_back_waits_for_that_alone(farm: Farm, client: TestClient) -> None:
    job = put_back(farm, client)
    child = submit(farm, command="first", parentIds=[job])
    assert read(farm, job, "status") == ["queued"]
    assert handed_out(client) == [child]
    client.beat(client.ended(str(list(client.orders)[-1])))
    assert client.run_all() == 1
    assert read(farm, job, "status") == ["succeeded"]


def test_work_that_is_put_back_waits_again_after_a_restart_of_the_server(
    farm: Farm, client: TestClient, clock: SetClock, asked: Asked
) -> None:
    job = put_back(farm, client)
    rest(farm, clock, farm.policy.licence_pause_seconds - 1)
    with restarted(farm, clock, asked, client) as again:
        client.beat()
        rest(again, clock, farm.policy.licence_pause_seconds - 1)
        assert handed_out(client) == []
        rest(again, clock, 2)
        assert client.run_all() == 1
        assert read(again, job, "status") == ["succeeded"]


def test_a_job_that_is_cancelled_while_it_lacks_a_licence_is_cancelled_with_its_hook(
    farm: Farm, client: TestClient
) -> None:
    """9.11, 9.13: the client is there, so the hook runs."""
    job = submit(farm, command="render", onCancel="tidy")
    run = start(client)
    commands.cancel(farm, [job], "gone")
    orders = client.beat(client.ended(run, 3, failure="licence")).orders
    assert [order["hook"] for order in orders] == ["onCancel"]
    client.beat(client.ended(str(orders[0]["run"])))
    assert read(farm, job, "status") == ["cancelled"]


def test_a_job_that_is_ejected_while_it_lacks_a_licence_goes_to_another_client_at_once(
    farm: Farm, client: TestClient
) -> None:
    """9.12."""
    job = submit(farm, command="render")
    run = start(client)
    commands.eject(farm, [job], "elsewhere")
    beta = TestClient(farm, hostname="beta")
    beta.register()
    beta.beat()
    client.beat(client.ended(run, 3, failure="licence"))
    assert [order["job"] for order in beta.fetch()] == [job]


def test_hooks_of_an_outcome_do_not_run_when_work_is_put_back(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """9.13: the job has not ended."""
    job = put_back(farm, client, onError="oops", cleanup="tidy")
    assert handed_out(client) == []
    rest(farm, clock, farm.policy.licence_pause_seconds + 1)
    (hook,) = client.beat(client.ended(start(client))).orders
    assert hook["hook"] == "cleanup"
    client.beat(client.ended(str(hook["run"])))
    assert read(farm, job, "status") == ["succeeded"]
