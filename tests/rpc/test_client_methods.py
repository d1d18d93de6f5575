"""The methods about clients: by name and machine, their history, and what people change about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, submit
from rpc_kit import refused

from hqserver.services.clients import client_control
from hqserver.services.clients.package import client_package
from hqserver.services.farm import Farm
from hqserver.store import clients


@pytest.fixture
def named(farm: Farm) -> Callable[..., TestClient]:
    """Registers a client: `named("alpha", "left")`."""

    def register(hostname: str, name: str = "") -> TestClient:
        found = TestClient(farm, hostname=hostname, name=name, boot_id=f"boot of {hostname}:{name}")
        found.register()
        found.beat()
        return found

    return register


def labels(found: list[dict[str, Any]]) -> list[str]:
    return [client["label"] for client in found]


def stored(farm: Farm, client_id: int) -> clients.ClientRow:
    """The client as a server that starts now would know it."""
    with farm.database.read() as connection:
        return next(row for row in clients.every(connection) if row.id == client_id)


# By name -------------------------------------------------------------------------------------------------------------


def test_a_client_is_found_by_its_label_and_a_bare_host_name_means_the_unnamed_one(
    hq: Any, named: Callable[..., TestClient]
) -> None:
    left, plain = named("alpha", "left"), named("alpha")
    assert hq.getClientByName("alpha")["id"] == hq.getClientByName("alpha:")["id"] == plain.id
    assert hq.getClientByName("alpha:left", ["name"]) == {"id": left.id, "hostname": "alpha", "name": "left"}
    found = hq.getClientsByName(["alpha:left", "nobody", "alpha"])
    assert labels(found) == ["alpha:left", "alpha"]
    assert hq.getClientsByName([]) == []


def test_a_name_that_nobody_has_is_a_fault_with_the_near_match(hq: Any, named: Callable[..., TestClient]) -> None:
    """9.3."""
    named("alpha", "left")
    fault = refused(hq.getClientByName, "alpha:lefd")
    assert (fault.faultCode, "did you mean 'alpha:left'" in fault.faultString) == (404, True)
    assert refused(hq.getClientByName, "alpha").faultCode == 404, "the machine has no unnamed client"
    assert refused(hq.getClientByHostname, "beta").faultCode == 404
    assert hq.getClientsByHostname(["beta"]) == hq.getClientsByName(["beta"]) == []


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("getClientByName", "alpha"),
        ("getClientsByName", ["alpha"]),
        ("getClientByHostname", "alpha"),
        ("getClientsByHostname", ["alpha"]),
    ],
)
def test_an_attribute_that_does_not_exist_is_a_fault(
    hq: Any, named: Callable[..., TestClient], method: str, argument: Any
) -> None:
    """9.4."""
    named("alpha")
    fault = refused(getattr(hq, method), argument, ["hostnam"])
    assert (fault.faultCode, "did you mean 'hostname'" in fault.faultString) == (-32602, True)
    assert refused(getattr(hq, method), {}).faultCode == -32602


def test_a_host_name_brings_its_unnamed_client_or_else_all_that_run_there(
    hq: Any, named: Callable[..., TestClient]
) -> None:
    """CONTRACT 1.2: scripts from before clients had names say the machine's."""
    named("alpha", "left"), named("alpha"), named("beta", "one"), named("beta", "two")
    assert labels(hq.getClientsByHostname(["beta", "alpha"])) == ["beta:one", "beta:two", "alpha"]
    assert labels(hq.getClientsByHostname(["alpha:left"])) == ["alpha:left"]
    assert hq.getClientByHostname("alpha")["label"] == "alpha"
    assert hq.getClientByHostname("beta", ["name"])["name"] == "one"
    everybody = ["alpha:left", "alpha", "beta:one", "beta:two"]
    assert labels(hq.getClientsByHostname()) == labels(hq.getClientsByHostname(None)) == everybody
    assert labels(hq.getClientsByHostname("")) == everybody, "9.2"
    assert hq.getClientsByHostname([]) == []


