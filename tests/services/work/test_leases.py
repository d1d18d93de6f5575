"""Strict leases: never two alive, and nothing waits for ever (PROMISES 2.2; CONTRACT 9.10; PROTOCOL.md)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from farm_kit import Asked, SetClock, TestClient, restarted, submit
from job_kit import read

from hqserver.domain.errors import BadSpecification, Conflict
from hqserver.domain.failure import lease_margin_seconds
from hqserver.services.care import upkeep
from hqserver.services.clients import client_control
from hqserver.services.control import commands
from hqserver.services.farm import Farm, Policy
from hqserver.services.queries import lookup
from hqserver.services.work import leases

SHORT, LONG = 20, 600
"""Seconds: a lease that ends before its client counts as lost, and one that ends long after."""


@pytest.fixture
def beta(farm: Farm) -> TestClient:
    """Another client, which takes work from when it is first asked to."""
    found = TestClient(farm, hostname="beta")
    found.register()
    found.beat(accepting=False)
    return found


def start(client: TestClient) -> str:
    client.beat()
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    client.held.add(str(order["run"]))
    return str(order["run"])


def kept(policy: Policy, lease: int) -> float:
    """How long after its latest answer the server holds a leased run for alive."""
    return lease + policy.kill_grace_seconds + lease_margin_seconds(lease)


def tick(farm: Farm) -> None:
    upkeep.notice_silence(farm)
    leases.end_leases(farm)
    upkeep.bound_waits(farm)


def given_to(client: TestClient) -> list[object]:
    client.beat()
    return [order["job"] for order in client.fetch()]


def pass_time(farm: Farm, clock: SetClock, seconds: float) -> None:
    """Let the ticks see this time go by, second by second at its end."""
    if seconds > 2:
        clock.advance(seconds - 2)
        tick(farm)
    for _ in range(2):
        clock.advance(1)
        tick(farm)


# Never two -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lease", [15, SHORT, 100, 115, 130, LONG])
def test_the_work_of_a_silent_client_is_given_out_when_its_lease_has_ended_and_not_before(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock, lease: int
) -> None:
    """9.10: whether that is before the client counts as lost or after it."""
    job = submit(farm, command="render", triesLeft=1, lease=lease)
    run = start(client)
    clock.advance(3)
    client.beat()
    pass_time(farm, clock, kept(farm.policy, lease) - 0.5)
    assert given_to(beta) == []
    assert read(farm, job, "status", "clients")[0] == "running"
    clock.advance(1)
    tick(farm)
    assert given_to(beta) == [job]
    assert read(farm, job, "triesLeft") == [1]
    assert client.beat(client.reached(run, "lease")).results == {f"{run}:ended": "superseded"}
    assert client.beat(client.ended(run)).results == {f"{run}:ended": "superseded"}
    (other,) = beta.orders
    beta.beat(beta.ended(other))
    assert read(farm, job, "status") == ["succeeded"]


def test_work_that_waits_for_a_lease_says_so(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job = submit(farm, command="render", lease=LONG)
    start(client)
    pass_time(farm, clock, farm.policy.lost_seconds + 1)
    assert read(farm, job, "status", "waitingFor") == ["running", "alpha to be heard again, or the end of its lease"]
    history = [line["message"] for line in lookup.job_detail(farm, job, ["logs"])["logs"]]
    assert "alpha is silent; its lease of 600 s must end before another client may take over" in history


@pytest.mark.parametrize("lease", [SHORT, LONG])
def test_a_client_that_is_back_before_its_lease_has_ended_goes_on(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock, lease: int
) -> None:
    job = submit(farm, command="render", lease=lease)
    run = start(client)
    for _ in range(3):
        pass_time(farm, clock, kept(farm.policy, lease) - 1)
        client.beat()
        assert given_to(beta) == []
    client.beat(client.ended(run))
    assert read(farm, job, "status") == ["succeeded"]


def test_a_client_that_is_answered_keeps_its_leased_run_however_long_that_takes(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render", lease=SHORT)
    run = start(client)
    for _ in range(100):
        clock.advance(5)
        client.beat()
        tick(farm)
    client.beat(client.ended(run))
    assert read(farm, job, "status") == ["succeeded"]


def test_a_client_that_ended_its_run_itself_says_so_and_the_work_is_free_at_once(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render", triesLeft=1, lease=LONG)
    run = start(client)
    pass_time(farm, clock, LONG)
    client.beat(client.reached(run, "lease"), accepting=False)
    assert read(farm, job, "triesLeft") == [1]
    assert given_to(beta) == [job]


def test_a_lease_counts_anew_from_the_restart_of_the_server(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock, asked: Asked
) -> None:
    """Nobody could renew it while the server was away, and nobody remembers when it answered last."""
    job = submit(farm, command="render", lease=LONG)
    start(client)
    pass_time(farm, clock, LONG)
    with restarted(farm, clock, asked, client, beta) as again:
        tick(again)
        pass_time(again, clock, kept(farm.policy, LONG) - 1)
        assert given_to(beta) == []
        clock.advance(2)
        tick(again)
        assert given_to(beta) == [job]


def test_a_client_that_answers_late_to_a_restarted_server_goes_on(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock, asked: Asked
) -> None:
    job = submit(farm, command="render", lease=LONG)
    run = start(client)
    pass_time(farm, clock, LONG)
    with restarted(farm, clock, asked, client, beta) as again:
        client.beat()
        tick(again)
        assert given_to(beta) == []
        client.beat(client.ended(run))
        assert read(again, job, "status") == ["succeeded"]


def test_a_lost_order_under_a_lease_is_given_to_its_client_again_or_to_another_in_the_end(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render", lease=LONG)
    (order,) = client.fetch()  # the answer never reaches the client
    pass_time(farm, clock, farm.policy.lost_seconds + 1)
    assert [each["run"] for each in client.beat().orders] == [order["run"]]
    pass_time(farm, clock, kept(farm.policy, LONG) + 1)
    assert given_to(beta) == [job]


# Kills that nobody confirms --------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [commands.eject, commands.cancel])
def test_a_kill_of_a_leased_run_that_is_not_confirmed_waits_for_the_lease(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock, what: object
) -> None:
    """Not even a person who has the work done elsewhere, or again, starts it twice."""
    job = submit(farm, command="render", lease=LONG)
    start(client)
    what(farm, [job], "no longer there")  # type: ignore[operator]
    upkeep.bound_waits(farm)
    pass_time(farm, clock, farm.policy.kill_timeout_seconds + 2)
    commands.reschedule(farm, [job], "again")
    assert read(farm, job, "status", "waitingFor") == ["running", "ending on alpha"]
    assert given_to(beta) == []
    pass_time(farm, clock, kept(farm.policy, LONG) - farm.policy.kill_timeout_seconds)
    commands.reschedule(farm, [job], "again")
    assert given_to(beta) == [job]


def test_a_paused_leased_run_whose_client_is_gone_waits_to_be_resumed_on_another(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render", lease=SHORT)
    run = start(client)
    commands.pause(farm, [job], "not now")
    client.beat(client.paused(run))
    pass_time(farm, clock, kept(farm.policy, SHORT) + 1)
    assert read(farm, job, "status") == ["paused"]
    commands.resume(farm, [job], "now")
    assert given_to(beta) == [job]


@pytest.mark.parametrize("told_by", ["client", "server"])
def test_a_paused_job_whose_run_ended_with_its_lease_says_so_in_its_log(
    farm: Farm, client: TestClient, clock: SetClock, told_by: str
) -> None:
    """Its status stays `paused` all the while."""
    job = submit(farm, command="render", lease=SHORT)
    run = start(client)
    commands.pause(farm, [job], "not now")
    client.beat(client.paused(run))
    pass_time(farm, clock, SHORT if told_by == "client" else kept(farm.policy, SHORT) + 1)
    if told_by == "client":
        client.beat(client.reached(run, "lease"), accepting=False)
    (logs,) = read(farm, job, "logs")
    (line,) = [line for line in logs if line["event"] == "put back"]
    assert "lease" in line["message"]
    assert read(farm, job, "status") == ["paused"]


# Clients that are not what they were -------------------------------------------------------------------------------


def test_a_client_that_lost_its_secret_gets_its_name_back_when_its_leases_have_ended(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock
) -> None:
    """PROMISES 2.4: its former daemon's runner may live on, and the new one knows nothing of it."""
    job = submit(farm, command="render", lease=LONG)
    start(client)
    pass_time(farm, clock, farm.policy.lost_seconds + 1)
    newcomer = TestClient(farm, session="s2")
    with pytest.raises(Conflict, match="alpha may run work under a strict lease for another 494 s"):
        newcomer.register()
    assert given_to(beta) == []
    pass_time(farm, clock, kept(farm.policy, LONG) - farm.policy.lost_seconds)
    newcomer.register()
    assert newcomer.id == client.id
    assert given_to(beta) == [job]


