"""Work items and control over the real XML: results, defaults, and each of the errors (CONTRACT 10)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import TestClient
from rpc_kit import refused

NOWHERE = {"name": "x", "command": "x", "host": "nowhere"}


def test_work_is_listed_added_and_changed(hq: Any, client: TestClient) -> None:
    (job,) = hq.newjob({"name": "x", "command": "x", "agenda": "1-3"})
    (order, _) = client.fetch()
    client.beat(client.ended(order["run"], 1))
    first = hq.getWork(job)[0]
    assert {name: first[name] for name in ("name", "first", "last", "status", "tries", "triesLeft", "progress")} == {
        "name": "1",
        "first": 1,
        "last": 1,
        "status": "failed",
        "tries": 1,
        "triesLeft": 0,
        "progress": 0.0,
    }
    assert (first["client"], first["run"], first["package"]) == ("alpha", order["run"], {})
    assert hq.addWork(job, "10-11") == ["10", "11"]
    assert hq.addWork(job, [{"name": "left", "package": {"eye": "l"}}]) == ["left"]
    assert [item["name"] for item in hq.getWork(job, ["runnable"], 2, 1)] == ["11", "left"]
    assert hq.changeWork(job, ["1", "7"], "retry") == [
        {"name": "1", "changed": True, "was": "failed", "now": "runnable", "why": ""},
        {"name": "7", "changed": False, "was": "", "now": "", "why": "there is no such piece"},
    ]


def test_jobs_are_changed_by_ids_and_by_a_filter(hq: Any) -> None:
    jobs = hq.newjob([NOWHERE, {**NOWHERE, "name": "y"}])
    assert hq.changeJobs([jobs[0]], "block") == [
        {"id": jobs[0], "changed": True, "was": "runnable", "now": "paused", "why": ""}
    ]
    found = hq.changeJobs({"status": ["paused"]}, "unblock", {"reason": "mended"})
    assert [each["id"] for each in found] == [jobs[0]]
    assert hq.getJob(jobs[0], ["logs"])["logs"][-2]["message"] == "mended (unblock by 127.0.0.1)"
    assert hq.modifyJobs(jobs, {"priority": 3})[1]["changed"] is True
    assert [each["id"] for each in hq.changeJobs([str(job) for job in jobs], "cancel")] == jobs
    assert hq.changeJobs([], "cancel") == []


@pytest.mark.parametrize(
    ("method", "parameters", "code", "words"),
    [
        ("getWork", (99,), 404, "there is no job 99"),
        ("getWork", (1, ["runable"]), -32602, "did you mean 'runnable'?"),
        ("getWork", (1, None, 0), -32602, "limit must be from 1 to 10000"),
        ("getWork", (1, None, 1, -1), -32602, "offset must be 0 or more"),
        ("addWork", (99, "1"), 404, "there is no job 99"),
        ("addWork", (1, "1"), 409, "has no agenda"),
        ("addWork", (1, "x"), -32602, "agenda has the part 'x'"),
        ("changeWork", (99, ["1"], "block"), 404, "there is no job 99"),
        (
            "changeWork",
            (1, [""], "preempt"),
            -32602,
            "preempt is no action on work items: a running piece ends by itself",
        ),
        ("changeWork", (1, [""], "prempt"), -32602, "there is no action 'prempt'"),
        ("changeWork", (1, [""], "block", {"limit": 0}), 409, "more than the limit of 0"),
        ("changeWork", (1, ["x"] * 10_001, "block"), 413, "at most 10000 names"),
        ("changeJobs", ([1], "blok"), -32602, "did you mean 'block'?"),
        ("changeJobs", ([1], "block", {"dryrun": 1}), -32602, "did you mean 'dryRun'?"),
        ("changeJobs", ([1], "block", {"limit": 0}), 409, "more than the limit of 0"),
        ("changeJobs", ({"nme": "x"}, "block"), -32602, "did you mean 'name'?"),
        ("changeJobs", ({}, "block"), -32602, "an empty filter means every job"),
        ("changeJobs", ("x", "block"), -32602, "must be"),
        ("changeJobs", (list(range(1, 11_002)), "block"), 413, "more than 11000 jobs"),
        ("modifyJobs", ([1], {"cpu": 2}), -32602, "changes.cpu: no such property of a job; did you mean 'cpus'?"),
    ],
)
def test_each_error_is_a_fault_that_names_the_value(
    hq: Any, method: str, parameters: tuple[Any, ...], code: int, words: str
) -> None:
    hq.newjob(NOWHERE)
    fault = refused(getattr(hq, method), *parameters)
    assert (fault.faultCode, words in fault.faultString) == (code, True), fault.faultString


def test_a_number_adds_the_frame_of_that_number(hq: Any) -> None:
    (job,) = hq.newjob({"name": "a", "command": "x", "agenda": 1})
    assert hq.addWork(job, 5) == ["5"]
    assert hq.addWork(job, [6]) == ["6"]
    assert [(item["name"], item["first"]) for item in hq.getWork(job)] == [("1", 1), ("5", 5), ("6", 6)]