# Jobs on it ----------------------------------------------------------------------------------------------------------


def test_the_history_of_a_client_is_its_jobs_each_once_the_one_that_ended_last_first(
    hq: Any, farm: Farm, client: TestClient, clock: SetClock
) -> None:
    first, second = submit(farm, command="x", triesLeft=1), submit(farm, command="x")
    one, two = client.fetch()
    clock.advance(10)
    client.beat(client.ended(one["run"], code=1))
    clock.advance(10)
    client.beat(client.ended(two["run"]))
    assert hq.getJobHistory(client.id) == [second, first]
    clock.advance(10)
    (again,) = client.fetch()
    assert again["job"] == first
    client.beat(client.ended(again["run"]))
    assert hq.getJobHistory(str(client.id)) == [first, second]
    assert hq.getJobHistory(client.id, 1) == [first]
    assert hq.getJobHistory(client.id, 0) == []


def test_the_history_has_five_jobs_where_nobody_says_how_many(hq: Any, farm: Farm, client: TestClient) -> None:
    jobs = [submit(farm, command="x") for _ in range(7)]
    client.run_all()
    assert hq.getJobHistory(client.id) == hq.getJobHistory(client.id, None) == jobs[:1:-1]
    assert hq.getJobHistory(client.id, 100) == jobs[::-1]


def test_the_history_leaves_out_what_never_started_there(hq: Any, farm: Farm, client: TestClient) -> None:
    submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.refused(order["run"]), accepting=False)
    assert hq.getJobHistory(client.id) == []


def test_a_client_nobody_knows_has_no_jobs(hq: Any) -> None:
    assert hq.getJobHistory(99) == []
    assert hq.getJobIdsAssignedToClient(99) == []
    assert refused(hq.getJobHistory, 99, -1).faultCode == -32602
    assert refused(hq.getJobHistory, "alpha").faultCode == -32602


