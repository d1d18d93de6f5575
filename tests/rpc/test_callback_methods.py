"""Callbacks over the real XML: results, defaults, and each of the errors (CONTRACT 10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from rpc_kit import refused

HOOK = {"type": "webhook", "url": "https://pipeline.example/farm", "secret": "hush"}


def test_callbacks_are_added_listed_and_deleted(hq: Any) -> None:
    (job,) = hq.newjob({"name": "x", "command": "x"})
    first = hq.addCallback(job, ["failed", "child:finished"], HOOK)
    second = hq.addCallback(str(job), "any:failed", {"type": "command", "command": "tell", "cpus": 2})
    everywhere = hq.addCallback(None, "failed", HOOK)
    found = hq.getCallbacks(job)
    assert [each["id"] for each in found] == [first, second]
    assert isinstance(found[0].pop("added"), datetime)
    assert found[0] == {
        "id": first,
        "job": job,
        "triggers": ["job:failed", "child:succeeded", "child:failed", "child:cancelled", "child:abandoned"],
        "action": {"type": "webhook", "url": "https://pipeline.example/farm", "signed": True},
        "addedBy": "127.0.0.1",
        "fired": 0,
        "waiting": 0,
        "failed": 0,
        "lastError": "",
    }
    assert found[1]["action"] == {"type": "command", "command": "tell", "cpus": 2}
    assert [(each["id"], each["job"]) for each in hq.getCallbacks()] == [(everywhere, None)]
    assert hq.getCallbacks("") == hq.getCallbacks(None)
    assert hq.deleteCallbacks([99, second, str(first)]) == [first, second]
    assert hq.deleteCallbacks([first]) == []
    assert hq.getCallbacks(job) == []


@pytest.mark.parametrize(
    ("method", "parameters", "code", "words"),
    [
        ("addCallback", (99, "failed", HOOK), 404, "there is no job 99"),
        ("addCallback", (1, "fialed", HOOK), -32602, "did you mean 'failed'?"),
        ("addCallback", (1, [], HOOK), -32602, "names nothing"),
        ("addCallback", (None, "child:failed", HOOK), -32602, "needs a job"),
        ("addCallback", (1, "failed", {"type": "webhok"}), -32602, "did you mean 'webhook'?"),
        ("addCallback", (1, "failed", {"type": "webhook", "url": "ftp://x"}), -32602, "action.url"),
        ("addCallback", (1, "failed", {"type": "command", "command": "x", "cpus": "?"}), 400, "action.cpus"),
        ("addCallback", (1, "failed", {"type": "mail", "to": "a@b.example"}), 409, "no mail server"),
        ("addCallback", (1, "failed", "mail"), -32602, "action must be a struct"),
        ("getCallbacks", (99,), 404, "there is no job 99"),
        ("deleteCallbacks", (["x"],), -32602, "callback_ids[0] must be an id"),
    ],
)
def test_each_error_is_a_fault_that_names_the_value(
    hq: Any, method: str, parameters: tuple[Any, ...], code: int, words: str
) -> None:
    hq.newjob({"name": "x", "command": "x"})
    fault = refused(getattr(hq, method), *parameters)
    assert (fault.faultCode, words in fault.faultString) == (code, True), fault.faultString
