"""Control calls on a family of ten thousand, over a socket: others are answered meanwhile (CONTRACT 1.2, 3.5)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from live_farm import LiveFarm

pytestmark = pytest.mark.farm

CHILDREN = 10_000
CONTROLS = (
    ("pauseJobs", "paused", "pause"),
    ("resumeJobs", "waiting for resources", ""),
    ("cancelJobs", "cancelled", ""),
    ("rescheduleJobs", "waiting for resources", ""),
    ("cancelJobs", "cancelled", ""),
)


def while_it_lasts(live: LiveFarm, method: str, *params: Any) -> int:
    """How many pings are answered while another caller waits for the method's answer."""
    caller = threading.Thread(target=live.call, args=(method, *params))
    caller.start()
    pings = 0
    while caller.is_alive():
        assert live.call("ping") is True
        pings += 1
    caller.join()
    return pings


def test_a_family_of_ten_thousand_is_controlled_as_a_whole_while_ping_goes_on_answering(live: LiveFarm) -> None:
    root, *children = live.call("newjob", {"name": "r", "children": [{"name": "c", "command": "x"}] * CHILDREN})
    for method, status, held in CONTROLS:
        assert while_it_lasts(live, method, [root]) > 3, method
        assert live.job(root, "uiStatus", "tasks")["uiStatus"] == status, method
        for child in (children[0], children[-1]):
            assert live.job(child, "uiStatus", "held") == {"id": child, "uiStatus": status, "held": held}, method
    assert while_it_lasts(live, "deleteJobs", [root]) > 3
    assert live.call("getJobs", [root, *children[:3], children[-1]], ["id"]) == []