def test_the_jobs_assigned_to_a_client_are_those_it_holds_runs_of(hq: Any, farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    assert hq.getJobIdsAssignedToClient(client.id) == []
    (order,) = client.fetch()
    assert hq.getJobIdsAssignedToClient(client.id) == hq.getClient(client.id)["runningJobs"] == [job]
    client.beat(client.ended(order["run"]))
    assert hq.getJobIdsAssignedToClient(client.id) == []


# Switched off, described, available ----------------------------------------------------------------------------------


def test_a_disabled_client_gets_no_new_work_until_it_is_enabled(
    hq: Any, farm: Farm, client: TestClient, asked: Asked
) -> None:
    assert hq.setdisabled("alpha", True) is True
    submit(farm, command="x")
    assert client.fetch() == []
    assert hq.getClient(client.id, ["disabled", "available"]) == {
        "id": client.id,
        "hostname": "alpha",
        "disabled": True,
        "available": False,
    }
    asked.passes = 0
    assert hq.setdisabled("alpha", False) is True
    assert asked.passes == 1, "somebody may wait for it"
    assert len(client.fetch()) == 1


def test_setdisabled_takes_numbers_as_flags_and_answers_none_where_there_is_no_such_client(
    hq: Any, client: TestClient
) -> None:
    """9.2; the seed: True if the method succeeds, None otherwise."""
    assert hq.setdisabled("alpha", 1) is True
    assert hq.getClient(client.id)["disabled"] is True
    assert hq.setdisabled("alpha", 0) is True
    assert hq.getClient(client.id)["disabled"] is False
    assert hq.setdisabled("beta", True) is None
    assert hq.setdisabled("alpha:left", True) is None
    assert refused(hq.setdisabled, "alpha", "maybe").faultCode == -32602


def test_setdisabled_of_a_machine_means_its_unnamed_client_or_else_all_of_it(
    hq: Any, named: Callable[..., TestClient]
) -> None:
    named("alpha", "left"), named("alpha"), named("beta", "one"), named("beta", "two"), named("beta", "three")
    assert hq.setdisabled("alpha", True) is True
    assert hq.setdisabled("beta", True) is True
    assert hq.setdisabled("beta:two", False) is True
    off = [client["label"] for client in hq.getClients() if client["disabled"]]
    assert off == ["alpha", "beta:one", "beta:three"]


def test_what_people_set_outlives_the_server_and_takes_no_vitals_back(hq: Any, farm: Farm, client: TestClient) -> None:
    before = stored(farm, client.id).heartbeat_at
    farm.watch.get(client.id).row.heartbeat_at = before + 5  # type: ignore[union-attr]
    hq.setdisabled("alpha", True)
    hq.setClientDescription(client.id, "Two GPUs – do not touch")
    hq.setAvailabilityRules(client.id, [{"kind": "idle", "minutes": 10}])
    row = stored(farm, client.id)
    assert (row.disabled, row.description, row.heartbeat_at) == (1, "Two GPUs – do not touch", before)
    assert '"minutes":10' in row.availability


def test_a_description_is_kept_as_it_is_and_may_be_taken_away(hq: Any, client: TestClient) -> None:
    """9.27."""
    assert hq.getClient(client.id)["description"] == ""
    assert hq.setClientDescription(client.id, "two\nlines") is True
    assert hq.getClient(client.id)["description"] == "two\nlines"
    assert hq.setClientDescription(client.id, "") is True
    assert hq.getClient(client.id)["description"] == ""
    assert refused(hq.setClientDescription, 99, "x").faultCode == 404
    assert refused(hq.setClientDescription, client.id, "x" * 10_001).faultCode == -32602


def test_a_client_nobody_gave_rules_is_always_available(hq: Any, client: TestClient) -> None:
    """9.14."""
    (rule,) = hq.getClient(client.id, ["availabilityRules"])["availabilityRules"]
    assert rule == {
        "id": 1,
        "enabled": True,
        "kind": "time",
        "days": [0, 1, 2, 3, 4, 5, 6],
        "start": "00:00",
        "end": "00:00",
        "minutes": 0,
    }


def test_availability_rules_are_given_back_as_they_were_understood(hq: Any, client: TestClient, asked: Asked) -> None:
    """9.14, 9.27."""
    asked.passes = 0
    rules = [{"days": "Weekdays", "start": "18:00", "end": "8:00"}, {"kind": "idle", "minutes": "15", "enabled": False}]
    assert hq.setAvailabilityRules(client.id, rules) is True
    assert asked.passes == 1
    night, idle = hq.getClient(client.id)["availabilityRules"]
    assert (night["id"], night["days"], night["start"], night["end"]) == (1, [0, 1, 2, 3, 4], "18:00", "08:00")
    assert (idle["id"], idle["enabled"], idle["kind"], idle["minutes"]) == (2, False, "idle", 15)


def test_a_client_without_a_rule_is_never_available(hq: Any, client: TestClient) -> None:
    assert hq.setAvailabilityRules(client.id, []) is True
    found = hq.getClient(client.id, ["availabilityRules", "available"])
    assert (found["availabilityRules"], found["available"]) == ([], False)


def test_a_rule_that_is_wrong_is_a_fault_that_names_it_and_changes_nothing(hq: Any, client: TestClient) -> None:
    fault = refused(hq.setAvailabilityRules, client.id, [{}, {"strat": "18:00"}])
    assert (fault.faultCode, "entry 2" in fault.faultString, "'start'" in fault.faultString) == (-32602, True, True)
    assert refused(hq.setAvailabilityRules, client.id, 5).faultCode == -32602
    assert refused(hq.setAvailabilityRules, 99, []).faultCode == 404
    assert len(hq.getClient(client.id)["availabilityRules"]) == 1


# Upgrading, restarting, removing -------------------------------------------------------------------------------------


def test_a_client_is_asked_to_restart_and_woken_for_it(hq: Any, client: TestClient, asked: Asked) -> None:
    """9.27."""
    assert hq.restartClients([client.id, 99, client.id]) is True
    assert asked.woken == [client.id]
    assert hq.getClient(client.id)["wanted"] == "restart"


def test_only_a_client_with_other_code_than_the_servers_is_upgraded(
    hq: Any, farm: Farm, client: TestClient, asked: Asked, named: Callable[..., TestClient]
) -> None:
    current = named("beta")
    farm.watch.get(current.id).row.version = client_package().version  # type: ignore[union-attr]
    assert [found["needsUpgrade"] for found in hq.getClients()] == [True, False]
    assert hq.upgradeClients([client.id, current.id, 99]) is True
    assert [found["wanted"] for found in hq.getClients()] == ["upgrade", ""]
    assert asked.woken == [client.id]


def test_an_upgrade_that_is_asked_for_again_forgets_why_the_last_one_failed(
    hq: Any, farm: Farm, client: TestClient
) -> None:
    farm.watch.get(client.id).row.upgrade_error = "psutil is too old"  # type: ignore[union-attr]
    hq.upgradeClients([client.id])
    assert hq.getClient(client.id)["upgradeError"] == ""


def test_a_client_that_is_heard_is_told_to_end_and_stays_listed_until_it_is_silent(
    hq: Any, farm: Farm, client: TestClient, asked: Asked, clock: SetClock
) -> None:
    """9.27."""
    assert hq.removeClients([client.id, 99]) is True
    assert asked.woken == [client.id]
    assert hq.getClient(client.id, ["wanted"])["wanted"] == "end"
    assert hq.removeClients([client.id]) is True, "twice is once"
    assert hq.restartClients([client.id]) is True
    assert hq.getClient(client.id)["wanted"] == "end", "a restart does not take the removal back"
    clock.advance(farm.policy.lost_seconds + 1)
    client_control.hide_silent(farm)
    assert hq.getClients() == []


def test_a_client_that_is_silent_past_its_time_is_gone_at_once_and_its_runs_are_lost(
    hq: Any, farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    clock.advance(farm.policy.lost_seconds + 1)
    hq.removeClients([client.id])
    assert hq.getClients() == hq.getClients([client.id]) == hq.getClientsByHostname() == []
    assert refused(hq.getClient, client.id).faultCode == 404
    assert refused(hq.getClientByName, "alpha").faultCode == 404
    assert hq.setdisabled("alpha", True) is None
    assert refused(hq.setClientDescription, client.id, "x").faultCode == 404
    with farm.database.read() as connection:
        (status,) = connection.execute("SELECT status FROM run WHERE job_id = ?", (job,)).fetchone()
    assert status == "lost"


def test_a_removed_client_is_still_named_by_the_jobs_that_it_ran(
    hq: Any, farm: Farm, named: Callable[..., TestClient], clock: SetClock
) -> None:
    client = named("alpha", "left")
    job = submit(farm, command="x")
    client.run_all()
    clock.advance(farm.policy.lost_seconds + 1)
    hq.removeClients([client.id])
    expected = {"id": client.id, "hostname": "alpha", "name": "left", "label": "alpha:left", "ip": "127.0.0.1"}
    assert hq.getJob(job, ["clients"])["clients"] == [expected]
    assert hq.getJobHistory(client.id) == [job]
    assert stored(farm, client.id).label == "alpha:left"


def test_the_label_of_a_removed_client_is_free_for_another(
    hq: Any, farm: Farm, client: TestClient, clock: SetClock, named: Callable[..., TestClient]
) -> None:
    clock.advance(farm.policy.lost_seconds + 1)
    hq.removeClients([client.id])
    newcomer = named("alpha")
    assert newcomer.id != client.id
    assert labels(hq.getClients()) == ["alpha"]
    assert hq.getClientByName("alpha")["id"] == newcomer.id


def test_a_removed_client_that_is_started_again_is_the_client_it_was(
    hq: Any, farm: Farm, client: TestClient, clock: SetClock
) -> None:
    clock.advance(farm.policy.lost_seconds + 1)
    hq.removeClients([client.id])
    client.session = "s2"
    client.register()
    client.beat()
    found = hq.getClientByName("alpha")
    assert (found["id"], found["wanted"], found["available"]) == (client.id, "", True)
