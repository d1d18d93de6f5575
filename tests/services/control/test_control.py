"""What people ask of jobs: pause, resume, cancel, eject, reschedule, priority (CONTRACT 3.5, 9.3, 9.8 to 9.12)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, submit

from hqserver.domain.errors import BadParameters
from hqserver.services.care import upkeep
from hqserver.services.control import commands
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.queries import lookup


def read(farm: Farm, job_id: int, *attribs: str) -> list[Any]:
    found = lookup.job_detail(farm, job_id, attribs)
    return [found[name] for name in attribs]


def status(farm: Farm, job_id: int) -> str:
    return str(read(farm, job_id, "status")[0])


def lines(farm: Farm, job_id: int, event: str) -> list[str]:
    """The messages of the job's history under one event."""
    return [line["message"] for line in read(farm, job_id, "logs")[0] if line["event"] == event]


def tree(farm: Farm, *children: dict[str, Any], **specification: Any) -> list[int]:
    return submission.submit(farm, {"name": "parent", "command": "p", **specification, "children": list(children)})


def leaf(**specification: Any) -> dict[str, Any]:
    return {"name": "child", "command": "c", **specification}


def start(client: TestClient) -> str:
    """Fetch the one run that is handed out and report that it has started; its id."""
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    return str(order["run"])


def kinds(client: TestClient, *reports: Any) -> list[tuple[str, str]]:
    return [(str(order["kind"]), str(order["run"])) for order in client.beat(*reports).orders]


def silence(farm: Farm, clock: SetClock) -> None:
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)


def wait_out(farm: Farm, clock: SetClock) -> None:
    """Let the time pass in which a client must confirm what was asked of it."""
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)


@pytest.fixture
def other(farm: Farm) -> TestClient:
    """A second client, which takes no work until it beats again."""
    found = TestClient(farm, hostname="beta", session="b")
    found.register()
    found.beat(accepting=False)
    return found


# Pause -------------------------------------------------------------------------------------------------------------


