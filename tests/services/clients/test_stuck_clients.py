"""Clients that fall silent or cannot end something: no new work, and everybody can read why (PROMISES 3, 5; P7, P8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from farm_kit import Asked, SetClock, TestClient, restarted, submit

from hqserver.services.care import upkeep
from hqserver.services.control import commands
from hqserver.services.dispatch.standing import moment_of, why_not_taking
from hqserver.services.events import errors
from hqserver.services.farm import Farm
from hqserver.services.queries import lookup
from hqserver.services.work import leases

STUCK_SECONDS = 60


def errors_of(farm: Farm, client: TestClient) -> list[str]:
    return [each["message"] for each in errors.client_errors(farm, client.id).get("errors", [])]


def start(client: TestClient) -> str:
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    return str(order["run"])


def beat_for(client: TestClient, clock: SetClock, seconds: int) -> None:
    """Let time go by in which the client is heard."""
    for _ in range(seconds):
        clock.advance(1)
        client.beat()
        leases.end_leases(client.farm)
        upkeep.bound_waits(client.farm)


def why_not(client: TestClient) -> str:
    """Why it gets no new work, but for runs of which nobody knows that they have ended."""
    presence = client.farm.watch.get(client.id)
    assert presence is not None
    with client.farm.database.read() as connection:
        return why_not_taking(presence, replace(moment_of(client.farm, connection), unconfirmed=frozenset()))


@pytest.mark.parametrize("lease", [0, 600])
@pytest.mark.parametrize("end", [commands.cancel, commands.eject])
def test_a_client_that_cannot_end_a_run_gets_no_new_work_and_says_why(
    farm: Farm, client: TestClient, clock: SetClock, lease: int, end: Callable[[Farm, list[int], str], None]
) -> None:
    job = submit(farm, command="hangs", lease=lease)
    run = start(client)
    end(farm, [job], "enough")
    upkeep.bound_waits(farm)
    beat_for(client, clock, STUCK_SECONDS)
    assert (why_not(client), errors_of(farm, client)) == ("", [])
    other = submit(farm, command="next")
    beat_for(client, clock, 2)
    assert why_not(client) == f"has not ended job {job} in time"
    said = f"job {job} was to end 60 s ago and has not: no new work until it has"
    assert errors_of(farm, client) == [said]
    assert client.fetch() == []
    assert f"alpha has not ended job {job} in time" in str(lookup.job_detail(farm, other, ["waitingFor"]))
    client.beat(client.ended(run, 137, signal=9, killed=True), accepting=False)
    upkeep.bound_waits(farm)
    assert why_not(client).startswith("takes no new work")
    client.beat()
    assert why_not(client) == ""
    assert other in [order["job"] for order in client.fetch()]
    assert errors_of(farm, client) == [said]


def test_a_leased_run_that_its_client_cannot_end_is_nobody_elses_however_long_that_takes(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """PROMISES 2.2: never two alive. The job waits and says on whom; its client is drained and says so."""
    job = submit(farm, command="hangs", lease=20)
    run = start(client)
    beta = TestClient(farm, hostname="beta", session="b")
    beta.register()
    commands.eject(farm, [job], "elsewhere")
    upkeep.bound_waits(farm)
    beat_for(client, clock, int(farm.policy.kill_timeout_seconds * 3))
    beta.beat()
    assert beta.fetch() == []
    assert lookup.job_detail(farm, job, ["status", "waitingFor", "unconfirmed"]) == {
        "id": job,
        "status": "running",
        "waitingFor": "ending on alpha",
        "unconfirmed": [],
    }
    assert why_not(client) == f"has not ended job {job} in time"
    client.beat(client.ended(run, 137, signal=9, killed=True), accepting=False)
    beta.beat()
    assert [order["job"] for order in beta.fetch()] == [job]


def test_a_kill_that_is_given_up_is_an_error_of_the_client(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """9.11."""
    job = submit(farm, command="hangs")
    start(client)
    commands.cancel(farm, [job], "enough")
    upkeep.bound_waits(farm)
    beat_for(client, clock, int(farm.policy.kill_timeout_seconds) + 2)
    assert lookup.job_detail(farm, job, ["unconfirmed"])["unconfirmed"]
    assert errors_of(farm, client)[0] == (
        f"job {job} was cancelled and may still run: no new work until this client says that it does not"
    )
    assert why_not(client) == ""  # told by its run from here on
    assert client.fetch() == []


def test_a_client_that_is_silent_is_not_stuck_but_lost(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """It may not have heard that it is to end something."""
    job = submit(farm, command="x")
    start(client)
    commands.cancel(farm, [job], "enough")
    upkeep.bound_waits(farm)
    clock.advance(STUCK_SECONDS + 1)
    upkeep.bound_waits(farm)
    assert why_not(client).startswith("has been silent")
    clock.advance(farm.policy.lost_seconds)
    upkeep.notice_silence(farm)
    upkeep.notice_silence(farm)
    said = "lost: silent for more than 120 s, with 1 run in hand"
    assert errors_of(farm, client) == [said]


def test_a_client_that_is_lost_without_work_is_an_error_once(
    farm: Farm, client: TestClient, clock: SetClock, asked: Asked
) -> None:
    """Not again each time the server is started while the machine is off."""
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    assert errors_of(farm, client) == ["lost: silent for more than 120 s"]
    with restarted(farm, clock, asked, client) as again:
        clock.advance(farm.policy.lost_seconds + 1)
        upkeep.notice_silence(again)
        assert len(errors_of(again, client)) == 1
        client.beat()
        clock.advance(farm.policy.lost_seconds + 1)
        upkeep.notice_silence(again)
        assert len(errors_of(again, client)) == 2
