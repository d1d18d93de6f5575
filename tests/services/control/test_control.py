"""What people ask of jobs: cancel, eject, priority (CONTRACT 3.5, 9.8 to 9.12)."""

from __future__ import annotations

import pytest
from control_kit import kinds, leaf, silence, start, tree, wait_out
from farm_kit import SetClock, TestClient, submit
from job_kit import lines, read, status

from hqserver.domain.errors import BadParameters
from hqserver.services.care import upkeep
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.queries import lookup

# Cancel --------------------------------------------------------------------------------------------------------------


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


# Eject ---------------------------------------------------------------------------------------------------------------


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


# Priority ------------------------------------------------------------------------------------------------------------


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


# Large families ------------------------------------------------------------------------------------------------------


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
