"""Jobs that people have done again, and the last try of those that nobody does (CONTRACT 3.3, 3.5, 9.12)."""

from __future__ import annotations

import pytest
from control_kit import kinds, leaf, silence, start, tree, wait_out
from farm_kit import SetClock, TestClient, check_counters, submit
from job_kit import lines, read, status

from hqserver.services.control import commands
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.queries import lookup


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
    assert [status(farm, each) for each in (parent, first, second)] == ["queued", "running", "cancelled"]
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


@pytest.mark.parametrize("policy", [Policy(max_failures_per_client=1_000)])
def test_a_job_ends_by_its_last_try(farm: Farm, client: TestClient) -> None:
    """CONTRACT 3.3: each failure takes one, and at none left the next makes the job `failed`."""
    job = submit(farm, command="x", triesLeft=5)
    assert client.run_all(code=1) == 6
    assert status(farm, job) == "failed"
    assert [message.rpartition("; ")[2] for message in lines(farm, job, "rescheduled")] == [
        *("4 tries left", "3 tries left", "2 tries left", "1 try left", "0 tries left"),
    ]
