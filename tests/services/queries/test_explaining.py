"""Why a job does not run: every kind of reason, in the words of the rules by which work is given out (CONTRACT 10)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from farm_kit import Asked, SetClock, TestClient, open_farm, submit
from hypothesis import given, settings
from scheduling_kit import another, end, handed_out, held_for, passes, run_of, set_rules, several, silence, waiting_for

from hqserver.domain.errors import BadParameters, NotFound
from hqserver.domain.reason import Reason
from hqserver.services import resources
from hqserver.services.care import upkeep
from hqserver.services.clients import client_control, groups
from hqserver.services.control import commands
from hqserver.services.control.changing import change_jobs
from hqserver.services.control.changing_work import change_work
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.intake.agenda import add_work
from hqserver.services.queries import explaining
from hqserver.services.queries.explaining import Explanation, explain
from hqserver.store import failures


def unmet(found: list[Reason]) -> list[str]:
    return [reason.requirement for reason in found if not reason.holds]


def on(found: Explanation, label: str) -> list[Reason]:
    """What does not hold of one client."""
    (client,) = (each for each in found.clients if each.client == label)
    assert client.eligible is all(reason.holds for reason in client.reasons)
    return [reason for reason in client.reasons if not reason.holds]


def agrees(farm: Farm, job: int) -> Explanation:
    """The explanation, once it was seen that its first reason is what `waitingFor` says, and that each reason that does
    not hold has a remedy."""
    found = explain(farm, job)
    waits = waiting_for(farm, job)
    if waits:
        assert found.summary == waits
        sentences = [reason.sentence for reason in found.job if not reason.holds and reason.sentence]
        own = " and ".join(sentences[:2])
        assert waits in (sentences[0], own) if sentences else waits == "its turn"
    everything = [*found.job, *(reason for client in found.clients for reason in client.reasons)]
    for reason in everything:
        assert reason.wanted and reason.found, reason
        assert bool(reason.remedy) != reason.holds, reason
    return found


def blocker(farm: Farm, **specification: Any) -> int:
    """A job that runs."""
    job = submit(farm, command="x", **specification)
    assert job in handed_out(farm)
    return job


# The job's own -------------------------------------------------------------------------------------------------------


def test_children_that_have_not_ended_are_named(farm: Farm, client: TestClient) -> None:
    child = {"name": "c", "command": "x", "cpus": 2}
    parent, first, *_ = submission.submit(farm, {"name": "p", "command": "x", "children": [child] * 7})
    passes(farm)
    end(client, first)
    found = agrees(farm, parent)
    assert unmet(found.job) == ["children", "freeClients"], "it tells beforehand what clients lack"
    assert found.job[0].found == (
        "6 of 7 have not: 3 (running), 4 (runnable), 5 (runnable), 6 (runnable), 7 (runnable) and 1 more"
    )
    assert found.job[0].remedy == "they end: hq why 3 says why one waits"
    assert unmet(on(found, "alpha")) == ["freeCpus"]


def test_a_job_that_is_held_back_says_how_to_let_it_go(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    commands.pause(farm, [job], "later")
    found = agrees(farm, job)
    assert (found.summary, unmet(found.job)) == ("somebody to resume it", ["held"])
    assert found.job[0].remedy == f"hq resume {job} (resumeJobs)"
    assert [each.eligible for each in found.clients] == [True], "nothing else keeps it"


def test_a_parent_that_is_held_too_says_both(farm: Farm, client: TestClient) -> None:
    parent, _ = submission.submit(farm, {"name": "p", "command": "x", "children": [{"name": "c", "command": "x"}]})
    commands.pause(farm, [parent], "later")
    assert unmet(agrees(farm, parent).job) == ["children", "held"]


def test_a_job_that_somebody_blocked_says_how_to_unblock_it(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    change_jobs(farm, [job], "block", None, "ada")
    found = agrees(farm, job)
    assert (found.summary, unmet(found.job)) == ("somebody to unblock it", ["held"])
    assert found.job[0].remedy == f"hq change unblock {job} (changeJobs)"


def test_pieces_that_somebody_blocked_are_counted(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", agenda="1-3", cpus=2)
    change_work(farm, job, ["1", "2"], "block", None, "ada")
    found = agrees(farm, job)
    assert (found.summary, unmet(found.job)) == ("its turn", ["held"])
    assert found.job[0].found == "2 of its pieces are blocked"
    change_work(farm, job, ["3"], "block", None, "ada")
    found = agrees(farm, job)
    assert (found.summary, unmet(found.job)) == ("somebody to unblock its pieces", ["held"])
    assert found.job[0].remedy == f"hq change-work unblock {job} PIECE (changeWork)"
    change_work(farm, job, ["1"], "unblock", None, "ada")
    assert handed_out(farm) == {job: ["alpha"]}


@pytest.mark.parametrize("how", [commands.cancel, commands.eject])
def test_a_kill_that_is_not_confirmed_is_told(farm: Farm, client: TestClient, how: Any) -> None:
    job = blocker(farm)
    client.beat(client.started(run_of(farm, job)))
    how(farm, [job], "away")
    found = agrees(farm, job)
    assert (found.summary, unmet(found.job), found.clients) == ("ending on alpha", ["ending"], [])


@pytest.mark.parametrize(("lease", "seeks"), [(0, True), (600, False)])
def test_a_lost_client_is_told_and_who_could_take_over(
    farm: Farm, client: TestClient, clock: SetClock, lease: int, seeks: bool
) -> None:
    beta = another(farm, "beta")
    client_control.set_disabled(farm, "beta", True)
    job = blocker(farm, cpus=2, lease=lease)
    silence(clock, beta, seconds=farm.policy.lost_seconds + 10)
    upkeep.notice_silence(farm)
    found = agrees(farm, job)
    assert unmet(found.job)[0] == "lost"
    assert bool(found.clients) is seeks
    if seeks:
        assert unmet(on(found, "beta")) == ["enabled"]
        assert unmet(on(found, "alpha")) == ["heartbeat"], "the CPUs that its own lost run takes count as free"
        client_control.set_disabled(farm, "beta", False)
        assert [each["label"] for each in explaining.client_order(farm, job)] == ["beta"]
        assert handed_out(farm) == {job: ["beta"]}


def test_work_that_is_put_back_for_a_while_says_so(farm: Farm, client: TestClient) -> None:
    job = blocker(farm, failurePatterns=[{"pattern": "no licence", "action": "licence"}])
    client.beat(client.ended(run_of(farm, job), 1, failure="licence", line="no licence"))
    found = agrees(farm, job)
    assert unmet(found.job) == ["delay"]
    assert found.summary == "what it lacked at its last try, such as a licence; it is tried again soon"


def test_a_job_that_has_as_many_pieces_at_work_as_it_may_says_so(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", agenda="1-3", maxConcurrent=1)
    passes(farm)
    found = agrees(farm, job)
    assert found.summary == "it runs on alpha; 2 of its pieces wait for clients"
    assert unmet(found.job) == ["maxConcurrent"]
    assert [each.eligible for each in found.clients] == [True]
    assert add_work(farm, job, "4") == ["4"]


def test_a_job_that_runs_or_has_ended_says_so(farm: Farm, client: TestClient) -> None:
    job = blocker(farm)
    assert agrees(farm, job) == Explanation("it runs on alpha", [], [])
    end(client, job, code=3)
    found = agrees(farm, job)
    assert found.summary.startswith("it has ended: failed, exit code 3"), found
    assert (unmet(found.job), found.job[0].remedy) == (["unfinished"], f"hq retry {job} (rescheduleJobs)")


def test_a_container_seeks_no_client(farm: Farm, client: TestClient) -> None:
    parent, _ = submission.submit(farm, {"name": "p", "children": [{"name": "c", "command": "x"}]})
    assert agrees(farm, parent).clients == []
    passes(farm)
    assert agrees(farm, parent).summary == "1 of 1 children to end"


def test_a_full_disk_of_the_server_is_told_beside(farm: Farm, client: TestClient) -> None:
    """P12: it refuses new work, and what is in the queue goes on."""
    job = submit(farm, command="x")
    farm.database.room.full = True
    found = agrees(farm, job)
    assert (found.summary, unmet(found.job)) == ("its turn", ["serverDisk"])


# The order of the queue ----------------------------------------------------------------------------------------------


def test_the_jobs_before_it_are_counted_and_the_first_named(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", priority=1)
    later = submit(farm, command="x")
    urgent = submission.submit(farm, [{"name": "u", "command": "x", "cpus": 2, "priority": 5}] * 7)
    elsewhere = submit(farm, command="x", priority=9, host="beta")
    assert unmet(agrees(farm, urgent[0]).job) == [], f"{elsewhere} can take no client that it could"
    found = agrees(farm, job)
    order = found.job[-1]
    assert (found.summary, order.requirement, order.holds) == ("its turn", "order", False)
    assert order.found == f"7 jobs: {', '.join(map(str, urgent[:5]))} and 2 more"
    assert order.remedy.endswith(f"hq priority {job} 6 (setJobPriority)")
    assert explain(farm, later).job[-1].found.startswith("8 jobs: ")
    commands.set_priority(farm, [job], 6)
    assert unmet(agrees(farm, job).job) == []
    assert next(iter(handed_out(farm))) == job


def test_jobs_that_nothing_on_the_farm_can_serve_are_not_before_it(farm: Farm, client: TestClient) -> None:
    """A pass goes past them, whatever their priority."""
    resources.set_resource(farm, "nuke", 2, None)
    for impossible in ({"resources": {"nuke": 3}}, {"resources": {"nuuke": 1}}, {"minHosts": 2}):
        submit(farm, command="x", priority=9, **impossible)
    possible = submit(farm, command="x", priority=9, resources={"nuke": 2})
    job = submit(farm, command="x", cpus=2)
    order = explain(farm, job).job[-1]
    assert (order.requirement, order.found) == ("order", f"1 job: {possible}")
    commands.cancel(farm, [possible], "test")
    order = agrees(farm, job).job[-1]
    assert (order.requirement, order.holds, order.found) == ("order", True, "none")


# Clients altogether --------------------------------------------------------------------------------------------------


def test_of_a_farm_without_clients_it_says_so(farm: Farm) -> None:
    found = agrees(farm, submit(farm, command="x"))
    assert (found.summary, unmet(found.job)) == ("no client is registered with the farm", ["registered"])


def test_a_job_that_no_client_can_run_says_so(farm: Farm, client: TestClient) -> None:
    found = agrees(farm, submit(farm, command="x", cpus=3))
    assert unmet(found.job) == ["clients"]
    assert found.job[1].found == "none of 1, as they are set up now"


def test_a_resource_is_told_with_who_has_it(farm: Farm, client: TestClient) -> None:
    resources.set_resource(farm, "plugin", 1, False)
    user = blocker(farm, resources={"plugin": 1})
    found = agrees(farm, submit(farm, command="x", resources={"plugin": 1}))
    assert unmet(found.job) == ["resources"]
    assert found.job[-2].found == f"resource 'plugin': 1 of 1 are in use; plugin is used by job {user} on alpha"
    (reason,) = on(found, "alpha")
    assert (reason.requirement, reason.wanted) == ("resources", "1 plugin")
    assert reason.remedy == "what uses it ends, or there is more of it: hq resource set plugin N (setResource)"
    unknown = agrees(farm, submit(farm, command="x", resources={"plugni": 1}))
    (reason,) = on(unknown, "alpha")
    assert "did you mean 'plugin'" in reason.found
    assert reason.remedy == "there is more of it: hq resource set plugni N (setResource)"
    too_many = agrees(farm, submit(farm, command="x", resources={"plugin": 2}))
    assert too_many.job[-2].remedy == "there is more of it: hq resource set plugin N (setResource)"


def test_a_rate_that_is_used_up_says_when_there_is_more(farm: Farm, client: TestClient) -> None:
    """10 Limits"""
    resources.set_resource(farm, "starts", 1, False, "rate")
    blocker(farm, resources={"starts": 1})
    found = agrees(farm, submit(farm, command="x", resources={"starts": 1}))
    assert (found.summary, unmet(found.job)) == (
        "rate of 'starts': 1 of 1 starts in the last minute; again in 60 s",
        ["resources"],
    )
    assert found.job[2].remedy.startswith("some time goes by")


def test_a_job_for_several_clients_tells_of_its_hold(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """9.15"""
    beta = another(farm, "beta")
    busy = blocker(farm, host="beta", cpus=2)
    pair = submit(farm, command="x", minHosts=2)
    rival = submit(farm, command="x", minHosts=2)
    passes(farm)
    assert held_for(farm, pair) == ["alpha", "beta"]
    found = agrees(farm, pair)
    assert unmet(found.job) == ["freeClients"]
    assert [reason.found for reason in found.job if reason.requirement == "hold"] == ["holds alpha, beta"]
    assert (on(found, "alpha"), unmet(on(found, "beta"))) == ([], ["freeCpus"])
    beside = agrees(farm, rival)
    assert "hold" in unmet(beside.job)
    assert f"job {pair} holds clients that it could have" in [reason.found for reason in beside.job]
    assert unmet(on(beside, "alpha")) == ["hold"]
    assert explaining.job_order(farm, client.id, 10, 0) == [pair, rival]
    silence(clock, client, beta, seconds=farm.policy.hold_timeout_seconds + 10)
    passes(farm)
    rests = agrees(farm, pair)
    assert "its clients did not come together in time; it rests" in [reason.found for reason in rests.job]
    assert busy in handed_out(farm)


def test_a_job_for_more_clients_than_could_run_it_says_so(farm: Farm, client: TestClient) -> None:
    found = agrees(farm, submit(farm, command="x", minHosts=2))
    assert found.summary == "2 clients together, but only 1 can run it"
    assert unmet(found.job) == ["clients"]


# One client ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "requirement", "says"),
    [
        ("removed", "registered", "removed from the farm"),
        ("disabled", "enabled", "disabled"),
        ("silent", "heartbeat", "silent for a minute or two"),
        ("long silent", "heartbeat", "silent for hours"),
        ("unheard", "heartbeat", "not heard since the server started"),
        ("draining", "accepting", "takes no new work (it is draining or its disk is nearly full)"),
        ("sick", "healthy", "set aside: its disk fails"),
        ("on trial", "trial", "tried with one job, after its disk fails"),
        ("stuck", "ending", "not ended job 9 in time"),
        ("out of hours", "availability", "available every day 03:00-04:00 only"),
        ("in use", "availability", "available after 15 minutes without user input (now unknown)"),
        ("no rule", "availability", "no availability rule that is enabled"),
        ("unconfirmed", "confirmed", "may still run a job that was cancelled or given to another client"),
    ],
)
def test_a_client_that_takes_no_work_says_why_and_what_would_change_it(
    farm: Farm, client: TestClient, clock: SetClock, how: str, requirement: str, says: str
) -> None:
    """3.4, 9.10, 9.11, 9.14; 10 Trouble"""
    presence = farm.watch.get(client.id)
    assert presence is not None
    match how:
        case "removed":
            client_control.remove(farm, [client.id])
        case "disabled":
            client_control.set_disabled(farm, "alpha", True)
        case "silent":
            clock.advance(31)
        case "long silent":
            clock.advance(3 * 3600)
        case "unheard":
            presence.heard = False
        case "draining":
            client.beat(accepting=False)
        case "sick":
            presence.row.sick, presence.probe_at = "its disk fails", clock.monotonic() + 600
        case "on trial":
            presence.row.sick = "its disk fails"
            blocker(farm)
        case "stuck":
            farm.watch.set_stuck({client.id: "job 9"})
        case "out of hours":
            set_rules(client, {"start": "03:00", "end": "04:00"})
        case "in use":
            set_rules(client, {"kind": "idle", "minutes": 15})
        case "no rule":
            client_control.set_availability(farm, client.id, [])
        case "unconfirmed":
            gone = blocker(farm)
            client.beat(client.started(run_of(farm, gone)))
            commands.cancel(farm, [gone], "away")
            upkeep.bound_waits(farm)
            silence(clock, client, seconds=farm.policy.kill_timeout_seconds + 1)
            for _ in range(2):  # bounded, and then not waited for any more
                upkeep.bound_waits(farm)
    found = agrees(farm, submit(farm, command="x"))
    reason = on(found, "alpha")[0]
    assert (reason.requirement, reason.found) == (requirement, says)
    assert unmet(found.job) == ["clients"]


@pytest.mark.parametrize(
    ("specification", "requirement", "wanted", "says"),
    [
        ({"command": {"windows": "x"}}, "platform", "windows", "linux-x86_64"),
        ({"cpus": 3}, "cpus", "3", "2"),
        ({"host": "beta"}, "conditions", "hostname == beta", "alpha"),
        ({"hostgroup": "fast,new"}, "conditions", "group in fast, new", "old"),
        ({"conditions": [{"name": "os", "op": "==", "value": "windows"}]}, "conditions", "os == windows", "linux"),
        ({"conditions": [{"name": "memory", "op": ">", "value": 17_000_000}]}, "conditions", "*", "16000000 kB"),
        ({"cpus": 2}, "freeCpus", "2", "1 of 2"),
        ({"cpus": 0}, "freeCpus", "all of its client", "1 of 2"),
        ({"tags": "single"}, "tags", "*", "runs other jobs and this one shares its machine with nothing"),
        ({"tags": ["single:1"]}, "tags", "*", "runs a job with the same tag 'single:1'"),
    ],
)
def test_what_the_job_asks_of_a_client_is_told_with_what_was_found(
    farm: Farm, client: TestClient, specification: dict[str, Any], requirement: str, wanted: str, says: str
) -> None:
    """2.4, 2.5, 9.5, 9.16, 9.17"""
    groups.add_client(farm, groups.create_group(farm, "old"), client.id)
    blocker(farm, tags=["single:1"])
    reason = on(agrees(farm, submit(farm, **{"command": "x", **specification})), "alpha")[0]
    assert (reason.requirement, reason.found) == (requirement, says)
    assert wanted in ("*", reason.wanted)


def test_only_a_job_of_more_than_one_cpu_is_told_to_ask_for_fewer(farm: Farm, client: TestClient) -> None:
    blocker(farm, cpus=2)
    one, two = submit(farm, command="x"), submit(farm, command="x", cpus=2)
    assert on(agrees(farm, one), "alpha")[0].remedy == "what runs there ends"
    assert f"hq modify {two} --set cpus=..." in on(agrees(farm, two), "alpha")[0].remedy


def test_every_reason_of_a_client_is_told_not_only_the_first(farm: Farm, client: TestClient) -> None:
    client_control.set_disabled(farm, "alpha", True)
    job = submit(farm, command={"windows": "x"}, cpus=8, host="beta", resources={"none": 1})
    assert unmet(on(agrees(farm, job), "alpha")) == ["enabled", "platform", "cpus", "conditions", "resources"]


def test_a_client_that_failed_too_much_is_told(farm: Farm, client: TestClient) -> None:
    """3.6"""
    beta = another(farm, "beta")
    job = submit(farm, command="x")
    farm.database.write(lambda transaction: [failures.count(transaction.connection, job, client.id) for _ in range(3)])
    found = agrees(farm, job)
    assert (unmet(on(found, "alpha")), on(found, "beta")) == (["failures"], [])
    assert [each["id"] for each in explaining.client_order(farm, job)] == [beta.id]
    assert explaining.job_order(farm, client.id, 10, 0) == []
    assert explaining.job_order(farm, beta.id, 10, 0) == [job]


def test_a_client_that_queues_work_behind_what_it_runs_is_told(farm: Farm, client: TestClient) -> None:
    client.spare = 1
    client.beat()
    blocker(farm, cpus=2)
    job = submit(farm, command="x")
    found = agrees(farm, job)
    assert on(found, "alpha") == []
    rooms = [reason.found for reason in found.clients[0].reasons if reason.requirement == "freeCpus"]
    assert rooms == ["0 of 2, but it queues work behind what it runs"]
    assert job in handed_out(farm)


# Orders --------------------------------------------------------------------------------------------------------------


def test_clients_are_named_in_the_order_in_which_passes_choose_them(farm: Farm, client: TestClient) -> None:
    several(farm, "beta gamma delta", cpus=4)
    blocker(farm, host="gamma")
    job = submit(farm, command="x", cpus=2)
    expected = ["alpha", "beta", "delta", "gamma"]
    for number, label in enumerate(expected):
        assert [each["label"] for each in explaining.client_order(farm, job)] == expected[number:]
        client_control.set_disabled(farm, label, True)
    assert explaining.client_order(farm, job) == []
    for label in reversed(expected[1:]):
        client_control.set_disabled(farm, label, False)
    assert handed_out(farm)[job] == ["beta"]


def test_jobs_are_listed_in_the_order_in_which_the_client_runs_them(farm: Farm, client: TestClient) -> None:
    asked: list[dict[str, Any]] = [{"priority": 1}, {"cpus": 2}, {"priority": 7, "cpus": 2}, {}, {"priority": 1}]
    jobs = [submit(farm, command="x", **each) for each in asked]
    submit(farm, command="x", priority=9, cpus=4)
    commands.pause(farm, [submit(farm, command="x", priority=9)], "later")
    expected = explaining.job_order(farm, client.id, 100, 0)
    assert expected == [jobs[2], jobs[0], jobs[4], jobs[1], jobs[3]]
    assert explaining.job_order(farm, client.id, 2, 1) == expected[1:3]
    ran = []
    while running := handed_out(farm):
        for job in sorted(running, key=expected.index):
            ran.append(job)
            end(client, job)
    assert [job for job in ran if job in (jobs[2], jobs[0], jobs[4], jobs[1])] == expected[:4]


def test_a_client_that_takes_no_work_has_no_jobs_before_it(farm: Farm, client: TestClient) -> None:
    submit(farm, command="x")
    client_control.set_disabled(farm, "alpha", True)
    assert explaining.job_order(farm, client.id, 100, 0) == []


def test_a_job_of_which_nothing_is_left_to_run_has_no_order_of_clients(farm: Farm, client: TestClient) -> None:
    job = blocker(farm)
    assert explaining.client_order(farm, job) == []
    end(client, job)
    assert explaining.client_order(farm, job) == []


def test_what_does_not_exist_is_not_found(farm: Farm, client: TestClient) -> None:
    for ask in (lambda: explain(farm, 99), lambda: explaining.client_order(farm, 99)):
        with pytest.raises(NotFound, match="there is no job 99"):
            ask()
    with pytest.raises(NotFound, match="there is no client 99"):
        explaining.job_order(farm, 99, 10, 0)
    for limit, offset in ((0, 0), (10_001, 0), (1, -1)):
        with pytest.raises(BadParameters, match="must be"):
            explaining.job_order(farm, client.id, limit, offset)


# A property ----------------------------------------------------------------------------------------------------------

wishes = st.fixed_dictionaries(
    {},
    optional={
        "cpus": st.integers(0, 4),
        "tags": st.sampled_from([["single"], ["single:1"], ["single:2"]]),
        "host": st.sampled_from(["alpha", "alpha,beta", "gamma", "zeta"]),
        "resources": st.sampled_from([{"plugin": 1}, {"plugin": 3}, {"house": 1}, {"unknown": 1}]),
        "command": st.sampled_from([{"linux": "x"}, {"windows": "y"}]),
        "minHosts": st.integers(1, 3),
        "maxHosts": st.just(3),
    },
)


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(wishes, min_size=1, max_size=10), st.lists(st.integers(0, 20), max_size=10))
def test_a_pass_gives_a_job_to_the_first_client_that_is_eligible(asked: list[dict[str, Any]], ends: list[int]) -> None:
    """10 Why: jobs come one at a time, some end, some clients are switched off. A client is eligible in the explanation
    exactly if the next pass claims one, and the pass claims the first of `getClientOrder`."""
    folder = Path(tempfile.mkdtemp(prefix="hq-explaining-"))
    farm = open_farm(folder, SetClock(), Asked(), Policy())
    try:
        clients = {
            "alpha": another(farm, "alpha"),
            "beta": another(farm, "beta", cpus=4, platform="windows-x86_64"),
            "gamma": another(farm, "gamma", cpus=1, spare=1),
        }
        resources.set_resource(farm, "plugin", 2, False)
        resources.set_resource(farm, "house", 1, True)
        for number, wish in enumerate(asked):
            job = submit(farm, **{"command": "x", **wish})
            found = agrees(farm, job)
            order = [each["label"] for each in explaining.client_order(farm, job)]
            assert order == [each.client for each in found.clients if each.eligible]
            given_to = handed_out(farm).get(job, [])
            assert bool(given_to) == (found.summary == "its turn")
            if wish.get("minHosts", 1) == 1:
                assert bool(given_to) == bool(order)
            assert given_to == order[: len(given_to)]
            if ends[number : number + 1] and given_to:
                end(clients[given_to[0]], job, code=ends[number] % 2)
            elif ends[number : number + 1]:
                client_control.set_disabled(farm, "beta", bool(ends[number] % 2))
            handed_out(farm)  # jobs in front take what became free, before the next is explained
    finally:
        farm.database.close()
        shutil.rmtree(folder)
