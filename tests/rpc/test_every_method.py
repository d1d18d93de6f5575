"""Every method of the registry: documented, typed, safe on the wire; and called for real over the real XML."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from farm_kit import TestClient
from rpc_kit import refused

from hqserver.domain.status import JOB_NAME_LISTS
from hqserver.rpc.method import Registry
from hqserver.services.farm import Farm


def test_every_method_has_a_sentence_and_typed_parameters(registry: Registry) -> None:
    for method in registry:
        assert re.match(r"[A-Z].*[.:;,a-z]", method.doc), method.name
        assert all(parameter.kind.wire for parameter in method.parameters), method.name


def test_every_method_that_listmethods_names_has_help_and_a_signature(hq: Any) -> None:
    for name in hq.system.listMethods():
        assert hq.system.methodHelp(name).startswith(name.split(".")[0]) or "(" in hq.system.methodHelp(name)
        assert hq.system.methodSignature(name)


def test_too_many_parameters_are_a_fault_that_shows_the_call(registry: Registry, hq: Any) -> None:
    for method in registry:
        fault = refused(getattr(hq, method.name), *range(len(method.parameters) + 1))
        assert fault.faultCode == -32602, method.name
        assert method.name in fault.faultString


def test_the_daemons_methods_are_not_listed_and_turn_strangers_away(registry: Registry, hq: Any) -> None:
    internal = [method for method in registry if method.internal]
    assert {method.name for method in internal} == {"registerClient", "clientBeat"}
    assert not {method.name for method in internal} & set(hq.system.listMethods())
    beat = {
        "session": "x",
        "sequence": 1,
        "load": 0.0,
        "memoryFree": 1,
        "diskFree": 1,
        "idleTime": -1,
        "spare": 0,
        "accepting": True,
        "queued": [],
        "progress": {},
        "output": [],
        "reports": [],
    }
    assert refused(hq.clientBeat, beat).faultCode == 401
    assert refused(hq.clientBeat, {}).faultCode == -32602


@pytest.mark.parametrize(("method", "names"), JOB_NAME_LISTS.items())
def test_a_name_list_is_that_of_the_contract(hq: Any, method: str, names: tuple[str, ...]) -> None:
    """CONTRACT 9.7."""
    assert getattr(hq, method)() == [str(name) for name in names]


def test_the_server_says_that_it_is_there_which_version_and_what_time(hq: Any, farm: Farm) -> None:
    assert hq.ping() is True
    assert re.fullmatch(r"\d+\.\d+\.\d+", hq.getVersion())
    assert isinstance(hq.getServerTime(), datetime)
    assert hq.getServerTime().year == 2023, "the clock of the tests stands in 2023"


@pytest.mark.parametrize(
    "jobspec",
    [
        {"name": "one", "command": "true"},
        '{"name": "one", "command": "true"}',
        [{"name": "one", "command": "true"}],
    ],
    ids=["dict", "json", "list"],
)
def test_newjob_takes_a_dictionary_a_json_text_and_a_list(hq: Any, jobspec: Any) -> None:
    (job,) = hq.newjob(jobspec)
    assert hq.getJob(job, ["name", "status"]) == {"id": job, "name": "one", "status": "runnable"}


def test_newjob_lists_the_specifications_first_and_nested_children_after_them(hq: Any) -> None:
    """CONTRACT 9.6."""
    tree = {"name": "a", "children": [{"name": "a1", "children": [{"name": "a11"}]}, {"name": "a2"}]}
    ids = hq.newjob([tree, {"name": "b", "children": [{"name": "b1"}]}])
    assert [job["name"] for job in hq.getJobs(ids, ["name"])] == ["a", "b", "a1", "a11", "a2", "b1"]


def test_newjob_takes_the_parent_as_text_as_running_jobs_send_it(hq: Any) -> None:
    """CONTRACT 1.1: the JOBID of the environment is passed straight in."""
    (parent,) = hq.newjob({"name": "parent", "command": "true"})
    (child,) = hq.newjob({"name": "child", "command": "true"}, str(parent))
    assert hq.getJob(child, ["parents"])["parents"] == [parent]
    assert hq.getJob(parent, ["children", "status"]) == {"id": parent, "children": [child], "status": "queued"}


def test_newjob_adopts_children(hq: Any) -> None:
    (child,) = hq.newjob({"name": "child", "command": "true"})
    (parent,) = hq.newjob({"name": "parent", "command": "true"}, None, [child])
    assert hq.getJob(child, ["parents"])["parents"] == [parent]


@pytest.mark.parametrize(
    ("jobspec", "code", "words"),
    [
        ('{"name": ', 400, "not JSON"),
        ({"command": "true"}, 400, "no 'name'"),
        ({"name": "x", "children": [{"name": "a"}, {"name": "b", "priority": "high"}]}, 400, "children[1].priority"),
        ({"name": "x", "command": [5]}, 400, "command"),
        ({"name": "x", "environment": {"A=B": "1"}}, 400, "A=B"),
        ({"name": "x", "command": "c", "splitOutput": "apart"}, 400, "splitOutput must be true or false"),
        ([{"name": "x"}, {"name": ""}], 400, "[1].name"),
        ([], 400, "empty"),
    ],
)
def test_a_bad_specification_is_one_fault_that_names_the_place_and_stores_nothing(
    hq: Any, jobspec: Any, code: int, words: str
) -> None:
    fault = refused(hq.newjob, jobspec)
    assert fault.faultCode == code
    assert words in fault.faultString
    assert hq.getJobIdsByStatus(hq.getAllJobStatusNames()) == []


def test_a_command_with_a_nul_is_refused(hq: Any) -> None:
    fault = refused(hq.newjob, '{"name": "x", "command": "echo \\u0000"}')
    assert (fault.faultCode, "NUL" in fault.faultString) == (400, True)


def test_newjob_refuses_a_parent_that_is_not_there_or_that_would_close_a_circle(hq: Any) -> None:
    assert refused(hq.newjob, {"name": "x"}, 999).faultCode == 404
    top, below = hq.newjob({"name": "top", "command": "true", "children": [{"name": "below", "command": "true"}]})
    circle = refused(hq.newjob, {"name": "x", "command": "true"}, below, [top])
    assert circle.faultCode == 409
    assert str(top) in circle.faultString


def test_runcmd_answers_one_bare_id(hq: Any) -> None:
    job = hq.runcmd("echo hello")
    assert hq.getJob(job, ["command"])["command"] == "echo hello"


def test_getjobs_leaves_out_unknown_ids_and_keeps_the_order_asked_for(hq: Any) -> None:
    """CONTRACT 9.3."""
    first, second = hq.newjob([{"name": "a"}, {"name": "b"}])
    assert [job["id"] for job in hq.getJobs([second, 999, first], ["name"])] == [second, first]
    assert refused(hq.getJob, 999).faultCode == 404
    assert refused(hq.getJobOutput, 999).faultCode == 404


def test_an_unknown_attribute_is_a_fault_with_a_suggestion(hq: Any) -> None:
    """CONTRACT 9.4."""
    (job,) = hq.newjob({"name": "a"})
    fault = refused(hq.getJob, job, ["statsu"])
    assert (fault.faultCode, "did you mean 'status'" in fault.faultString) == (-32602, True)


def test_empty_text_counts_as_none_for_callers_without_nil(hq: Any) -> None:
    """CONTRACT 9.2."""
    (job,) = hq.newjob({"name": "a"}, "", "")
    assert hq.getJob(job, "")["name"] == "a"
    assert hq.getClients("", "") == []


def test_both_spellings_of_getjobidsbystatus_are_served(hq: Any) -> None:
    (job,) = hq.newjob({"name": "a", "command": "true"})
    assert hq.getJobIdsByStatus(["runnable"]) == hq.getJobIdsBySatus(["runnable"]) == [job]
    assert hq.getJobIdsByStatus(["waiting"]) == [job], "CONTRACT 9.7"
    assert "did you mean 'failed'" in refused(hq.getJobIdsByStatus, ["fialed"]).faultString


def test_roots_are_the_jobs_without_a_parent(hq: Any) -> None:
    done = hq.newjob({"name": "done", "children": [{"name": "below"}]})
    live = hq.newjob({"name": "live", "command": "true"})
    assert hq.getFinishedRootJobIds() == done[:1]
    assert hq.getUnfinishedRootJobIds() == live


def test_canceljobs_answers_true_and_ignores_what_it_does_not_know(hq: Any) -> None:
    """CONTRACT 9.2, 9.3."""
    (job,) = hq.newjob({"name": "a", "command": "true"})
    assert hq.cancelJobs([job, 999]) is True
    assert hq.getJob(job, ["status"])["status"] == "cancelled"
    assert hq.cancelJobs([job]) is True


def test_clients_are_listed_with_every_attribute(hq: Any, client: TestClient) -> None:
    (found,) = hq.getClients()
    assert (found["hostname"], found["label"], found["available"], found["idleTime"]) == ("alpha", "alpha", True, -1)
    assert hq.getClient(client.id, ["cpus"]) == {"id": client.id, "hostname": "alpha", "cpus": 2}
    assert hq.getClients([client.id, 99], ["id"]) == [{"id": client.id, "hostname": "alpha"}]
    assert refused(hq.getClient, 99).faultCode == 404


def test_notes_go_to_the_thread_of_their_job_client_or_the_farm(hq: Any, client: TestClient) -> None:
    (job,) = hq.newjob({"name": "a", "command": "true"})
    assert hq.addNote("about the job", None, job, None) is True
    assert hq.addNote("again", None, job, None) is True
    assert hq.addNote("about the client", None, None, client.id) is True
    assert hq.addNote("for all", None, None, None) is True
    assert hq.addNote("   ", None, None, None) is True
    threads = hq.getNoteThreads(None, ["jobId", "clientId", "notes"], ["text"])
    assert [[note["text"] for note in thread["notes"]] for thread in threads] == [
        ["about the job", "again"],
        ["about the client"],
        ["for all"],
    ]
    assert hq.getJob(job, ["latestNote"])["latestNote"] == "again"
    (latest,) = hq.getLatestNotes([threads[0]["id"]], ["text", "jobId"])
    assert (latest["text"], latest["jobId"]) == ("again", job)
    assert hq.addNote("into the thread", threads[2]["id"], None, None) is True
    assert len(hq.getNoteThreads()) == 3
    assert refused(hq.addNote, "x", None, job, client.id).faultCode == -32602


def test_output_may_hold_what_xml_cannot_carry(hq: Any, farm: Farm, client: TestClient) -> None:
    """CONTRACT 9.20."""
    from hqserver.services.clients.beats import Piece

    (job,) = hq.newjob({"name": "a", "command": "true"})
    (order,) = client.fetch()
    client.beat(client.ended(order["run"], log_size=12), output=(Piece(order["run"], 0, b"\x1b[1mbold\x00\xff\r\n"),))
    text = hq.getJobOutput(job)
    assert "bold" in text
    assert "\x1b" not in text and "\x00" not in text
    assert hq.getJobOutput(job, 3) == text[-3:]


def test_methods_with_unknown_names_are_a_fault(hq: Any) -> None:
    fault = refused(hq.getJobz, [1])
    assert (fault.faultCode, "getJob" in fault.faultString) == (-32601, True)
