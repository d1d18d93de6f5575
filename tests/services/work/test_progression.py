"""Jobs move from submission to their end as CONTRACT 3.3 and 9.8 to 9.10 say."""

from __future__ import annotations

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, submit
from job_kit import status

from hqserver.services.care import upkeep
from hqserver.services.control import commands
from hqserver.services.dispatch import assignment
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.queries import lookup


def events(farm: Farm, job_id: int) -> list[tuple[str, str]]:
    return [(line["event"], line["status"]) for line in lookup.job_detail(farm, job_id, ["logs"])["logs"]]


def test_a_job_goes_from_runnable_over_running_to_succeeded(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="true")
    assert status(farm, job) == "runnable"
    (order,) = client.fetch()
    assert order["command"] == "true"
    assert status(farm, job) == "running"
    client.beat(client.started(order["run"]))
    assert status(farm, job) == "running"
    answer = client.beat(client.ended(order["run"]))
    assert answer.results == {f"{order['run']}:ended": "applied"}
    details = lookup.job_detail(farm, job, None)
    assert (details["status"], details["outcome"], details["progress"], details["ETA"]) == (
        "succeeded",
        "exit",
        1.0,
        0.0,
    )
    assert [client_["hostname"] for client_ in details["clients"]] == ["alpha"]
    assert events(farm, job) == [("submitted", "runnable"), ("status", "running"), ("status", "succeeded")]


def test_a_command_that_exits_with_another_code_fails_its_job(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="false")
    client.run_all(code=3)
    assert status(farm, job) == "failed"
    assert "exit code 3" in lookup.job_detail(farm, job, ["logs"])["logs"][-1]["message"]


def test_a_command_that_exits_zero_by_a_signal_has_not_succeeded(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="true")
    (order,) = client.fetch()
    client.beat(client.ended(order["run"], 0, signal=9))
    assert status(farm, job) == "failed"


def test_a_failed_command_is_run_again_while_tries_are_left(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="false", triesLeft=2)
    assert client.run_all(code=1) == 3
    details = lookup.job_detail(farm, job, ["status", "triesLeft"])
    assert (details["status"], details["triesLeft"]) == ("failed", 0)


def test_a_parent_runs_after_its_children(farm: Farm, client: TestClient) -> None:
    ids = submission.submit(
        farm,
        {
            "name": "parent",
            "command": "p",
            "children": [{"name": "c1", "command": "a"}, {"name": "c2", "command": "b"}],
        },
    )
    parent = ids[0]
    assert status(farm, parent) == "queued"
    orders = client.fetch()
    assert [order["command"] for order in orders] == ["a", "b"]
    assert lookup.job_detail(farm, parent, ["uiStatus"])["uiStatus"] == "running (1 clients assigned)"
    client.beat(client.ended(orders[0]["run"]))
    assert status(farm, parent) == "queued"
    client.beat(client.ended(orders[1]["run"]))
    assert client.run_all() == 1
    details = lookup.job_detail(farm, parent, ["status", "overallProgress", "tasks"])
    assert details["status"] == "succeeded"
    assert details["overallProgress"] == 1.0
    assert details["tasks"] == {"total": 2, "finished": 2, "failed": 0}


def test_a_failed_child_fails_its_parent_whose_command_is_skipped(farm: Farm, client: TestClient) -> None:
    ids = submission.submit(farm, {"name": "parent", "command": "p", "children": [{"name": "c", "command": "a"}]})
    assert client.run_all(code=1) == 1
    assert [status(farm, each) for each in ids] == ["failed", "failed"]


def test_a_parents_history_says_what_its_children_decided_and_not_which_ended_last(
    farm: Farm, client: TestClient
) -> None:
    bad, good = (
        submission.submit(farm, {"name": "p", "command": "p", "children": [{"name": "a", "command": "a"}] * 2})[0]
        for _ in range(2)
    )
    first, second = client.fetch()
    client.beat(client.ended(first["run"], 1), client.ended(second["run"]), accepting=False)
    assert lookup.job_detail(farm, bad, ["logs"])["logs"][-1]["message"] == "1 of 2 children did not succeed"
    client.beat()
    client.run_all()
    messages = [line["message"] for line in lookup.job_detail(farm, good, ["logs"])["logs"]]
    assert "all children succeeded" in messages


def test_a_job_without_a_command_succeeds_when_its_children_have_and_never_meets_a_client(
    farm: Farm, client: TestClient
) -> None:
    ids = submission.submit(farm, {"name": "container", "children": [{"name": "c", "command": "a"}]})
    client.run_all()
    details = lookup.job_detail(farm, ids[0], ["status", "outcome", "clients", "progress"])
    assert (details["status"], details["outcome"], details["clients"], details["progress"]) == (
        "succeeded",
        "empty",
        [],
        0.0,
    )


def test_a_job_with_neither_command_nor_children_succeeds_at_once(farm: Farm) -> None:
    assert status(farm, submit(farm)) == "succeeded"