def test_a_machine_that_was_started_anew_frees_its_leased_work_at_once(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock
) -> None:
    """PROMISES 2.2: early proof of death."""
    job = submit(farm, command="render", lease=LONG)
    start(client)
    clock.advance(3 * farm.policy.beat_seconds + 1)
    newcomer = TestClient(farm, session="s2", boot_id="boot-2")
    newcomer.register()
    assert given_to(beta) == [job]


def test_a_daemon_that_was_started_anew_goes_on_with_its_leased_run(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render", lease=LONG)
    run = start(client)
    pass_time(farm, clock, farm.policy.lost_seconds + 1)
    client.session = "s2"
    client.register()
    assert given_to(beta) == []
    assert read(farm, job, "waitingFor") == [""]
    client.beat(client.ended(run))
    assert read(farm, job, "status") == ["succeeded"]


def test_a_daemon_that_was_started_anew_and_does_not_hold_its_leased_run_frees_the_work(
    farm: Farm, client: TestClient, beta: TestClient
) -> None:
    job = submit(farm, command="render", lease=LONG)
    start(client)
    client.session = "s2"
    client.held.clear()
    client.register()
    client.beat(accepting=False)
    assert given_to(beta) == [job]


def test_a_client_that_is_removed_while_it_is_silent_keeps_its_leased_work_from_others_for_as_long(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render", lease=LONG)
    start(client)
    pass_time(farm, clock, farm.policy.lost_seconds + 1)
    client_control.remove(farm, [client.id])
    assert given_to(beta) == []
    pass_time(farm, clock, kept(farm.policy, LONG) - farm.policy.lost_seconds)
    assert given_to(beta) == [job]


# Work that loses its clients -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lease", [SHORT, LONG])
def test_leased_work_that_loses_too_many_clients_ends_abandoned_when_its_lease_has_ended(
    farm: Farm, client: TestClient, clock: SetClock, lease: int
) -> None:
    """9.10: hqserver.maxClientLosses, counted once for each client."""
    job = submit(farm, command="poison", lease=lease)
    for number in range(farm.policy.max_client_losses):
        victim = TestClient(farm, hostname=f"victim{number}")
        victim.register()
        client.beat(accepting=False)
        start(victim)
        pass_time(farm, clock, kept(farm.policy, lease) - 1)
        assert read(farm, job, "status") == ["running"]
        pass_time(farm, clock, 2)
        last = number == farm.policy.max_client_losses - 1
        assert read(farm, job, "status") == ["abandoned" if last else "runnable"]
        pass_time(farm, clock, farm.policy.lost_seconds)


@pytest.mark.parametrize("lease", [SHORT, LONG])
def test_without_rescheduling_leased_work_ends_abandoned_and_can_be_done_again_only_then(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock, lease: int
) -> None:
    job = submit(farm, command="render", lease=lease, onError="oops")
    start(client)
    strict = replace(farm, policy=replace(farm.policy, reschedule_abandoned=False))
    pass_time(strict, clock, kept(farm.policy, lease) - 1)
    commands.reschedule(farm, [job], "again")
    assert given_to(beta) == []
    pass_time(strict, clock, 2)
    assert read(farm, job, "status") == ["abandoned"]
    commands.reschedule(farm, [job], "again")
    assert given_to(beta) == [job]


def test_a_hook_of_a_leased_job_has_no_lease_and_is_lost_with_its_client(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """9.13: a lost client skips them with a log line."""
    job = submit(farm, command="render", lease=SHORT, onSuccess="tell")
    (hook,) = client.beat(client.ended(start(client))).orders
    assert hook["hook"] == "onSuccess"
    client.beat(client.started(str(hook["run"])))
    pass_time(farm, clock, kept(farm.policy, SHORT) + 1)
    assert read(farm, job, "status") == ["running"]
    pass_time(farm, clock, farm.policy.lost_seconds)
    assert read(farm, job, "status") == ["succeeded"]


def test_a_job_on_several_clients_is_free_on_all_when_the_lease_of_the_first_has_ended(
    farm: Farm, client: TestClient, beta: TestClient, clock: SetClock
) -> None:
    """9.15: losing any host ends the run on all, but another may not begin before the first is dead."""
    job = submit(farm, command="render", lease=LONG, minHosts=2)
    beta.beat()
    start(client)
    assert len(read(farm, job, "clients")[0]) == 2  # type: ignore[arg-type]
    for _ in range(30):
        clock.advance(kept(farm.policy, LONG) / 30 - 0.1)
        beta.beat()
        tick(farm)
    assert read(farm, job, "status") == ["running"]
    pass_time(farm, clock, 5)
    assert read(farm, job, "status") == ["runnable"]
    small = submit(farm, command="render")
    commands.cancel(farm, [job], "gone")
    assert given_to(beta) == [small]


def test_a_lease_that_could_not_be_renewed_in_time_is_refused(farm: Farm) -> None:
    least = int(3 * farm.policy.beat_seconds)
    assert submit(farm, command="render", lease=least)
    with pytest.raises(BadSpecification, match=rf"children\[0\]\.lease must be at least {least}"):
        submit(farm, children=[{"name": "child", "command": "render", "lease": least - 1}])
