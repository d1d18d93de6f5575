"""`changeJobs` and `modifyJobs`: every action of the table, each distinct (CONTRACT 10, Control)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, restarted, submit
from job_kit import status
from scheduling_kit import another, detail, events, handed_out, run_of, waiting_for

from hqserver.domain import control
from hqserver.domain.control import Action
from hqserver.domain.errors import BadParameters, Conflict, TooLarge
from hqserver.services.control.changing import change_jobs, modify_jobs
from hqserver.services.control.changing_work import change_work
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.queries import lookup

Result = dict[str, Any]


def change(farm: Farm, job: int, action: str, **options: Any) -> Result:
    """The result for the job asked for."""
    return change_jobs(farm, [job], action, options, "ada")[0]


def changed(farm: Farm, job: int, action: str, **options: Any) -> str:
    """The action changes the job; its status afterwards."""
    found = change(farm, job, action, **options)
    assert (found["changed"], found["why"]) == (True, ""), found
    return str(found["now"])


def refused(farm: Farm, job: int, action: str, **options: Any) -> str:
    """The action changes nothing; why."""
    before = detail(farm, job, "status")
    found = change(farm, job, action, **options)
    assert not found["changed"]
    assert found["was"] == found["now"] == before == detail(farm, job, "status")
    return str(found["why"])


def orders(client: TestClient, *kinds: str) -> list[tuple[str, int]]:
    """What the client is told to do, by kind and job."""
    jobs = {run: int(order["job"]) for run, order in client.start_orders.items()}
    return [(str(order["kind"]), jobs[str(order["run"])]) for order in client.beat().orders if order["kind"] in kinds]


def start(client: TestClient, job: int) -> str:
    """Have the client run the job's command; the run."""
    client.fetch()
    run = run_of(client.farm, job)
    client.beat(client.started(run))
    return run


# Held back ----------------------------------------------------------------------------------------------------------