def test_a_running_job_may_add_children_and_stays_running_until_they_end(farm: Farm, client: TestClient) -> None:
    parent = submit(farm, command="fan out")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    (child,) = submission.submit(farm, {"name": "child", "command": "render"}, parent)
    client.beat(client.ended(order["run"]))
    assert status(farm, parent) == "running"
    assert client.run_all() == 1
    assert status(farm, child) == "succeeded"
    assert status(farm, parent) == "succeeded"


def test_a_cancelled_job_that_waits_is_cancelled_at_once_and_its_children_with_it(farm: Farm) -> None:
    ids = submission.submit(farm, {"name": "p", "command": "p", "children": [{"name": "c", "command": "a"}]})
    commands.cancel(farm, [ids[0]], "no longer wanted")
    assert [status(farm, each) for each in ids] == ["cancelled", "cancelled"]


def test_a_cancelled_job_that_runs_is_cancelled_when_its_client_confirms(
    farm: Farm, client: TestClient, asked: Asked
) -> None:
    job = submit(farm, command="sleep 100")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    asked.woken.clear()
    commands.cancel(farm, [job], "no longer wanted")
    assert status(farm, job) == "running"
    assert lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"] == "ending on alpha"
    assert asked.woken == [client.id]
    answer = client.beat()
    assert [(each["kind"], each["run"]) for each in answer.orders] == [("kill", order["run"])]
    client.beat(client.ended(order["run"], -1, killed=True))
    assert status(farm, job) == "cancelled"
    assert client.beat().orders == []


def test_what_was_cancelled_stays_so_when_the_child_that_was_spared_is_cancelled_later(
    farm: Farm, client: TestClient
) -> None:
    child = submit(farm, command="shared")
    first = submission.submit(farm, {"name": "one", "command": "x"}, None, [child])[0]
    second = submission.submit(farm, {"name": "two", "command": "y"}, None, [child])[0]
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    commands.cancel(farm, [first], "no longer wanted")
    assert status(farm, first) == "cancelled"
    commands.cancel(farm, [second], "neither")
    assert [status(farm, each) for each in (first, second, child)] == ["cancelled", "queued", "running"]
    check_counters(farm)
    client.beat(client.ended(order["run"], killed=True))
    assert [status(farm, each) for each in (first, second, child)] == ["cancelled", "cancelled", "cancelled"]


def test_cancel_spares_a_child_that_another_unfinished_parent_needs(farm: Farm) -> None:
    child = submit(farm, command="shared")
    first = submission.submit(farm, {"name": "one", "command": "x"}, None, [child])[0]
    second = submission.submit(farm, {"name": "two", "command": "y"}, None, [child])[0]
    commands.cancel(farm, [first], "no longer wanted")
    assert [status(farm, each) for each in (first, second, child)] == ["cancelled", "queued", "runnable"]
    commands.cancel(farm, [second], "no longer wanted")
    assert status(farm, child) == "cancelled"


def test_a_kill_that_is_not_confirmed_in_time_names_the_client_which_gets_no_new_work(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="sleep 100")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    commands.cancel(farm, [job], "no longer wanted")
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)
    details = lookup.job_detail(farm, job, ["status", "unconfirmed"])
    assert (details["status"], details["unconfirmed"]) == ("cancelled", ["alpha"])
    other = submit(farm, command="true")
    assert client.fetch() == []
    assert client.orders[order["run"]]["kind"] == "kill"
    client.beat(client.ended(order["run"], -1, killed=True))
    assert lookup.job_detail(farm, job, ["unconfirmed"])["unconfirmed"] == []
    assert [each["job"] for each in client.fetch()] == [other]


