"""What tests of control share: families of jobs, their runs, and clients that fall silent."""

from __future__ import annotations

from typing import Any

from farm_kit import SetClock, TestClient

from hqserver.services.care import upkeep
from hqserver.services.farm import Farm
from hqserver.services.intake import submission


def tree(farm: Farm, *children: dict[str, Any], **specification: Any) -> list[int]:
    return submission.submit(farm, {"name": "parent", "command": "p", **specification, "children": list(children)})


def leaf(**specification: Any) -> dict[str, Any]:
    return {"name": "child", "command": "c", **specification}


def start(client: TestClient) -> str:
    """Fetch the one run that is handed out and report that it has started; its id."""
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    return str(order["run"])


def kinds(client: TestClient, *reports: Any) -> list[tuple[str, str]]:
    return [(str(order["kind"]), str(order["run"])) for order in client.beat(*reports).orders]


def silence(farm: Farm, clock: SetClock) -> None:
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)


def wait_out(farm: Farm, clock: SetClock) -> None:
    """Let the time pass in which a client must confirm what was asked of it."""
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)