def test_a_blocked_job_is_held_back_and_put_back(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    assert changed(farm, job, "block", reason="wrong scene") == "paused"
    assert detail(farm, job, "held") == "block"
    assert client.fetch() == []
    assert waiting_for(farm, job) == "somebody to unblock it"
    assert refused(farm, job, "block") == "it is blocked"
    assert refused(farm, job, "pause") == "it is blocked"
    assert refused(farm, job, "resume") == "it is blocked: unblock lets it go on"
    assert changed(farm, job, "unblock") == "runnable"
    assert refused(farm, job, "unblock") == "it is not blocked"
    assert client.run_all() == 1
    assert ("blocked", "wrong scene (block by ada)") in events(farm, job)


def test_a_running_job_is_not_blocked(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    start(client, job)
    assert refused(farm, job, "block") == "it runs; suspend, preempt or migrate take it off its client"


def test_a_paused_job_stands_still_where_it_runs_and_goes_on(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    run = start(client, job)
    assert changed(farm, job, "pause") == "pausing"
    client.beat(client.paused(run))
    assert status(farm, job) == "paused"
    assert refused(farm, job, "pause") == "it is paused"
    assert changed(farm, job, "resume") == "resuming"
    client.beat(client.resumed(run))
    assert status(farm, job) == "running"


def test_a_suspended_agenda_goes_on_with_what_was_not_started(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-4", cpus=2)
    run = start(client, job)
    assert changed(farm, job, "suspend") == "pausing"
    client.beat(client.paused(run))
    assert refused(farm, job, "suspend") == "it stands still already"
    assert detail(farm, job, "held") == ""
    beta = another(farm, "beta")
    assert [order["work"] for order in beta.fetch()] == ["2"]
    assert changed(farm, job, "resume") == "running"
    assert orders(client, "resume") == [("resume", job)]
    assert refused(farm, submit(farm, command="later", priority=0, host="nowhere"), "suspend") == "it does not run"


# Taken off its client -----------------------------------------------------------------------------------------------


def test_a_preempted_agenda_ends_its_current_piece_and_lets_others_go_first(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-3", cpus=2)
    run = start(client, job)
    other = submit(farm, command="other", cpus=2)
    assert changed(farm, job, "preempt") == "running"
    assert orders(client, "kill") == []
    (following,) = [each for each in client.beat(client.ended(run)).orders if each["kind"] == "start"]
    assert following["job"] == other
    last = submit(farm, command="later", cpus=2)
    (following,) = [each for each in client.beat(client.ended(following["run"])).orders if each["kind"] == "start"]
    assert (following["job"], following["work"]) == (job, "2")
    assert status(farm, last) == "runnable"


def test_what_was_not_started_is_withdrawn_when_its_job_is_preempted(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", cpus=2)
    (order,) = client.fetch()
    other = submit(farm, command="other", cpus=2)
    changed(farm, job, "preempt")
    assert orders(client, "kill") == [("kill", job)]
    (following,) = [each for each in client.beat(client.refused(order["run"])).orders if each["kind"] == "start"]
    assert following["job"] == other
    assert status(farm, job) == "runnable"


@pytest.mark.parametrize("word", ["migrate", "eject"])
def test_a_migrated_job_is_killed_and_runs_elsewhere(farm: Farm, client: TestClient, word: str) -> None:
    job = submit(farm, command="render", triesLeft=1)
    run = start(client, job)
    beta = another(farm, "beta")
    assert changed(farm, job, word) == "running"
    assert orders(client, "kill") == [("kill", job)]
    client.beat(client.ended(run, killed=True, signal=9))
    assert [order["job"] for order in beta.fetch()] == [job]
    assert detail(farm, job, "triesLeft") == 1


def test_a_job_that_leaves_its_client_already_is_not_migrated_again(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    run = start(client, job)
    assert changed(farm, job, "migrate") == "running"
    assert refused(farm, job, "migrate") == "it is being ended on alpha already"
    client.beat(client.ended(run, killed=True))
    assert refused(farm, job, "migrate") == "it does not run"


def test_an_agenda_is_migrated_where_one_of_its_pieces_can_be(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-2")
    client.fetch()
    assert change_work(farm, job, ["1"], "migrate", {}, "ada")[0]["changed"]
    assert changed(farm, job, "migrate") == "running"
    assert [order["kind"] for order in client.beat().orders].count("kill") == 2


@pytest.mark.parametrize("word", ["cancel", "kill"])
def test_a_cancelled_job_is_killed_with_what_is_below_it(farm: Farm, client: TestClient, word: str) -> None:
    job = submit(farm, command="comp", children=[{"name": "c", "command": "render"}])
    run = start(client, job + 1)
    found = change_jobs(farm, [job], word, {}, "ada")
    assert [(each["id"], each["now"]) for each in found] == [(job, "queued"), (job + 1, "running")]
    assert detail(farm, job, "waitingFor") == "1 of 1 children to be ended"
    assert refused(farm, job, word) == "it is being cancelled"
    assert refused(farm, job + 1, "pause") == "it is being cancelled"
    client.beat(client.ended(run, killed=True, signal=9))
    assert (status(farm, job), status(farm, job + 1)) == ("cancelled", "cancelled")
    assert refused(farm, job, word) == "it is cancelled"


# Done by hand -------------------------------------------------------------------------------------------------------


def test_a_job_that_is_completed_by_hand_lets_its_parent_go_on(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="comp", children=[{"name": "c", "command": "render", "host": "nowhere"}])
    assert refused(farm, job, "complete", descendants=False) == "its children have not ended"
    assert changed(farm, job + 1, "complete", reason="I did it at home") == "succeeded"
    assert (detail(farm, job + 1, "outcome"), detail(farm, job + 1, "overallProgress")) == ("byHand", 1.0)
    assert [order["job"] for order in client.fetch()] == [job]
    assert ("completed", "I did it at home (complete by ada)") in events(farm, job + 1)


@pytest.mark.parametrize("word", ["complete", "skip"])
def test_what_runs_is_killed_before_its_job_is_done_by_hand(farm: Farm, client: TestClient, word: str) -> None:
    job = submit(farm, command="render", agenda="1-5")
    client.fetch()
    assert changed(farm, job, word) == "running"
    assert orders(client, "kill") == [("kill", job)] * 2
    client.beat(*(client.ended(run, killed=True, signal=9) for run in list(client.start_orders)))
    assert (status(farm, job), detail(farm, job, "outcome")) == ("succeeded", "byHand")
    assert detail(farm, job, "workCounts") == {"succeeded": 5}
    assert changed(farm, job, "rerun") == "runnable"
    assert client.run_all() == 5
    assert detail(farm, job, "outcome") == "exit"


# Done again ---------------------------------------------------------------------------------------------------------


def half_failed(farm: Farm, client: TestClient) -> int:
    """A job with a parent, of whose pieces 2 has failed."""
    parent = submit(farm, command="comp", children=[{"name": "c", "command": "render", "agenda": "1-3", "cpus": 2}])
    for code in (0, 1, 0):
        (order,) = client.fetch()
        client.beat(client.ended(order["run"], code))
    assert (status(farm, parent), status(farm, parent + 1)) == ("failed", "failed")
    return parent + 1


def test_a_retry_keeps_what_succeeded_and_its_parent_waits_anew(farm: Farm, client: TestClient) -> None:
    job = half_failed(farm, client)
    found = change_jobs(farm, [job], "retry", {}, "ada")
    assert {each["id"]: each["now"] for each in found} == {job: "runnable", job - 1: "queued"}
    assert detail(farm, job, "workCounts") == {"succeeded": 2, "runnable": 1}
    assert [order["work"] for order in client.fetch()] == ["2"]
    assert refused(farm, job, "retry") == "it is running, not finished"


@pytest.mark.parametrize("word", ["rerun", "reschedule"])
def test_a_rerun_resets_everything(farm: Farm, client: TestClient, word: str) -> None:
    job = half_failed(farm, client)
    assert changed(farm, job, word) == "runnable"
    assert detail(farm, job, "workCounts") == {"runnable": 3}
    assert status(farm, job - 1) == "queued"
    assert detail(farm, job - 1, "overallProgress") == 0.0


def test_what_is_requeued_comes_back_blocked(farm: Farm, client: TestClient) -> None:
    job = half_failed(farm, client)
    assert changed(farm, job, "requeue") == "paused"
    assert (detail(farm, job, "held"), detail(farm, job - 1, "held")) == ("block", "")
    assert client.fetch() == []
    assert changed(farm, job, "unblock") == "runnable"
    assert client.run_all() == 4
    assert (status(farm, job), status(farm, job - 1)) == ("succeeded", "succeeded")
    assert refused(farm, job, "retry") == "it has succeeded"


def test_finished_jobs_are_removed_and_others_are_not(farm: Farm, client: TestClient) -> None:
    job, waiting = submit(farm, command="render"), submit(farm, command="x", host="nowhere")
    client.run_all()
    found = change_jobs(farm, [job, waiting, 99], "remove", {}, "ada")
    assert [(each["id"], each["changed"], each["now"], each["why"]) for each in found] == [
        (job, True, "deleted", ""),
        (waiting, False, "runnable", "it is runnable, not finished"),
        (99, False, "", "there is no such job"),
    ]
    assert lookup.job_details(farm, [job], ["id"]) == []


# Order --------------------------------------------------------------------------------------------------------------


def served(farm: Farm, client: TestClient) -> list[int]:
    """The jobs in the order in which a client with room for one gets them."""
    found = []
    while given := client.fetch():
        while given:
            found += [int(order["job"]) for order in given]
            answer = client.beat(*(client.ended(order["run"]) for order in given))
            given = [order for order in answer.orders if order["kind"] == "start"]
    return found


def test_jobs_go_to_the_top_and_to_the_bottom_of_their_priority(farm: Farm, client: TestClient) -> None:
    first, second, third, fourth = (submit(farm, command="x", cpus=2, priority=1) for _ in range(4))
    changed(farm, first, "bottom")
    change_jobs(farm, [third, fourth], "top", {}, "ada")
    later = submit(farm, command="x", cpus=2, priority=1)
    urgent = submit(farm, command="x", cpus=2, priority=2)
    assert served(farm, client) == [urgent, third, fourth, second, first, later]


def test_a_job_gets_another_priority(farm: Farm, client: TestClient) -> None:
    low, high = submit(farm, command="x", cpus=2), submit(farm, command="x", cpus=2, priority=5)
    changed(farm, low, "priority", priority=9)
    assert refused(farm, low, "priority", priority=9) == "its priority is 9"
    assert served(farm, client) == [low, high]


# Modified -----------------------------------------------------------------------------------------------------------


def test_properties_of_a_waiting_job_are_changed(farm: Farm, client: TestClient) -> None:
    job = submit(
        farm,
        command="old",
        cpus=64,
        conditions=[{"type": "client", "name": "hostname", "op": "==", "value": "nowhere"}],
        tags=["single"],
        environment={"A": "1"},
        properties={"shot": "1"},
        maxTime=5,
    )
    changes = {
        "name": "new name",
        "command": "new {frame}",
        "cpus": 1,
        "host": "alpha",
        "tags": [],
        "environment": {"B": "2"},
        "priority": 7,
        "triesLeft": 3,
        "description": "better",
        "resources": {"db": 0},
        "maxTime": 0,
        "emailTo": "a@example.org",
        "emailReasons": "failed",
    }
    (found,) = modify_jobs(farm, [job], changes, "ada")
    assert found["changed"], found
    shown = lookup.job_detail(farm, job, None)
    assert {name: shown[name] for name in ("name", "command", "cpus", "tags", "priority", "triesLeft", "maxTime")} == {
        "name": "new name",
        "command": "new {frame}",
        "cpus": 1,
        "tags": [],
        "priority": 7,
        "triesLeft": 3,
        "maxTime": 0,
    }
    assert shown["properties"] == {"shot": "1"}
    assert shown["emailReasons"] == ["failed"]
    (order,) = client.fetch()
    assert (order["command"], order["environment"].get("A"), order["environment"]["B"]) == ("new {frame}", None, "2")
    client.beat(client.ended(order["run"], 1))
    assert detail(farm, job, "triesLeft") == 2


def test_how_many_pieces_run_at_once_is_changed_while_they_run(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-6", maxConcurrent=1)
    assert len(client.fetch()) == 1
    modify_jobs(farm, [job], {"maxConcurrent": 2}, "ada")
    assert handed_out(farm) == {job: ["alpha", "alpha"]}


def test_hooks_are_added_and_taken_away(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", onSuccess="a", cleanup="b")
    modify_jobs(farm, [job], {"onSuccess": "", "onError": "c"}, "ada")
    assert detail(farm, job, "hooks") == {"cleanup": "b", "onError": "c"}
    (order,) = client.fetch()
    (hook,) = [each for each in client.beat(client.ended(order["run"])).orders if each["kind"] == "start"]
    assert hook["command"] == "b"


def test_a_job_is_left_out_of_the_progress_above_it(farm: Farm, client: TestClient) -> None:
    top = submit(farm, children=[{"name": name, "command": "x"} for name in "ab"])
    client.run_all()
    third = submit(farm, command="x", host="nowhere")
    assert detail(farm, third, "overallProgress") == 0.0
    modify_jobs(farm, [third], {"tags": "excludeProgress"}, "ada")
    assert detail(farm, third, "tags") == ["excludeProgress"]
    assert detail(farm, top, "overallProgress") == 1.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "changes names no property"),
        ({"prority": 3}, r"changes.prority: no such property of a job; did you mean 'priority'\?"),
        ({"priority": "x"}, "changes.priority must be a whole number"),
        ({"agenda": "1-9"}, "changes.agenda: it cannot be changed once a job is submitted"),
        ({"children": []}, "changes.children: it cannot be changed"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_the_property(farm: Farm, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        modify_jobs(farm, [submit(farm, command="x")], changes, "ada")


def test_what_is_none_is_not_given(farm: Farm) -> None:
    job, other = submit(farm, command="x", priority=3, maxTime=9), submit(farm, command="y", priority=3)
    for nothing in ({"priority": None}, {"priority": ""}, {"priority": "", "maxTime": None, "command": None}):
        before = events(farm, job)
        (found,) = modify_jobs(farm, [job], nothing, "ada")
        assert (found["changed"], found["why"]) == (False, "no property is given a value"), nothing
        assert events(farm, job) == before
    assert [each["changed"] for each in modify_jobs(farm, [job, other], {"priority": None, "cpus": 2}, "ada")] == [
        True,
        True,
    ]
    shown = lookup.job_detail(farm, job, ["priority", "maxTime", "cpus", "command"])
    assert shown == {"id": job, "priority": 3, "maxTime": 9, "cpus": 2, "command": "x"}
    assert events(farm, job)[-1] == ("modified", "cpus: modify by ada")
    with pytest.raises(BadParameters, match=r"changes.prority: no such property"):
        modify_jobs(farm, [job], {"prority": None}, "ada")


def test_a_large_change_of_many_jobs_is_refused_and_says_how_many_are_possible(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction would write all of it, and nobody else could write meanwhile."""
    jobs = submission.submit(farm, [{"name": "x", "command": "x"} for _ in range(5)])
    monkeypatch.setattr(control, "MOST_IN_CHANGES", 3_500)
    large = {"description": "é" * 1_000}
    words = "1019 characters of changes for each of 5 jobs are more than 3500; at most 3 jobs at once"
    for dry in (True, False):
        with pytest.raises(TooLarge, match=words):
            change_jobs(farm, jobs, "modify", {"changes": large, "dryRun": dry}, "ada")
    assert detail(farm, jobs[0], "description") == ""
    assert all(each["changed"] for each in modify_jobs(farm, jobs[:3], large, "ada"))
    assert all(each["changed"] for each in modify_jobs(farm, jobs, {"description": "short"}, "ada"))
    assert modify_jobs(farm, jobs[:1], {"description": "x" * 9_000}, "ada")[0]["changed"]  # one can always be changed


def test_what_a_job_cannot_have_is_said_for_it_alone(farm: Farm) -> None:
    plain, parent = submit(farm, command="x"), submit(farm)
    agenda = submit(farm, command="x", agenda="1-2")
    assert [each["why"] for each in modify_jobs(farm, [plain, parent], {"command": "y"}, "ada")] == [
        "",
        "it is succeeded",
    ]
    waiting = submit(farm, children=[{"name": "c", "command": "x"}])
    assert modify_jobs(farm, [waiting], {"command": "y"}, "ada")[0]["why"] == (
        "a job without a command cannot get one, nor lose it"
    )
    assert modify_jobs(farm, [agenda], {"cleanup": "y"}, "ada")[0]["why"] == "cleanup belongs to a job with one command"
    assert modify_jobs(farm, [agenda], {"minHosts": 2}, "ada")[0]["why"] == "each piece of an agenda runs on one client"


# Which jobs, and how ------------------------------------------------------------------------------------------------


def test_jobs_are_named_by_a_filter(farm: Farm) -> None:
    submit(farm, name="keep", command="x")
    jobs = [submit(farm, name=f"shot {number}", command="x") for number in range(3)]
    found = change_jobs(farm, {"name": "shot*"}, "cancel", {}, "ada")
    assert sorted(each["id"] for each in found) == jobs
    assert all(each["now"] == "cancelled" for each in found)
    with pytest.raises(BadParameters, match="filter: there is no key 'nme'; did you mean 'name'"):
        change_jobs(farm, {"nme": "x"}, "cancel", {}, "ada")


def test_a_dry_run_says_what_would_change_and_changes_nothing(farm: Farm) -> None:
    job = submit(farm, command="x", children=[{"name": "c", "command": "x"}])
    found = change_jobs(farm, [job], "cancel", {"dryRun": True}, "ada")
    assert [(each["id"], each["changed"], each["was"], each["now"]) for each in found] == [
        (job, True, "queued", "queued"),
        (job + 1, True, "runnable", "runnable"),
    ]
    assert status(farm, job) == "queued"


def test_more_changes_than_the_limit_are_refused_as_a_whole(farm: Farm) -> None:
    jobs = [submit(farm, command="x") for _ in range(3)]
    for dry in (False, True):
        with pytest.raises(Conflict, match="cancel would change 3 jobs, more than the limit of 2"):
            change_jobs(farm, jobs, "cancel", {"limit": 2, "dryRun": dry}, "ada")
    assert status(farm, jobs[0]) == "runnable"
    assert len(change_jobs(farm, jobs, "cancel", {"limit": 3}, "ada")) == 3


def test_only_the_jobs_named_are_changed_where_descendants_are_not_meant(farm: Farm) -> None:
    job = submit(farm, command="x", children=[{"name": "c", "command": "x"}])
    assert [each["id"] for each in change_jobs(farm, [job], "block", {"descendants": False}, "ada")] == [job]
    assert (detail(farm, job, "held"), detail(farm, job + 1, "held")) == ("block", "")


@pytest.mark.parametrize(
    ("action", "options", "words"),
    [
        ("pase", {}, "there is no action 'pase'; did you mean 'pause'"),
        ("pause", {"dryrun": True}, "options: there is no key 'dryrun'; did you mean 'dryRun'"),
        ("pause", {"limit": "x"}, "options.limit must be a whole number"),
        ("priority", {}, "the action priority needs options.priority"),
        ("pause", {"priority": 3}, "the action pause takes no options.priority"),
        ("modify", {}, "the action modify needs options.changes"),
        ("modify", {"changes": "x"}, "options.changes must be a dictionary"),
    ],
)
def test_a_wrong_action_or_option_is_refused(farm: Farm, action: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        change_jobs(farm, [submit(farm, command="x")], action, options, "ada")


@pytest.mark.parametrize("action", Action)
def test_every_action_is_harmless_to_a_job_that_is_not_there(farm: Farm, action: Action) -> None:
    options = {Action.PRIORITY: {"priority": 1}, Action.MODIFY: {"changes": {"name": "x"}}}.get(action)
    assert change_jobs(farm, [7], action, options, "ada") == [
        {"id": 7, "changed": False, "was": "", "now": "", "why": "there is no such job"}
    ]


def test_what_was_done_to_jobs_is_there_after_a_restart(
    farm: Farm, client: TestClient, clock: SetClock, asked: Asked
) -> None:
    first, second = submit(farm, command="x", cpus=2), submit(farm, command="x", cpus=2)
    blocked = submit(farm, command="x", cpus=2)
    changed(farm, second, "top")
    changed(farm, blocked, "block")
    with restarted(farm, clock, asked, client) as again:
        client.beat()
        assert served(again, client) == [second, first]


@pytest.mark.slow
def test_a_parent_of_ten_thousand_children_is_within_one_call(farm: Farm) -> None:
    """9.5: as many are submitted in one call."""
    ids = submission.submit(farm, {"name": "shot", "children": [{"name": "frame", "command": "x"}] * 10_000})
    assert len(change_jobs(farm, ids[:1], "block", {"dryRun": True}, "ada")) == 10_001
    assert len(change_jobs(farm, {"root": ids[0]}, "block", {"dryRun": True}, "ada")) == 10_001


def test_a_reason_is_short_since_every_job_that_changes_keeps_it(farm: Farm) -> None:
    job = submit(farm, command="x", host="nowhere")
    with pytest.raises(BadParameters, match=r"options.reason must have at most 5000 characters"):
        change(farm, job, "block", reason="x" * 5_001)
    assert changed(farm, job, "block", reason="x" * 5_000) == "paused"
