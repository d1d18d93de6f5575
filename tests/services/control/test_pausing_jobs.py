"""Jobs that people pause and resume (CONTRACT 3.5, 9.3)."""

from __future__ import annotations

from control_kit import kinds, leaf, silence, start, tree, wait_out
from farm_kit import Asked, SetClock, TestClient, submit
from job_kit import lines, read, status

from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.intake import submission


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
