"""Runners from outside over the real XML: answers, defaults, and each of the errors (CONTRACT 10)."""

from __future__ import annotations

import re
from typing import Any
from xmlrpc.client import Binary

import pytest
from farm_kit import TestClient
from rpc_kit import refused

from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.method import Caller, Registry


def test_work_is_claimed_renewed_and_finished(hq: Any) -> None:
    (job,) = hq.newjob({"name": "x", "command": "render", "environment": {"A": "né"}})
    claim = hq.claimJob({"name": "x"}, "laptop")
    assert re.fullmatch(r"[0-9a-f]{32}", claim["run"])
    assert (claim["job"], claim["root"], claim["command"], claim["seconds"]) == (job, job, "render", 3600)
    assert claim["environment"]["A"] == "né"
    assert hq.claimJob(None, "laptop") is None
    renewed = {"run": claim["run"], "job": job, "wanted": True, "why": "", "seconds": 3600}
    assert hq.renewClaim(claim["run"]) == renewed
    assert hq.renewClaim(claim["run"], "", "") == renewed
    assert hq.renewClaim(claim["run"], "30", 1) == {**renewed, "seconds": 30}
    outcome = {"status": "succeeded", "run": claim["run"], "output": Binary(b"\xffhello"), "result": [1, None]}
    assert hq.finishJob(str(job), outcome) == {"run": claim["run"], "status": "succeeded"}
    assert hq.finishJob(job, "succeeded") == {"run": claim["run"], "status": "succeeded"}
    assert hq.getJobResult(job) == [1, None]
    assert "hello" in hq.getJobOutput(job)
    (shown,) = hq.getClients()
    assert (shown["label"], shown["outside"], shown["available"]) == ("laptop", True, False)
    assert shown["unavailableBecause"] == "is a runner that asks for its work itself"
    assert [each["label"] for each in hq.findClients({"name": "lap*"}, ["label"])] == ["laptop"]


def test_a_caller_that_cannot_read_nil_is_answered_with_an_empty_text(registry: Registry) -> None:
    """CONTRACT 9.2."""
    call = (
        "<methodCall><methodName>claimJob</methodName><params><param><value></value></param>"
        "<param><value>laptop</value></param></params></methodCall>"
    )
    answer = Dispatcher(registry).handle(call.encode(), Caller(nonil=True))
    assert b"<string></string>" in answer


def test_runners_are_removed_and_put_into_groups_as_other_clients(hq: Any) -> None:
    job, other = hq.newjob([{"name": "x", "command": "x", "hostgroup": "night"}, {"name": "y", "command": "y"}])
    hq.claimJob({"ids": [other]}, "laptop")
    (runner,) = hq.getClients(None, ["id"])
    hq.addClientToGroup(hq.createClientGroup("night"), runner["id"])
    assert hq.claimJob({"group": ["night"]}, {"name": "laptop", "cpus": 8, "memory": 16_000_000})["job"] == job
    assert hq.getClient(runner["id"], ["cpus", "memory"])["cpus"] == 8
    hq.removeClients([runner["id"]])
    assert hq.getClients() == []


def test_jobs_that_are_claimed_are_exported_and_imported(hq: Any) -> None:
    (job,) = hq.newjob({"name": "x", "command": "x"})
    claim = hq.claimJob({}, "laptop")
    live = hq.exportJobs([job])
    outcome = {"status": "succeeded", "run": claim["run"], "result": {"a": 1}}
    hq.finishJob(job, outcome)
    done = hq.exportJobs([job])
    assert "laptop" in str(done)
    hq.deleteJobs([job])
    for document in (live, done):
        again = hq.importJobs(document)[0]["id"]
        fault = refused(hq.finishJob, again, outcome)
        assert (fault.faultCode, "there is no claim" in fault.faultString) == (404, True)
        assert hq.getJob(again, ["status"])["status"] != "running"
        hq.cancelJobs([again])
        hq.deleteJobs([again])


@pytest.mark.parametrize(
    ("method", "parameters", "code", "words"),
    [
        ("claimJob", ({"nmae": "x"}, "laptop"), -32602, "did you mean 'name'"),
        ("claimJob", ("x", "laptop"), -32602, "filter must be a struct"),
        ("claimJob", ({},), -32602, "claimJob(filter, runner, seconds=3600)"),
        ("claimJob", ({}, ""), -32602, "the name of a runner must not be blank"),
        ("claimJob", ({}, 5.5), -32602, "runner must be"),
        ("claimJob", ({}, ["laptop"]), -32602, "runner must be"),
        ("claimJob", ({}, "a:b"), -32602, "holds a colon"),
        ("claimJob", ({}, "\u202e" + "x" * 255), -32602, "has 256 characters"),
        ("claimJob", ({}, {"name": "x", "cpu": 1}), -32602, "runner: there is no key 'cpu'; did you mean 'cpus'?"),
        ("claimJob", ({}, {"name": "x", "cpus": 2**31 - 1}), -32602, "runner.cpus must be from 1 to 100000"),
        ("claimJob", ({}, "laptop", 0), -32602, "seconds must be from 1 to 604800, not 0"),
        ("claimJob", ({}, "laptop", "soon"), -32602, "seconds must be a whole number"),
        ("claimJob", ({}, "alpha"), 409, "alpha is a client with a daemon"),
        ("renewClaim", ("x",), 404, "there is no claim 'x'"),
        ("renewClaim", ("../../etc/passwd",), 404, "there is no claim"),
        ("renewClaim", ("x", -1), -32602, "seconds must be from 1 to 604800, not -1"),
        ("renewClaim", ("x", None, 1.5), -32602, "progress must be from 0.0 to 1.0, not 1.5"),
        ("finishJob", (99, "succeeded"), 404, "there is no job 99"),
        ("finishJob", ("x", "succeeded"), -32602, "job_id must be an id"),
        ("finishJob", (1, "done"), -32602, "outcome.status must be one of succeeded, failed, returned, not 'done'"),
        ("finishJob", (1, {"status": "failed", "run": "f" * 32}), 404, "there is no claim"),
        ("finishJob", (1, {"status": "failed", "exitCode": 0}), -32602, "outcome.exitCode 0 is not that of work"),
        ("finishJob", (1, {"status": "failed", "result": Binary(b"x")}), 400, "outcome.result is base64"),
        ("finishJob", (1, {"status": "failed", "result": "x" * 1_048_576}), 413, "outcome.result has"),
        ("finishJob", (1, "succeeded"), 409, "nobody has claimed work of job 1"),
    ],
)
def test_each_error_is_a_fault_that_names_the_value(
    hq: Any, client: TestClient, method: str, parameters: tuple[Any, ...], code: int, words: str
) -> None:
    hq.newjob({"name": "x", "command": "x"})
    fault = refused(getattr(hq, method), *parameters)
    assert (fault.faultCode, words in fault.faultString) == (code, True), fault.faultString
    assert [each["label"] for each in hq.getClients(None, ["label"])] == ["alpha"]