def test_a_waiting_job_that_is_paused_is_not_handed_out(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    commands.pause(farm, [job], "lunch")
    assert read(farm, job, "status", "uiStatus", "held", "waitingFor") == [
        *("paused", "paused", "pause", "somebody to resume it"),
    ]
    assert client.fetch() == []
    assert lines(farm, job, "held") == ["lunch"]
    commands.resume(farm, [job], "lunch is over")
    assert read(farm, job, "status", "uiStatus", "held") == ["runnable", "waiting for resources", ""]
    assert lines(farm, job, "resumed") == ["lunch is over"]
    assert len(client.fetch()) == 1


def test_a_running_job_that_is_paused_stands_still_on_its_client_and_keeps_it(
    farm: Farm, client: TestClient, asked: Asked
) -> None:
    job = submit(farm, command="x", cpus=2)
    run = start(client)
    asked.woken.clear()
    commands.pause(farm, [job], "lunch")
    assert read(farm, job, "status", "uiStatus", "held") == ["pausing", "pausing", "pause"]
    assert asked.woken == [client.id]
    assert kinds(client) == [("pause", run)]
    assert kinds(client) == [("pause", run)], "it is repeated until the client has confirmed it"
    assert kinds(client, client.paused(run)) == []
    assert read(farm, job, "status", "uiStatus", "held") == ["paused", "paused", "pause"]
    submit(farm, command="y")
    assert client.fetch() == [], "the client stays assigned"
    commands.resume(farm, [job], "now")
    assert status(farm, job) == "resuming"
    assert kinds(client) == [("resume", run)]
    client.beat(client.resumed(run))
    assert read(farm, job, "status", "held") == ["running", ""]
    client.beat(client.ended(run))
    assert status(farm, job) == "succeeded"


def test_pausing_twice_and_resuming_twice_change_nothing(farm: Farm, client: TestClient) -> None:
    """9.3: jobs already in the wanted status, and ids nobody knows, are ignored."""
    job = submit(farm, command="x")
    run = start(client)
    commands.resume(farm, [job, 99], "now")
    commands.pause(farm, [job, 99], "lunch")
    client.beat(client.paused(run))
    commands.pause(farm, [job], "dinner")
    assert lines(farm, job, "held") == ["lunch"]
    commands.resume(farm, [job], "now")
    commands.resume(farm, [job], "really")
    assert lines(farm, job, "resumed") == ["now"]


def test_an_offer_that_has_not_started_goes_back_when_its_job_is_paused(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", triesLeft=1)
    (order,) = client.fetch()
    commands.pause(farm, [job], "lunch")
    assert kinds(client) == [("pause", order["run"])]
    client.beat(client.refused(order["run"], "paused before it started"))
    assert read(farm, job, "status", "triesLeft", "clients") == [
        *("paused", 1, [{"id": client.id, "hostname": "alpha", "name": "", "label": "alpha", "ip": "127.0.0.1"}]),
    ]
    assert client.fetch() == []
    commands.resume(farm, [job], "now")
    assert client.run_all() == 1
    assert status(farm, job) == "succeeded"


def test_a_family_of_several_levels_is_paused_and_resumed_as_a_whole(farm: Farm, client: TestClient) -> None:
    root, middle, leaf_ = tree(farm, leaf(children=[leaf(cpus=1)]))
    run = start(client)
    commands.pause(farm, [root], "lunch")
    client.beat(client.paused(run))
    assert [read(farm, job, "status", "uiStatus", "held") for job in (root, middle, leaf_)] == [
        ["queued", "paused", "pause"],
        ["queued", "paused", "pause"],
        ["paused", "paused", "pause"],
    ]
    commands.resume(farm, [root], "now")
    client.beat(client.resumed(run))
    client.beat(client.ended(run))
    assert client.run_all() == 2
    assert [status(farm, job) for job in (root, middle, leaf_)] == ["succeeded"] * 3


def test_pausing_a_child_leaves_its_parent_waiting(farm: Farm, client: TestClient) -> None:
    parent, child = tree(farm, leaf())
    commands.pause(farm, [child], "lunch")
    assert [status(farm, parent), status(farm, child)] == ["queued", "paused"]
    assert read(farm, parent, "uiStatus", "held") == ["waiting for resources", ""]
    assert client.fetch() == []


def test_a_child_that_another_parent_needs_is_not_paused_until_that_one_is_too(farm: Farm) -> None:
    shared = submit(farm, command="shared")
    one, two = (submission.submit(farm, {"name": name, "command": "x"}, None, [shared])[0] for name in ("one", "two"))
    commands.pause(farm, [one], "lunch")
    assert [read(farm, job, "held")[0] for job in (one, two, shared)] == ["pause", "", ""]
    commands.pause(farm, [two], "lunch")
    assert read(farm, shared, "status", "held") == ["paused", "pause"]
    commands.resume(farm, [one], "now")
    assert [read(farm, job, "held")[0] for job in (one, two, shared)] == ["", "pause", ""], "the first one needs it"


def test_a_child_paused_with_both_its_parents_goes_on_with_either(farm: Farm) -> None:
    shared = submit(farm, command="shared")
    one, two = (submission.submit(farm, {"name": name, "command": "x"}, None, [shared])[0] for name in ("one", "two"))
    commands.pause(farm, [one, two], "lunch")
    assert status(farm, shared) == "paused"
    commands.resume(farm, [two], "now")
    assert [status(farm, one), read(farm, one, "held")[0], status(farm, shared)] == ["queued", "pause", "runnable"]


def test_a_job_whose_children_ended_while_it_was_held_waits_for_its_resume(farm: Farm, client: TestClient) -> None:
    parent, _child = tree(farm, leaf())
    run = start(client)
    commands.pause(farm, [parent], "lunch")
    client.beat(client.ended(run))
    assert read(farm, parent, "status", "held") == ["paused", "pause"]
    assert client.fetch() == []
    commands.resume(farm, [parent], "now")
    assert client.run_all() == 1
    assert status(farm, parent) == "succeeded"


def test_a_command_that_ends_before_it_could_be_stopped_has_ended(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    run = start(client)
    commands.pause(farm, [job], "lunch")
    client.beat(client.ended(run))
    assert read(farm, job, "status", "held") == ["succeeded", ""]


def test_a_command_that_fails_while_it_is_paused_is_tried_again_once_resumed(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", triesLeft=1)
    run = start(client)
    commands.pause(farm, [job], "lunch")
    client.beat(client.paused(run))
    client.beat(client.ended(run, 9))
    assert read(farm, job, "status", "triesLeft") == ["paused", 0]
    assert client.fetch() == []
    commands.resume(farm, [job], "now")
    assert client.run_all() == 1


def test_a_job_paused_while_its_client_is_lost_is_stopped_when_that_is_heard_again(
    farm: Farm, client: TestClient, other: TestClient, clock: SetClock
) -> None:
    """9.10: the lost run stays the owner; held, its work goes to nobody else."""
    job = submit(farm, command="x")
    run = start(client)
    silence(farm, clock)
    commands.pause(farm, [job], "lunch")
    other.beat()
    assert other.fetch() == []
    assert kinds(client) == [("pause", run)]
    client.beat(client.paused(run))
    assert status(farm, job) == "paused"


def test_a_paused_job_whose_client_is_lost_stays_paused_there_when_it_is_heard_again(
    farm: Farm, client: TestClient, other: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="x")
    run = start(client)
    commands.pause(farm, [job], "lunch")
    client.beat(client.paused(run))
    silence(farm, clock)
    assert "alpha to be heard again" in read(farm, job, "waitingFor")[0]
    other.beat()
    assert other.fetch() == [], "it is held"
    assert kinds(client, client.paused(run)) == []
    assert read(farm, job, "status", "held") == ["paused", "pause"]


def test_a_job_resumed_while_its_client_is_lost_goes_on_there_or_elsewhere(
    farm: Farm, client: TestClient, other: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="x")
    run = start(client)
    commands.pause(farm, [job], "lunch")
    client.beat(client.paused(run))
    silence(farm, clock)
    commands.resume(farm, [job], "now")
    assert kinds(client) == [("resume", run)], "nobody has told that client yet"
    client.beat(client.resumed(run))
    assert status(farm, job) == "running"
    commands.pause(farm, [job], "lunch")
    client.beat(client.paused(run))
    silence(farm, clock)
    commands.resume(farm, [job], "now")
    other.beat()
    assert [order["job"] for order in other.fetch()] == [job]


def test_a_daemon_that_starts_anew_with_a_paused_run_goes_on_as_the_server_wants(
    farm: Farm, client: TestClient
) -> None:
    job = submit(farm, command="x")
    run = start(client)
    commands.pause(farm, [job], "lunch")
    client.beat(client.paused(run))
    client.session, client.held = "s2", {run}
    assert client.register().stop == []
    assert kinds(client, client.started(run), client.paused(run)) == []
    assert status(farm, job) == "paused"
    commands.resume(farm, [job], "now")
    client.session = "s3"
    client.register()
    # It has found its run paused and does not know yet that it is to go on.
    assert kinds(client, client.paused(run)) == [("resume", run)]
    client.beat(client.resumed(run))
    assert status(farm, job) == "running"


def test_a_daemon_that_finds_a_run_stopped_which_nobody_paused_is_told_to_let_it_go_on(
    farm: Farm, client: TestClient
) -> None:
    job = submit(farm, command="x")
    run = start(client)
    assert kinds(client, client.paused(run)) == [("resume", run)]
    client.beat(client.resumed(run))
    assert status(farm, job) == "running"


def test_a_resume_before_the_pause_is_confirmed_counts(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    run = start(client)
    commands.pause(farm, [job], "lunch")
    commands.resume(farm, [job], "no lunch")
    assert status(farm, job) == "resuming"
    assert kinds(client, client.paused(run)) == [("resume", run)], "an answer to the older order changes nothing"
    client.beat(client.resumed(run))
    assert read(farm, job, "status", "held") == ["running", ""]
    assert client.beat().orders == []


def test_a_pause_that_nobody_confirms_in_time_is_over(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """No status is transitional without a bound (DESIGN)."""
    job = submit(farm, command="x")
    run = start(client)
    commands.pause(farm, [job], "lunch")
    wait_out(farm, clock)
    assert read(farm, job, "status", "held") == ["running", ""]
    assert lines(farm, job, "pause not confirmed") == ["alpha has not confirmed it in time"]
    assert kinds(client, client.paused(run)) == [("resume", run)], "confirmed too late, it is let go on"


def test_a_resume_that_nobody_confirms_in_time_leaves_the_job_paused(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="x")
    run = start(client)
    commands.pause(farm, [job], "lunch")
    client.beat(client.paused(run))
    commands.resume(farm, [job], "now")
    wait_out(farm, clock)
    assert read(farm, job, "status", "held") == ["paused", "pause"]
    assert lines(farm, job, "resume not confirmed") == ["alpha has not confirmed it in time"]
    commands.resume(farm, [job], "now!")
    client.beat(client.resumed(run))
    assert status(farm, job) == "running"


# Cancel ------------------------------------------------------------------------------------------------------------


def test_a_paused_job_is_cancelled_as_any_other(farm: Farm, client: TestClient) -> None:
    waiting, running = submit(farm, command="x", cpus=2, priority=0), submit(farm, command="y", priority=1)
    run = start(client)
    commands.pause(farm, [waiting, running], "lunch")
    client.beat(client.paused(run))
    commands.cancel(farm, [waiting, running], "gone")
    assert read(farm, waiting, "status", "held") == ["cancelled", ""]
    assert read(farm, running, "status", "waitingFor") == ["paused", "ending on alpha"], "9.11: the status stays"
    assert kinds(client) == [("kill", run)]
    client.beat(client.ended(run, killed=True))
    assert read(farm, running, "status", "held") == ["cancelled", ""]


def test_a_paused_run_that_its_client_ends_because_it_terminates_is_cancelled(farm: Farm, client: TestClient) -> None:
    """CONTRACT 1.4: what runs there goes back to the queue, and what is paused is cancelled."""
    paused = submit(farm, command="x")
    first = start(client)
    commands.pause(farm, [paused], "lunch")
    client.beat(client.paused(first))
    running = submit(farm, command="y")
    second = start(client)
    client.beat(client.ended(first, killed=True), client.ended(second, killed=True), accepting=False)
    assert [status(farm, paused), status(farm, running)] == ["cancelled", "runnable"]


def test_a_command_that_ran_longer_than_it_may_cancels_its_job(farm: Farm, client: TestClient) -> None:
    """CONTRACT 2.1, maxTime: no try is burnt, for none would be quicker."""
    job = submit(farm, command="x", maxTime=60, triesLeft=3)
    (order,) = client.fetch()
    assert order["maxTime"] == 60.0
    client.beat(client.reached(order["run"], "maxTime"))
    assert read(farm, job, "status", "triesLeft") == ["cancelled", 3]
    assert lines(farm, job, "status")[-1] == "maxTime: it was reached on alpha"


def test_cancelling_says_why(farm: Farm, client: TestClient) -> None:
    waiting = submit(farm, command="x")
    commands.cancel(farm, [waiting], "wrong scene")
    assert lines(farm, waiting, "status")[-1] == "wrong scene"
    running = submit(farm, command="x")
    start(client)
    commands.cancel(farm, [running], "wrong scene")
    assert lines(farm, running, "cancel") == ["ending on alpha: wrong scene"]


def test_a_job_that_is_cancelled_while_the_children_it_added_live_leaves_none_of_its_progress_ahead(
    farm: Farm, client: TestClient
) -> None:
    job = submit(farm, command="fan out", cleanup="rm")
    run = start(client)
    child = submission.submit(farm, leaf(cpus=2), job)[0]
    client.beat(client.started(run), progress={run: 0.5})
    upkeep.flush(farm)
    client.beat(client.ended(run), accepting=False)
    assert read(farm, job, "status", "progress") == ["running", 1.0]
    commands.cancel(farm, [job], "gone")
    assert [status(farm, job), status(farm, child)] == ["cancelled", "cancelled"]
    assert lines(farm, job, "hooks skipped") == ["cleanup: its command has left its client"]


# Eject -------------------------------------------------------------------------------------------------------------


def test_an_ejected_job_goes_back_to_the_queue_and_to_another_client_first(
    farm: Farm, client: TestClient, other: TestClient
) -> None:
    """9.12: killed, confirmed, back to the queue, no try burnt, the same client last in line."""
    job = submit(farm, command="x", triesLeft=1)
    run = start(client)
    commands.eject(farm, [job], "needed elsewhere")
    assert read(farm, job, "status", "waitingFor") == ["running", "ending on alpha"]
    assert kinds(client) == [("kill", run)]
    assert kinds(client, client.ended(run, 143, killed=True)) == [], "it does not get it back with the answer"
    assert read(farm, job, "status", "triesLeft") == ["runnable", 1]
    assert lines(farm, job, "ejecting") == ["taken off alpha: needed elsewhere"]
    assert lines(farm, job, "ejected") == ["killed on alpha"]
    other.beat()
    assert [order["job"] for order in other.fetch()] == [job]


def test_an_ejected_job_gets_the_same_client_again_where_there_is_no_other(farm: Farm, client: TestClient) -> None:
    """9.12."""
    job = submit(farm, command="x")
    run = start(client)
    commands.eject(farm, [job], "for a moment")
    client.beat(client.ended(run, killed=True))
    assert [order["job"] for order in client.fetch()] == [job]


def test_an_ejected_command_that_was_quicker_than_its_kill_keeps_its_result(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    run = start(client)
    commands.eject(farm, [job], "needed elsewhere")
    client.beat(client.ended(run))
    assert read(farm, job, "status", "outcome") == ["succeeded", "exit"]


def test_an_offer_that_is_ejected_before_it_starts_goes_back(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    commands.eject(farm, [job], "needed elsewhere")
    client.beat(client.refused(order["run"]), accepting=False)
    assert status(farm, job) == "runnable"


def test_a_paused_job_that_is_ejected_stays_held(farm: Farm, client: TestClient, other: TestClient) -> None:
    job = submit(farm, command="x")
    run = start(client)
    commands.pause(farm, [job], "lunch")
    client.beat(client.paused(run))
    commands.eject(farm, [job], "needed elsewhere")
    client.beat(client.ended(run, killed=True))
    assert read(farm, job, "status", "held") == ["paused", "pause"]
    other.beat()
    assert other.fetch() == []


def test_a_job_that_is_cancelled_while_it_is_ejected_is_cancelled(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    run = start(client)
    commands.eject(farm, [job], "needed elsewhere")
    commands.cancel(farm, [job], "gone")
    client.beat(client.ended(run, 0))
    assert status(farm, job) == "cancelled"
    commands.eject(farm, [job], "nothing to eject")
    assert lines(farm, job, "ejecting") == ["taken off alpha: needed elsewhere"]


def test_a_job_whose_ejection_is_not_confirmed_in_time_goes_to_another_client(
    farm: Farm, client: TestClient, other: TestClient, clock: SetClock
) -> None:
    """9.11, 9.12: the silent one gets no new work until it says that nothing is left."""
    job = submit(farm, command="x")
    run = start(client)
    commands.eject(farm, [job], "needed elsewhere")
    wait_out(farm, clock)
    assert status(farm, job) == "runnable"
    assert client.fetch() == []
    other.beat()
    (order,) = other.fetch()
    other.beat(other.started(order["run"]))
    assert client.orders[run]["kind"] == "kill"
    assert client.beat(client.ended(run, 0)).results == {f"{run}:ended": "superseded"}, "too late to count"
    assert status(farm, job) == "running"
    submit(farm, command="y")
    assert len(client.fetch()) == 1


def test_ejecting_what_does_not_run_changes_nothing(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    commands.eject(farm, [job, 99], "needed elsewhere")
    assert [line["event"] for line in read(farm, job, "logs")[0]] == ["submitted"]


def test_what_is_left_on_its_client_though_it_was_to_be_ejected_says_why(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """9.12."""
    cancelled = submit(farm, command="x", cpus=1)
    start(client)
    lost = submit(farm, command="x", cpus=1)
    start(client)
    commands.cancel(farm, [cancelled], "gone")
    silence(farm, clock)
    commands.eject(farm, [cancelled, lost], "needed elsewhere")
    assert lines(farm, lost, "not ejected") == ["alpha is silent: another client may take it over"]
    assert lines(farm, lost, "ejecting") == []


# Reschedule --------------------------------------------------------------------------------------------------------


def test_a_finished_job_that_is_rescheduled_runs_again_with_all_its_tries(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", triesLeft=1)
    assert client.run_all(code=1) == 2
    assert read(farm, job, "status", "triesLeft") == ["failed", 0]
    commands.reschedule(farm, [job], "the disk has room again")
    found = lookup.job_detail(farm, job, None)
    assert (found["status"], found["triesLeft"], found["progress"], found["outcome"]) == ("runnable", 1, 0.0, "")
    assert [found[name] for name in ("startTime", "endTime", "commandStartTime", "commandEndTime")] == [None] * 4
    assert found["runnableTime"] is not None
    assert lines(farm, job, "rescheduled")[-1] == "the disk has room again"
    assert client.run_all() == 1
    assert read(farm, job, "status", "outcome") == ["succeeded", "exit"]


def test_a_job_may_be_run_any_number_of_times(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    for _ in range(3):
        assert client.run_all() == 1
        assert status(farm, job) == "succeeded"
        check_counters(farm)
        commands.reschedule(farm, [job], "once more")
        check_counters(farm)
    commands.cancel(farm, [job], "enough")
    commands.reschedule(farm, [job], "after all")
    assert client.run_all() == 1
    assert status(farm, job) == "succeeded"


def test_an_unfinished_job_is_not_rescheduled(farm: Farm, client: TestClient) -> None:
    """9.12: `rescheduleJobs` on an unfinished job changes nothing."""
    parent, child = tree(farm, leaf())
    start(client)
    before = read(farm, child, "logs")
    commands.reschedule(farm, [parent, child, 99], "impatient")
    assert [status(farm, parent), status(farm, child)] == ["queued", "running"]
    assert read(farm, child, "logs") == before


def test_a_cancelled_family_that_is_rescheduled_before_its_kill_is_confirmed_is_done_again(
    farm: Farm, client: TestClient
) -> None:
    """3.5: it takes effect when the kill is confirmed, the child that is being killed included."""
    parent, first, second = tree(farm, leaf(cpus=2, triesLeft=3), leaf(cpus=2, triesLeft=3))
    run = start(client)
    commands.cancel(farm, [parent], "wrong scene")
    assert [status(farm, each) for each in (parent, first, second)] == ["cancelled", "running", "cancelled"]
    commands.reschedule(farm, [parent], "the right scene after all")
    assert [status(farm, each) for each in (parent, first, second)] == ["queued", "running", "runnable"]
    assert read(farm, first, "waitingFor") == ["ending on alpha"]
    assert lines(farm, first, "rescheduled") == ["the right scene after all"]
    assert kinds(client) == [("kill", run)], "what was begun is killed all the same"
    client.beat(client.ended(run, 143, killed=True), accepting=False)
    assert read(farm, first, "status", "triesLeft") == ["runnable", 3], "no try is burnt"
    client.beat()
    assert client.run_all() == 3
    assert [status(farm, each) for each in (parent, first, second)] == ["succeeded"] * 3


def test_the_child_that_is_being_killed_takes_its_cancelled_parent_with_it(farm: Farm, client: TestClient) -> None:
    parent, child = tree(farm, leaf())
    run = start(client)
    commands.cancel(farm, [parent], "wrong scene")
    commands.reschedule(farm, [child], "after all")
    client.beat(client.ended(run, 143, killed=True), accepting=False)
    client.beat()
    assert client.run_all() == 2
    assert [status(farm, parent), status(farm, child)] == ["succeeded", "succeeded"]


def test_a_parent_that_is_being_killed_with_its_child_is_done_again_with_it(farm: Farm, client: TestClient) -> None:
    """2.2: a running command added the child."""
    parent = submit(farm, command="p")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    child = submission.submit(farm, leaf(), parent)[0]
    (below,) = client.fetch()
    client.beat(client.started(below["run"]))
    commands.cancel(farm, [parent], "wrong scene")
    client.beat(client.ended(below["run"], killed=True))
    assert [status(farm, parent), status(farm, child)] == ["running", "cancelled"]
    commands.reschedule(farm, [parent], "after all")
    client.beat(client.ended(order["run"], killed=True), accepting=False)
    assert [status(farm, parent), status(farm, child)] == ["queued", "runnable"]
    client.beat()
    assert client.run_all() == 2
    assert [status(farm, parent), status(farm, child)] == ["succeeded", "succeeded"]


def test_a_rescheduled_job_whose_kill_is_never_confirmed_goes_to_another_client(
    farm: Farm, client: TestClient, other: TestClient, clock: SetClock
) -> None:
    """9.11: its client gets no new work until it says that nothing is left."""
    parent, child = tree(farm, leaf())
    start(client)
    commands.cancel(farm, [parent], "wrong scene")
    commands.reschedule(farm, [parent], "after all")
    wait_out(farm, clock)
    assert [status(farm, parent), status(farm, child)] == ["queued", "runnable"]
    assert client.fetch() == []
    other.beat()
    assert other.run_all() == 2
    assert [status(farm, parent), status(farm, child)] == ["succeeded", "succeeded"]


def test_a_job_that_is_cancelled_rescheduled_and_cancelled_is_cancelled(farm: Farm, client: TestClient) -> None:
    parent, child = tree(farm, leaf())
    run = start(client)
    commands.cancel(farm, [parent], "once")
    commands.reschedule(farm, [parent], "no")
    commands.cancel(farm, [parent], "yes")
    client.beat(client.ended(run, killed=True))
    assert [status(farm, parent), status(farm, child)] == ["cancelled", "cancelled"]


def test_parents_and_failed_children_are_rescheduled_and_other_children_keep_their_results(
    farm: Farm, client: TestClient
) -> None:
    """CONTRACT 3.5."""
    root, middle, good, bad, worse = tree(farm, leaf(command="m", children=[leaf(), leaf(command="bad")]), leaf())
    orders = {order["command"]: order for order in client.fetch()}
    assert set(orders) == {"c", "bad"}
    client.beat(client.ended(orders["c"]["run"]), client.ended(orders["bad"]["run"], 1))
    (order,) = client.fetch()
    client.beat(client.ended(order["run"], 1))
    assert [status(farm, job) for job in (root, middle, good, bad, worse)] == [
        *("failed", "failed", "succeeded", "failed", "failed"),
    ]
    commands.reschedule(farm, [middle], "repaired")
    assert [status(farm, job) for job in (root, middle, good, bad, worse)] == [
        *("queued", "queued", "succeeded", "runnable", "failed"),
    ]
    check_counters(farm)
    assert read(farm, root, "tasks", "overallProgress") == [{"total": 4, "finished": 2, "failed": 1}, 0.2]
    commands.reschedule(farm, [worse], "repaired too")
    assert client.run_all() == 4
    assert [status(farm, job) for job in (root, middle, good, bad, worse)] == ["succeeded"] * 5


def test_a_rescheduled_child_takes_every_parent_with_it(farm: Farm, client: TestClient) -> None:
    shared = submit(farm, command="shared")
    parents = [submission.submit(farm, {"name": "p", "command": "x"}, None, [shared])[0] for _ in range(2)]
    above = submission.submit(farm, {"name": "top", "command": "t"}, None, parents)[0]
    assert client.run_all() == 4
    commands.reschedule(farm, [shared], "once more")
    assert [status(farm, job) for job in (above, *parents, shared)] == ["queued", "queued", "queued", "runnable"]
    assert client.run_all() == 4
    assert [status(farm, job) for job in (above, *parents, shared)] == ["succeeded"] * 4


def test_a_parent_that_runs_or_waits_is_not_reset_but_counts_its_child_again(farm: Farm, client: TestClient) -> None:
    parent, first, _second = tree(farm, leaf(priority=1), leaf(cpus=2))
    run = start(client)
    client.beat(client.ended(run, 1), accepting=False)
    assert read(farm, parent, "status", "tasks") == ["queued", {"total": 2, "finished": 1, "failed": 1}]
    commands.reschedule(farm, [first], "repaired")
    assert read(farm, parent, "status", "tasks") == ["queued", {"total": 2, "finished": 0, "failed": 0}]
    client.beat()
    assert client.run_all() == 3
    assert status(farm, parent) == "succeeded"


def test_a_container_that_is_rescheduled_without_failed_children_succeeds_again_at_once(
    farm: Farm, client: TestClient
) -> None:
    parent, _child = tree(farm, leaf(), command="")
    client.run_all()
    commands.reschedule(farm, [parent], "once more")
    assert read(farm, parent, "status", "outcome", "clients") == ["succeeded", "empty", []]
    assert client.fetch() == []


def test_a_rescheduled_job_forgets_which_clients_failed_it(farm: Farm, client: TestClient) -> None:
    """CONTRACT 3.6."""
    job = submit(farm, command="x", triesLeft=farm.policy.max_failures_per_client)
    client.run_all(code=1)
    assert read(farm, job, "status", "blockedClients") == ["runnable", ["alpha"]]
    commands.cancel(farm, [job], "nobody can run it")
    commands.reschedule(farm, [job], "repaired")
    assert read(farm, job, "blockedClients") == [[]]
    assert client.run_all() == 1


def test_an_abandoned_job_can_be_rescheduled(farm: Farm, clock: SetClock) -> None:
    """CONTRACT 3.6: its losses are forgotten with the rest."""
    job = submit(farm, command="x")
    for number in range(farm.policy.max_client_losses):
        victim = TestClient(farm, hostname=f"victim{number}", session=f"v{number}")
        victim.register()
        victim.beat()
        victim.fetch()
        silence(farm, clock)
    assert status(farm, job) == "abandoned"
    commands.reschedule(farm, [job], "the machines are up again")
    last = TestClient(farm, hostname="last", session="l")
    last.register()
    last.beat()
    last.fetch()
    silence(farm, clock)
    assert status(farm, job) == "running", "one more loss is not the last"


# Priority ----------------------------------------------------------------------------------------------------------


def test_priority_reaches_the_family_and_orders_the_queue(farm: Farm, client: TestClient) -> None:
    client.cpus = 1
    early = submit(farm, command="early", cpus=2)
    parent, child = tree(farm, leaf(cpus=2))
    commands.set_priority(farm, [parent, 99], 7)
    assert [read(farm, job, "priority")[0] for job in (early, parent, child)] == [0, 7, 7]
    assert lines(farm, child, "priority changed") == ["from 0 to 7"]
    assert [order["job"] for order in client.fetch()] == [child]


def test_the_priority_of_a_finished_job_stays_and_a_negative_one_is_refused(farm: Farm) -> None:
    job = submit(farm)
    commands.set_priority(farm, [job], 3)
    assert read(farm, job, "priority") == [0]
    with pytest.raises(BadParameters, match="priority must be 0 or more, not -1"):
        commands.set_priority(farm, [job], -1)


# Large families ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_large_family_is_changed_in_parts_and_as_a_whole(farm: Farm, client: TestClient) -> None:
    ids = tree(farm, *[leaf(cpus=2) for _ in range(1100)])
    commands.pause(farm, [ids[0]], "lunch")
    assert {found["held"] for found in lookup.job_details(farm, ids, ["held"])} == {"pause"}
    commands.resume(farm, [ids[0]], "now")
    commands.set_priority(farm, [ids[0]], 2)
    assert {found["priority"] for found in lookup.job_details(farm, ids, ["priority"])} == {2}
    commands.cancel(farm, [ids[0]], "gone")
    assert {found["status"] for found in lookup.job_details(farm, ids, ["status"])} == {"cancelled"}
    commands.reschedule(farm, [ids[0]], "after all")
    assert {found["status"] for found in lookup.job_details(farm, ids, ["status"])} == {"queued", "runnable"}


@pytest.mark.parametrize("policy", [Policy(max_failures_per_client=1_000)])
def test_a_job_ends_by_its_last_try(farm: Farm, client: TestClient) -> None:
    """CONTRACT 3.3: each failure takes one, and at none left the next makes the job `failed`."""
    job = submit(farm, command="x", triesLeft=5)
    assert client.run_all(code=1) == 6
    assert status(farm, job) == "failed"
    assert [message.rpartition("; ")[2] for message in lines(farm, job, "rescheduled")] == [
        *("4 tries left", "3 tries left", "2 tries left", "1 try left", "0 tries left"),
    ]
