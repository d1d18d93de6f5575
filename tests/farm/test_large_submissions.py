"""Very many jobs in one call are one transaction, and others are answered meanwhile (CONTRACT 9.5, 9.6)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from live_farm import LiveFarm

pytestmark = pytest.mark.farm

CHILDREN = 10_000
FRAME: dict[str, Any] = {
    "name": "frame",
    "command": {"windows": "rem " + "x" * 200},
    "environment": {f"VARIABLE_{number}": f"value {number}" for number in range(8)},
    "conditions": [{"type": "client", "name": "group", "op": "in", "value": "render,simulation"}],
    "tags": ["single:frames"],
    "priority": "5 (Medium)",
}


def test_ten_thousand_nested_children_are_one_call_while_ping_goes_on_answering(live: LiveFarm) -> None:
    answers: list[list[int]] = []
    caller = threading.Thread(
        target=lambda: answers.append(live.call("newjob", {"name": "parent", "children": [FRAME] * CHILDREN}))
    )
    caller.start()
    pings = 0
    while caller.is_alive():
        assert live.call("ping") is True
        pings += 1
    caller.join()
    assert pings > 10
    (ids,) = answers
    parent, *children = ids
    assert len(set(children)) == CHILDREN
    assert children == sorted(children)
    told = live.job(parent, "tasks", "uiStatus", "overallProgress", "ETA", "status", "children")
    assert told["tasks"] == {"total": CHILDREN, "finished": 0, "failed": 0}
    assert (told["status"], told["uiStatus"], told["overallProgress"]) == ("queued", "waiting for resources", 0.0)
    assert told["children"] == children
    live.call("cancelJobs", [parent])
    live.wait_for(parent, "cancelled")
    assert live.job(parent, "tasks") == {"total": CHILDREN, "finished": CHILDREN, "failed": CHILDREN}
    live.call("deleteJobs", [parent])
    assert live.call("getJobIdsByStatus", ["cancelled"]) == []


def test_of_ten_thousand_children_with_one_that_is_wrong_none_is_stored(live: LiveFarm) -> None:
    with pytest.raises(Exception, match=r"children\[9999\]\.priority must be a whole number, not 'urgent'"):
        live.call(
            "newjob", {"name": "parent", "children": [*[FRAME] * (CHILDREN - 1), {**FRAME, "priority": "urgent"}]}
        )
    assert live.call("getUnfinishedRootJobIds") == []
