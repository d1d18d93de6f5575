"""Taking in jobs, whole or not at all (CONTRACT 2, 9.5 to 9.8, 10 Keeping)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from farm_kit import Asked, SetClock, TestClient, open_farm, submit
from intake_kit import count, refused
from job_kit import read

from hqserver.domain.errors import BadSpecification, Conflict, NotFound
from hqserver.services.care import upkeep
from hqserver.services.control import commands
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.queries import lookup

# What is refused -----------------------------------------------------------------------------------------------------


def test_a_relative_that_does_not_exist_is_named_with_its_place(farm: Farm) -> None:
    assert refused(farm, NotFound, {"name": "x"}, 99) == "parent_id: there is no job 99"
    assert refused(farm, NotFound, {"name": "x"}, None, [98]) == "child_ids: there is no job 98"
    document = [{"name": "x"}, {"name": "y", "children": [{"name": "z", "parentIds": [97]}]}]
    assert refused(farm, NotFound, document) == "[1].children[0].parentIds: there is no job 97"
    assert refused(farm, NotFound, {"name": "x", "childrenIds": "1"}) == "childrenIds: there is no job 1"


def test_a_finished_job_takes_no_more_children(farm: Farm) -> None:
    finished = submit(farm)
    assert refused(farm, Conflict, {"name": "x"}, finished) == (
        f"parent_id: job {finished} is succeeded and takes no more children"
    )
    assert refused(farm, Conflict, {"name": "x", "parentIds": [finished]}).startswith("parentIds: ")


def test_a_job_that_is_being_cancelled_takes_no_more_children(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    commands.cancel(farm, [job], "no longer wanted")
    assert "is being cancelled" in refused(farm, Conflict, {"name": "x"}, job)


def test_one_bad_specification_among_many_stores_nothing(farm: Farm) -> None:
    document = [{"name": "x", "children": [{"name": "y"}] * 50}, {"name": "z", "children": [{"name": "", "cpus": 1}]}]
    assert refused(farm, BadSpecification, document).startswith("[1].children[0].name ")


def test_a_uuid_names_one_job_for_ever(farm: Farm) -> None:
    job = submit(farm, uuid="the one")
    assert read(farm, job, "uuid") == ["the one"]
    assert refused(farm, Conflict, {"name": "x", "uuid": "the one"}) == f"uuid 'the one' is that of job {job}"
    twice = [{"name": "x", "uuid": "u"}, {"name": "y", "children": [{"name": "z", "uuid": "u"}]}]
    assert refused(farm, BadSpecification, twice) == "[1].children[0].uuid 'u' names two specifications"


def test_a_job_without_a_uuid_gets_one_of_its_own(farm: Farm) -> None:
    ids = submission.submit(farm, [{"name": "x"}, {"name": "y"}])
    assert len({read(farm, each, "uuid")[0] for each in ids}) == 2


# Unknown properties --------------------------------------------------------------------------------------------------


def test_an_unknown_property_is_kept_and_the_near_match_stands_first_in_the_status_log(farm: Farm) -> None:
    job = submit(farm, proirity=5, renderer={"name": "karma", "tiles": [1, 2]})
    details = lookup.job_detail(farm, job, None)
    assert details["x-proirity"] == 5
    assert details["x-renderer"] == {"name": "karma", "tiles": [1, 2]}
    assert details["logs"][0]["message"] == "no such property of a job: proirity; did you mean 'priority'?"
    assert read(farm, job, "x-renderer", "name")[0]["tiles"] == [1, 2]
    assert "x-nothing" not in lookup.job_detail(farm, job, ["x-nothing"])


def test_a_farm_that_refuses_unknown_properties_stores_nothing(farm: Farm) -> None:
    strict = replace(farm, policy=replace(farm.policy, refuse_unknown_properties=True))
    assert refused(strict, BadSpecification, {"name": "x", "proirity": 5}).endswith("did you mean 'priority'?")


# Inheritance ---------------------------------------------------------------------------------------------------------


def test_priority_and_user_come_from_the_nearest_ancestor_that_has_them(farm: Farm) -> None:
    ids = submission.submit(
        farm,
        {
            "name": "top",
            "command": "t",
            "priority": 7,
            "submittedBy": "ada",
            "children": [
                {"name": "a", "children": [{"name": "a1"}, {"name": "a2", "priority": 0}]},
                {"name": "b", "submittedBy": "grace", "children": [{"name": "b1"}]},
            ],
        },
    )
    assert [read(farm, each, "name", "priority", "submittedBy") for each in ids] == [
        ["top", 7, "ada"],
        ["a", 7, "ada"],
        ["a1", 7, "ada"],
        ["a2", 0, "ada"],
        ["b", 7, "grace"],
        ["b1", 7, "grace"],
    ]
    (later,) = submission.submit(farm, {"name": "later", "command": "x"}, ids[0])
    assert read(farm, later, "priority", "submittedBy", "root") == [7, "ada", ids[0]]


def test_of_several_parents_the_first_counts(farm: Farm) -> None:
    first, second = submit(farm, command="1", priority=1), submit(farm, command="2", priority=2)
    job = submit(farm, command="x", parentIds=[second, first])
    assert read(farm, job, "priority", "root") == [2, second]
    (other,) = submission.submit(farm, {"name": "x", "parentIds": [second]}, first)
    assert read(farm, other, "priority", "root") == [1, first]


def test_stubs_inherit_from_the_first_that_names_them_wherever_it_stands(farm: Farm) -> None:
    ids = submission.submit(
        farm,
        [
            {"name": "leaf", "stubId": "leaf", "command": "x"},
            {"name": "top", "priority": 4, "submittedBy": "ada", "childStubIds": "mid"},
            {"name": "mid", "stubId": "mid", "childStubIds": "leaf"},
        ],
    )
    assert [read(farm, each, "priority", "submittedBy", "root") for each in ids] == [[4, "ada", ids[1]]] * 3


def test_conditions_come_from_the_root_and_not_from_a_nearer_parent(farm: Farm) -> None:
    """CONTRACT 2.1, 9.8: where a job defines none; the root stays the root though it is adopted later."""
    ids = submission.submit(
        farm,
        {
            "name": "root",
            "host": "alpha",
            "children": [{"name": "middle", "hostgroup": "fast", "children": [{"name": "leaf", "command": "x"}]}],
        },
    )
    assert [[each["value"] for each in read(farm, job, "conditions")[0]] for job in ids] == [
        *(["alpha"], ["fast"], ["alpha"]),
    ]
    submission.submit(farm, {"name": "above", "host": "beta", "command": "x"}, None, [ids[0]])
    (late,) = submission.submit(farm, {"name": "late", "command": "x"}, ids[1])
    assert [each["value"] for each in read(farm, late, "conditions")[0]] == ["alpha"]
    assert read(farm, late, "root") == [ids[0]]


def test_what_a_job_is_given_is_kept_as_it_is_read(farm: Farm) -> None:
    """9.5."""
    job = submit(
        farm,
        command="x",
        maxTime="60",
        tags="single:a, excludeProgress",
        resources={"sidefx.license.render": "2"},
        minHosts="2",
        maxHosts=3,
        onError="oops",
        cleanup={"macos": "rm"},
        emailTo="ada@example.org",
        emailReasons="failed,abandoned",
    )
    assert read(farm, job, "maxTime", "tags", "resources", "hosts", "hooks", "emailTo", "emailReasons") == [
        60,
        ["single:a", "excludeProgress"],
        {"sidefx.license.render": 2},
        {"min": 2, "max": 3},
        {"onError": "oops", "cleanup": {"macosx": "rm"}},
        "ada@example.org",
        ["failed", "abandoned"],
    ]


def test_work_that_weighs_nothing_is_left_out_of_overall_progress(farm: Farm, client: TestClient) -> None:
    """9.5, 9.19: jobs without a command, hooks or not, and those with the tag."""
    children = [
        {"name": "a", "command": "a"},
        {"name": "b", "command": "b", "tags": ["excludeProgress"], "cpus": 2},
        {"name": "c", "onSuccess": "c", "cpus": 2},
    ]
    parent = submission.submit(farm, {"name": "p", "children": children})[0]
    assert read(farm, parent, "overallProgress", "ETA") == [0.0, -1.0]
    (order,) = client.fetch()
    client.beat(client.ended(order["run"], seconds=4.0), accepting=False)
    assert read(farm, parent, "overallProgress", "ETA", "status") == [1.0, 0.0, "queued"]


# First statuses ------------------------------------------------------------------------------------------------------


def test_a_new_job_stands_where_its_children_leave_it(farm: Farm, client: TestClient) -> None:
    succeeded, waiting = submit(farm), submit(farm, command="x", priority=9)
    failed = submit(farm, command="false")
    commands.cancel(farm, [failed], "gone")
    cases = {
        (): ("runnable", "succeeded"),
        (succeeded,): ("runnable", "succeeded"),
        (waiting,): ("queued", "queued"),
        (succeeded, waiting): ("queued", "queued"),
        (failed,): ("failed", "failed"),
        (failed, waiting): ("queued", "queued"),
    }
    for children, expected in cases.items():
        found = [
            submission.submit(farm, {"name": "x", "command": command}, None, list(children))[0] for command in ("c", "")
        ]
        assert tuple(read(farm, each, "status")[0] for each in found) == expected, children


def test_a_new_job_with_hooks_and_nothing_else_to_do_waits_for_a_client_to_run_them(
    farm: Farm, client: TestClient
) -> None:
    """9.13."""
    failed = submit(farm, command="false")
    commands.cancel(farm, [failed], "gone")
    specification = {"name": "x", "command": "c", "onChildError": "h", "onSuccess": "s"}
    (job,) = submission.submit(farm, specification, None, [failed])
    assert read(farm, job, "status") == ["runnable"]
    (order,) = client.fetch()
    assert (order["hook"], order["command"]) == ("onChildError", "h")
    client.beat(client.ended(order["run"]))
    assert read(farm, job, "status") == ["failed"]
    (other,) = submission.submit(farm, {"name": "x", "command": "c", "onSuccess": "s"}, None, [failed])
    assert read(farm, other, "status") == ["failed"], "none of its hooks is for that"


def test_a_job_that_fails_as_it_is_submitted_fails_its_parent(farm: Farm) -> None:
    failed, parent = submit(farm, command="false"), submit(farm, command="p")
    commands.cancel(farm, [failed], "gone")
    submission.submit(farm, {"name": "x", "command": "c"}, parent, [failed])
    assert read(farm, parent, "status") == ["failed"]


def test_a_child_that_has_nothing_to_do_keeps_nobody_waiting(farm: Farm) -> None:
    parent = submit(farm, command="p")
    submission.submit(farm, {"name": "x"}, parent)
    assert read(farm, parent, "status") == ["runnable"]


def test_the_times_are_those_of_the_farms_clock(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x")
    queue_time, runnable_time, start, end = read(farm, job, "queueTime", "runnableTime", "startTime", "endTime")
    assert queue_time.timestamp() == runnable_time.timestamp() == clock.now()
    assert (start, end) == (None, None)


def test_a_submission_asks_for_a_pass_once_it_is_on_disk(farm: Farm, asked: Asked) -> None:
    submit(farm, command="x")
    assert asked.passes == 1
    with pytest.raises(NotFound):
        submission.submit(farm, {"name": "x"}, 99)
    assert asked.passes == 1


# Submission keys -----------------------------------------------------------------------------------------------------


def test_the_same_key_again_gives_the_first_ids_and_creates_nothing(farm: Farm) -> None:
    document = {"name": "x", "submitKey": "k", "children": [{"name": "y"}]}
    ids = submission.submit(farm, document)
    assert submission.submit(farm, document) == ids
    assert count(farm) == 2


def test_the_same_key_for_something_else_is_a_conflict(farm: Farm) -> None:
    parent = submit(farm, command="p")
    submit(farm, submitKey="k", command="x")
    for other in ({"name": "a job", "submitKey": "k", "command": "y"}, {"name": "b", "submitKey": "k", "command": "x"}):
        assert "submitKey 'k' was used for another submission" in refused(farm, Conflict, other)
    same = {"name": "a job", "submitKey": "k", "command": "x"}
    assert "was used for another submission" in refused(farm, Conflict, same, parent)


def test_the_same_key_from_many_threads_makes_one_job(farm: Farm) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: submit(farm, submitKey="k", command="x"), range(16)))
    assert len(set(found)) == 1
    assert count(farm) == 1


def test_a_refused_submission_uses_up_no_key(farm: Farm) -> None:
    with pytest.raises(NotFound):
        submission.submit(farm, {"name": "x", "submitKey": "k"}, 99)
    assert submit(farm, submitKey="k")


def test_a_key_is_kept_seven_days(farm: Farm, clock: SetClock) -> None:
    first = submit(farm, submitKey="k")
    clock.advance(7 * 86400 - 1)
    upkeep.forget_submissions(farm)
    assert submit(farm, submitKey="k") == first
    clock.advance(2)
    upkeep.forget_submissions(farm)
    assert submit(farm, submitKey="k") != first


def test_without_a_key_two_identical_submissions_are_two_jobs(farm: Farm) -> None:
    assert submit(farm) != submit(farm)


# Size ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ten_thousand_nested_children_are_taken_in_one_call(
    tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy
) -> None:
    children = [{"name": f"frame {number}", "command": "render"} for number in range(10_000)]
    farm = open_farm(tmp_path, clock, asked, policy)  # not the fixture's: a recount of every job takes too long
    with closing(farm.database):
        ids = submission.submit(farm, {"name": "movie", "command": "join", "children": children})
        assert len(ids) == 10_001
        assert read(farm, ids[0], "tasks", "status") == [{"total": 10_000, "finished": 0, "failed": 0}, "queued"]


def test_a_family_larger_than_one_transaction_is_cancelled_as_a_whole(farm: Farm) -> None:
    children = [{"name": f"frame {number}", "command": "render"} for number in range(1_100)]
    ids = submission.submit(farm, {"name": "movie", "command": "join", "children": children})
    commands.cancel(farm, [ids[0]], "clean up")
    total = len(children)
    assert read(farm, ids[0], "tasks", "status") == [
        {"total": total, "finished": total, "failed": total},
        "cancelled",
    ]
