"""The methods of HQueue's first releases that scripts still call, and the count of jobs that wait."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from farm_kit import SetClock, TestClient, submit
from rpc_kit import refused

from hqserver.services.care import upkeep
from hqserver.services.clients.beats import Piece
from hqserver.services.farm import Farm
from hqserver.services.intake import submission

INFO_KEYS = {
    *("startTime", "endTime", "cmdStartTime", "cmdEndTime", "status", "priority"),
    *("progress", "root", "children", "parents", "conditions"),
}


def test_getinfo_tells_a_jobs_times_status_and_family(hq: Any, farm: Farm, client: TestClient) -> None:
    top, below = hq.newjob(
        {"name": "top", "command": "x", "priority": 3, "children": [{"name": "below", "command": "x"}]}
    )
    before = hq.getinfo(str(below))
    assert set(before) == INFO_KEYS
    assert (before["startTime"], before["cmdStartTime"], before["endTime"]) == (None, None, None)
    assert (before["root"], before["parents"], before["children"]) == (top, [top], [])
    client.run_all()
    after = hq.getinfo(top)
    assert (after["status"], after["priority"], after["progress"]) == ("succeeded", 3, 1.0)
    assert (after["root"], after["children"], after["parents"], after["conditions"]) == (top, [below], [], [])
    for key in ("startTime", "endTime", "cmdStartTime", "cmdEndTime"):
        assert isinstance(after[key], datetime), key


def test_the_root_of_getinfo_is_the_ancestor_that_has_no_parent_also_where_the_root_was_adopted(
    hq: Any, farm: Farm
) -> None:
    root, child = submission.submit(farm, {"name": "r", "command": "x", "children": [{"name": "c", "command": "x"}]})
    (foster,) = submission.submit(farm, {"name": "f", "command": "x"}, None, [root])
    (grand,) = submission.submit(farm, {"name": "g", "command": "x"}, None, [foster])
    assert [hq.getinfo(each)["root"] for each in (child, root, foster, grand)] == [grand] * 4


def test_getprogress_is_a_percentage_of_a_hundred(hq: Any, farm: Farm, client: TestClient) -> None:
    job, done = submit(farm, command="x"), submit(farm)
    assert hq.getprogress(job) == [0.0, 100.0]
    run = next(order["run"] for order in client.fetch())
    client.beat(client.started(run), progress={run: 0.29})
    upkeep.flush(farm)
    assert hq.getprogress(str(job)) == [29.0, 100.0]
    assert hq.getprogress(done) == [0.0, 100.0], "a job without a command has no progress of its own"


def test_getstatus_and_getoutput_are_what_getjob_and_getjoboutput_tell(hq: Any, farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    assert (hq.getstatus(job), hq.getoutput(job)) == ("runnable", "")
    (order,) = client.fetch()
    client.beat(client.ended(order["run"], log_size=6), output=(Piece(order["run"], 0, b"hello\n"),))
    assert (hq.getstatus(str(job)), hq.getoutput(job)) == ("succeeded", "hello\n")


def test_the_old_getters_answer_none_for_what_does_not_exist(hq: Any) -> None:
    """9.3."""
    for method in (hq.getinfo, hq.getoutput, hq.getprogress, hq.getstatus):
        assert method(999) is None
        assert refused(method, "x").faultCode == -32602
    assert hq.getclientinfo("nobody") is None


def test_getclientinfo_tells_whether_a_machine_is_disabled_and_what_it_runs(
    hq: Any, farm: Farm, client: TestClient
) -> None:
    assert hq.getclientinfo("alpha") == {"disabled": False, "jobs": []}
    job = submit(farm, command="x")
    client.fetch()
    hq.setdisabled("alpha", True)
    assert hq.getclientinfo("alpha") == {"disabled": True, "jobs": [job]}


def test_the_old_methods_say_what_to_call_instead(hq: Any) -> None:
    for method, instead in (
        *(("getinfo", "getJob"), ("getoutput", "getJobOutput"), ("getprogress", "getJob"), ("getstatus", "getJob")),
        *(("getclientinfo", "getClientByName"), ("getClientByHostname", "getClientByName")),
    ):
        assert instead in hq.system.methodHelp(method)


def test_waiting_jobs_are_counted_by_how_long_they_wait_and_by_priority(hq: Any, farm: Farm, clock: SetClock) -> None:
    submit(farm, command="x", priority=1)
    clock.advance(600)
    submit(farm, command="x", priority=5)
    submission.submit(farm, {"name": "p", "command": "x", "priority": 9, "children": [{"name": "c", "command": "x"}]})
    assert hq.getNumWaitingJobs() == hq.getNumWaitingJobs(0, -1, -1) == hq.getNumWaitingJobs("", "", "") == 3
    assert hq.getNumWaitingJobs(10) == 1, "at least so many minutes"
    assert hq.getNumWaitingJobs(11) == 0
    assert hq.getNumWaitingJobs(-5) == 3
    assert hq.getNumWaitingJobs(0, 5) == 2
    assert hq.getNumWaitingJobs(0, -1, 5) == 2
    assert hq.getNumWaitingJobs(0, 5, 5) == 1
    assert hq.getNumWaitingJobs(0, 0, 0) == 0, "zero is a bound"
    assert refused(hq.getNumWaitingJobs, "long").faultCode == -32602


def test_a_job_that_runs_or_waits_for_its_children_is_not_waiting_for_a_client(
    hq: Any, farm: Farm, client: TestClient, clock: SetClock
) -> None:
    hq.newjob({"name": "p", "command": "x", "children": [{"name": "c", "command": "x"}]})
    clock.advance(600)
    client.beat()
    (order,) = client.fetch()
    assert hq.getNumWaitingJobs() == 0
    client.beat(client.ended(order["run"]), accepting=False)
    assert hq.getNumWaitingJobs() == 1
    assert hq.getNumWaitingJobs(1) == 0, "it could not run before its child had ended"
