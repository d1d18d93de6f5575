"""What becomes of the work of a client that is removed from the farm (CONTRACT 3.6, 9.10)."""

from __future__ import annotations

import pytest
from farm_kit import SetClock, TestClient, submit
from scheduling_kit import another, detail, events

from hqserver.services.clients import client_control
from hqserver.services.farm import Farm


@pytest.mark.parametrize("heard", [True, False])
def test_the_history_of_its_jobs_says_why_they_left_it_and_another_client_runs_them(
    farm: Farm, client: TestClient, clock: SetClock, heard: bool
) -> None:
    job = submit(farm, command="x")
    untouched = submit(farm, command="x", host="beta")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    if not heard:
        clock.advance(farm.policy.lost_seconds + 1)
    client_control.remove(farm, [client.id, 99])
    if heard:
        client.beat(client.ended(order["run"], 143, killed=True))
    why = "alpha was removed from the farm; what it runs ends, another may take it over"
    assert ("client removed", why) in events(farm, job)
    assert "client removed" not in dict(events(farm, untouched))
    beta = another(farm, "beta")
    assert beta.run_all() == 2
    assert detail(farm, job, "status") == "succeeded"
