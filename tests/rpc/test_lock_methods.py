"""Locks and results over the real XML: answers, defaults, and each of the errors (CONTRACT 10)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from farm_kit import TestClient
from rpc_kit import refused

from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.method import Caller, Registry


def test_a_lock_is_acquired_renewed_listed_and_released(hq: Any) -> None:
    held = hq.acquireLock("nightly", 30, "ana")
    assert re.fullmatch(r"[0-9a-f]{32}", held["token"])
    assert isinstance(held["since"], datetime)
    assert isinstance(held["until"], datetime)
    assert (held["name"], held["owner"], held["seconds"]) == ("nightly", "ana", 30.0)
    assert hq.acquireLock("nightly", 30, "ben") is None
    assert hq.acquireLock("nightly", "30", "ana") == held
    assert hq.renewLock("nightly", held["token"], 12.5)["seconds"] == 12.5
    assert hq.renewLock("nightly", held["token"])["seconds"] == 12.5
    assert hq.renewLock("nightly", "0" * 32) is None
    assert hq.renewLock("unknown", held["token"]) is None
    (shown,) = hq.getLocks()
    assert set(shown) == set(held) - {"token"}
    assert hq.getLocks(["nightly"]) == hq.getLocks(None) == hq.getLocks("") == [shown]
    assert hq.getLocks(["other"]) == []
    assert hq.releaseLock("nightly", held["token"]) is True
    assert hq.releaseLock("nightly", held["token"]) is False
    hq.acquireLock("nightly", 30, "ben")
    assert hq.breakLock("nightly") is True
    assert hq.breakLock("nightly") is False
    assert [event["reason"] for event in hq.getEvents(0, 10, {"kind": "lock"})["events"]] == [
        "nightly: taken from ben by 127.0.0.1"
    ]


def test_a_caller_that_cannot_read_nil_is_answered_with_an_empty_text(hq: Any, registry: Registry) -> None:
    """CONTRACT 9.2."""
    hq.acquireLock("nightly", 30, "ana")
    call = (
        "<methodCall><methodName>acquireLock</methodName><params><param><value>nightly</value></param>"
        "<param><value><int>5</int></value></param><param><value>ben</value></param></params></methodCall>"
    )
    answer = Dispatcher(registry).handle(call.encode(), Caller(nonil=True))
    assert b"<string></string>" in answer


def test_a_result_is_left_and_read(hq: Any) -> None:
    (job,) = hq.newjob({"name": "x", "command": "x"})
    assert hq.getJobResult(job) is None
    left = {"frames": [1, 2.5, None, {"ok": True}], "text": "a\n<&>"}
    assert hq.setJobResult(str(job), left) is True
    assert hq.getJobResult(job) == left
    assert hq.getJob(job, ["hasResult"])["hasResult"] is True
    assert hq.setJobResult(job, "") is True
    assert hq.getJobResult(job) == ""
    assert hq.setJobResult(job, {"bytes": 12345678901.0}, "") is True
    assert hq.getJobResult(job) == {"bytes": 12345678901.0}
    assert hq.setJobResult(job, None) is True
    assert hq.getJob(job, ["hasResult"])["hasResult"] is False


def test_a_run_that_has_ended_leaves_nothing(hq: Any, client: TestClient) -> None:
    (job,) = hq.newjob({"name": "x", "command": "x"})
    (order,) = client.fetch()
    assert hq.setJobResult(job, 1, order["run"]) is True
    client.beat(client.ended(order["run"]))
    fault = refused(hq.setJobResult, job, 2, order["run"])
    assert (fault.faultCode, "owns its work no more" in fault.faultString) == (409, True)
    assert hq.getJobResult(job) == 1


NOW = datetime(2026, 1, 1)  # noqa: DTZ001  # naive UTC, as on the wire


@pytest.mark.parametrize(
    ("method", "parameters", "code", "words"),
    [
        ("acquireLock", ("", 30, "ana"), -32602, "name must have from 1 to 255"),
        ("acquireLock", ("a", 30, " "), -32602, "owner must have from 1 to 255"),
        ("acquireLock", ("a", 0.5, "ana"), -32602, "seconds must be from 1 to 86400"),
        ("acquireLock", ("a", "soon", "ana"), -32602, "seconds must be a number"),
        ("acquireLock", ("a", 10), -32602, "acquireLock(name, seconds, owner)"),
        ("acquireLock", (["a"], 10, "ana"), -32602, "name must be text"),
        ("renewLock", ("", "x"), -32602, "name must have"),
        ("renewLock", ("a", "x", 1e9), -32602, "seconds must be"),
        ("releaseLock", ("x" * 256, "x"), -32602, "name must have"),
        ("breakLock", ("",), -32602, "name must have"),
        ("getLocks", ([{}],), -32602, "names[0] must be text"),
        ("getLocks", (["x"] * 10_001,), 413, "10001 names"),
        ("setJobResult", (99, 1), 404, "there is no job 99"),
        ("setJobResult", ("x", 1), -32602, "job_id must be an id"),
        ("setJobResult", (1,), -32602, "setJobResult(job_id, result, run=None)"),
        ("setJobResult", (1, {"a": [NOW]}), 400, "result.a[0] is a time"),
        ("setJobResult", (1, [b"x"]), 400, "result[0] is base64"),
        ("setJobResult", (1, "x" * 1_048_576), 413, "result has more than 1048576 bytes as JSON"),
        ("setJobResult", (1, 1, "f" * 32), 409, "is no run of job 1"),
        ("getJobResult", (99,), 404, "there is no job 99"),
    ],
)
def test_each_error_is_a_fault_that_names_the_value(
    hq: Any, method: str, parameters: tuple[Any, ...], code: int, words: str
) -> None:
    hq.newjob({"name": "x", "command": "x"})
    fault = refused(getattr(hq, method), *parameters)
    assert (fault.faultCode, words in fault.faultString) == (code, True), fault.faultString