def test_a_silent_client_gets_no_new_work_and_then_loses_its_runs_to_another(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    assert status(farm, job) == "running"
    other = TestClient(farm, hostname="beta")
    other.register()
    other.beat()
    (second,) = other.fetch()
    assert (second["job"], second["run"] != order["run"]) == (job, True)
    late = client.beat(client.ended(order["run"]))
    assert late.results == {f"{order['run']}:ended": "superseded"}
    assert status(farm, job) == "running"
    other.beat(other.ended(second["run"]))
    assert status(farm, job) == "succeeded"


def test_a_client_that_returns_after_its_work_was_taken_is_told_to_end_the_run_and_gets_nothing_before(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """PROMISES 2.2: the old run is told to stop as soon as its client is heard again."""
    submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    other = TestClient(farm, hostname="beta")
    other.register()
    assert len(other.fetch()) == 1
    submit(farm, command="true", cpus=2)
    assert [(each["kind"], each["run"]) for each in client.beat().orders] == [("kill", order["run"])]
    assert client.fetch() == []
    report = client.ended(order["run"], -1, killed=True)
    assert client.beat(report).results == {report.id: "superseded"}
    assert [each["command"] for each in client.fetch()] == ["true"]


def test_a_lost_client_that_returns_before_anybody_took_its_work_goes_on_as_if_nothing_had_happened(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    assert "to be heard again" in lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"]
    client.beat()
    assert lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"] == ""
    client.beat(client.ended(order["run"]))
    assert status(farm, job) == "succeeded"


def test_work_whose_clients_are_lost_again_and_again_ends_abandoned(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="poison")
    for number in range(farm.policy.max_client_losses):
        victim = TestClient(farm, hostname=f"victim{number}")
        victim.register()
        victim.beat()
        assert [order["job"] for order in victim.fetch()] == [job]
        clock.advance(farm.policy.lost_seconds + 1)
        upkeep.notice_silence(farm)
    assert status(farm, job) == "abandoned"


def test_a_machine_that_booted_anew_gives_its_work_back_at_once(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    client.boot_id, client.session = "boot-2", "s2"
    client.register()
    assert status(farm, job) == "runnable"
    (again,) = client.fetch()
    assert again["run"] != order["run"]


def test_an_order_is_repeated_under_the_same_run_until_the_client_shows_that_it_arrived(
    farm: Farm, client: TestClient
) -> None:
    submit(farm, command="render")
    (order,) = client.fetch()
    assert [each["run"] for each in client.beat().orders] == [order["run"]]
    assert client.beat(queued=(order["run"],)).orders == []
    client.beat(client.started(order["run"]))
    assert client.beat().orders == []


def test_a_refused_order_goes_back_to_the_queue_and_burns_no_try(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", triesLeft=1)
    (order,) = client.fetch()
    client.beat(client.refused(order["run"]), accepting=False)
    details = lookup.job_detail(farm, job, ["status", "triesLeft"])
    assert (details["status"], details["triesLeft"]) == ("runnable", 1)


def test_a_report_applied_twice_changes_nothing(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="false", triesLeft=1)
    (order,) = client.fetch()
    report = client.ended(order["run"], 1)
    client.beat(report, accepting=False)
    assert client.beat(report, accepting=False).results == {report.id: "applied"}
    assert lookup.job_detail(farm, job, ["triesLeft"])["triesLeft"] == 0


def test_a_report_of_a_run_nobody_gave_out_is_unknown(farm: Farm, client: TestClient) -> None:
    report = client.ended("f" * 32)
    assert client.beat(report).results == {report.id: "unknown"}


def test_progress_reaches_the_job_and_its_ancestors_with_the_next_flush(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    ids = submission.submit(
        farm, {"name": "p", "children": [{"name": "a", "command": "a"}, {"name": "b", "command": "b"}]}
    )
    orders = client.fetch()
    client.beat(client.started(orders[0]["run"]), progress={orders[0]["run"]: 0.5})
    upkeep.flush(farm)
    assert lookup.job_detail(farm, ids[1], ["progress"])["progress"] == 0.5
    assert lookup.job_detail(farm, ids[0], ["overallProgress"])["overallProgress"] == 0.25
    clock.advance(10)
    client.beat(client.ended(orders[0]["run"], seconds=10.0))
    details = lookup.job_detail(farm, ids[0], ["overallProgress", "ETA"])
    assert details["overallProgress"] == 0.5
    assert details["ETA"] == 10.0


@pytest.mark.parametrize("policy", [Policy(beat_seconds=0.5, active_timeout_seconds=3.0)])
def test_a_client_that_is_lost_before_it_is_suspect_is_not_given_its_own_work_again(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """CONTRACT 9.10: a lost run stays the owner until *another* client takes the work."""
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    clock.advance(farm.policy.lost_seconds + 1)
    assert farm.policy.lost_seconds < farm.policy.suspect_seconds
    upkeep.notice_silence(farm)
    assert lookup.client_detail(farm, client.id, ["available"])["available"] is False
    while assignment.dispatch_pass(farm):
        pass
    client.beat(client.ended(order["run"]))
    assert status(farm, job) == "succeeded"


def test_a_restarted_daemon_that_still_holds_a_run_whose_kill_was_given_up_kills_it_and_takes_work_again(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """CONTRACT 9.11: it kills the run when it is heard again."""
    submit(farm, command="sleep 333")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    commands.cancel(farm, [order["job"]], "no longer wanted")
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)
    client.session, client.held = "s2", {order["run"]}
    assert client.register().stop == [], "told to stop it, it would do so and never say that it has"
    assert [(each["kind"], each["run"]) for each in client.beat().orders] == [("kill", order["run"])]
    client.beat(client.ended(order["run"], -1, killed=True))
    other = submit(farm, command="true")
    assert [each["job"] for each in client.fetch()] == [other]


def test_the_status_log_names_the_client_on_which_something_happened(farm: Farm, client: TestClient) -> None:
    """CONTRACT 9.14."""
    job = submit(farm, command="true")
    client.run_all()
    lines = lookup.job_detail(farm, job, ["logs"])["logs"]
    assert [(line["status"], line["client"]) for line in lines] == [
        ("runnable", ""),
        ("running", "alpha"),
        ("succeeded", "alpha"),
    ]
