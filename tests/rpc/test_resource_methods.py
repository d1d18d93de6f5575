"""The methods about resources (CONTRACT 1.2, 5.6)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, submit
from rpc_kit import refused

from hqserver.services.care import upkeep
from hqserver.services.farm import Farm
from hqserver.store import resources

LICENCES = ["sidefx.license.houdini", "sidefx.license.render", "sidefx.license.karma"]


def resource(hq: Any, name: str) -> dict[str, Any]:
    return next(found for found in hq.getResources() if found["name"] == name)


def running_with(farm: Farm, client: TestClient, **wanted: int) -> str:
    """A run on the client that holds these amounts, as its row says; the run's id."""
    submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    farm.database.write(
        lambda transaction: transaction.connection.execute(
            "UPDATE run SET resources = ? WHERE id = ?", (json.dumps(wanted), order["run"])
        )
    )
    return str(order["run"])


def another_client(farm: Farm, hostname: str, name: str) -> TestClient:
    found = TestClient(farm, hostname=hostname, name=name, boot_id=f"boot of {hostname}:{name}")
    found.register()
    found.beat()
    return found


def test_houdinis_licences_are_built_in_per_machine_and_uncounted(hq: Any) -> None:
    """9.14, 9.26. A farm that was never told its licence counts must not hang Houdini's jobs."""
    found = hq.getResources()
    assert [each["name"] for each in found] == LICENCES
    for number, each in enumerate(found, start=1):
        assert each == {
            "id": number,
            "name": LICENCES[number - 1],
            "total": -1,
            "inUse": 0,
            "perMachine": True,
            "builtIn": True,
            "counted": "machine",
        }


def test_resources_are_listed_all_or_in_the_order_asked_for(hq: Any) -> None:
    """9.2, 9.3."""
    assert hq.getResources(None) == hq.getResources("") == hq.getResources()
    assert [each["id"] for each in hq.getResources([3, 99, "1"])] == [3, 1]
    assert hq.getResources([]) == []


def test_a_resource_is_created_and_then_changed(hq: Any, asked: Asked) -> None:
    """9.27."""
    assert hq.setResource("db connection", 4, False) is True
    made = resource(hq, "db connection")
    assert (made["total"], made["perMachine"], made["inUse"], made["builtIn"]) == (4, False, 0, False)
    asked.passes = 0
    assert hq.setResource(" db connection ", "9", 1) is True
    assert asked.passes == 1, "a job may have waited for it"
    changed = resource(hq, "db connection")
    assert (changed["id"], changed["total"], changed["perMachine"]) == (made["id"], 9, True)
    assert hq.setResource("sidefx.license.karma", 3, True) is True
    assert resource(hq, "sidefx.license.karma")["total"] == 3
    assert resource(hq, "sidefx.license.karma")["builtIn"] is True


@pytest.mark.parametrize(
    ("name", "total", "per_machine"),
    [("", 1, True), ("a,b", 1, True), ("a\nb", 1, True), ("a", -2, True), ("a", 2**31, True), ("a", 1, "perhaps")],
)
def test_a_resource_that_makes_no_sense_is_refused(hq: Any, name: str, total: int, per_machine: Any) -> None:
    assert refused(hq.setResource, name, float(total), per_machine).faultCode == -32602
    assert len(hq.getResources()) == len(LICENCES)


def test_per_job_every_run_counts_with_its_amount(hq: Any, farm: Farm, client: TestClient) -> None:
    hq.setResource("db", 10, False)
    one = running_with(farm, client, db=3)
    running_with(farm, client, db=4)
    assert resource(hq, "db")["inUse"] == 7
    client.beat(client.ended(one))
    assert resource(hq, "db")["inUse"] == 4


def test_per_machine_a_machine_counts_once_however_many_clients_and_runs_it_has(
    hq: Any, farm: Farm, client: TestClient
) -> None:
    hq.setResource("licence", 10, True)
    running_with(farm, client, licence=1)
    running_with(farm, client, licence=2)
    assert resource(hq, "licence")["inUse"] == 1
    running_with(farm, another_client(farm, "alpha", "second"), licence=1)
    assert resource(hq, "licence")["inUse"] == 1
    running_with(farm, another_client(farm, "beta", ""), licence=1)
    assert resource(hq, "licence")["inUse"] == 2


def test_what_a_lost_run_holds_is_in_use_for_it_may_be_alive(
    hq: Any, farm: Farm, client: TestClient, clock: SetClock
) -> None:
    hq.setResource("db", 10, False)
    running_with(farm, client, db=3)
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    assert resource(hq, "db")["inUse"] == 3


def test_an_amount_below_what_is_in_use_is_refused_with_the_numbers(hq: Any, farm: Farm, client: TestClient) -> None:
    """CONTRACT 5.6."""
    hq.setResource("db", 10, False)
    running_with(farm, client, db=3)
    fault = refused(hq.setResource, "db", 2, False)
    assert (fault.faultCode, "3 of" in fault.faultString, "be 2" in fault.faultString) == (409, True, True)
    assert resource(hq, "db")["total"] == 10
    assert hq.setResource("db", 3, False) is True
    assert hq.setResource("db", -1, False) is True


def test_the_way_of_counting_stays_while_any_is_in_use(hq: Any, farm: Farm, client: TestClient) -> None:
    """CONTRACT 5.6."""
    hq.setResource("db", 10, False)
    run = running_with(farm, client, db=3)
    fault = refused(hq.setResource, "db", 10, True)
    assert (fault.faultCode, "3 of" in fault.faultString) == (409, True)
    assert resource(hq, "db")["perMachine"] is False
    client.beat(client.ended(run))
    assert hq.setResource("db", 10, True) is True


def test_a_rate_is_said_by_a_word_and_stays_one_for_callers_that_know_none(hq: Any) -> None:
    """CONTRACT 10, Limits."""
    assert hq.setResource("api", 30, False, "rate") is True
    found = resource(hq, "api")
    assert (found["total"], found["perMachine"], found["counted"], found["inUse"]) == (30, False, "rate", 0)
    assert hq.setResource("api", 40, False) is True
    assert (resource(hq, "api")["counted"], resource(hq, "api")["total"]) == ("rate", 40)
    assert hq.setResource("api", 40, False, "job") is True
    assert resource(hq, "api")["counted"] == "job"
    hq.setResource("api", 40, False, "rate")
    assert hq.setResource("api", 40, True) is True
    assert (resource(hq, "api")["counted"], resource(hq, "api")["perMachine"]) == ("machine", True)
    assert hq.setResource("api", 4, False, "machine") is True
    assert resource(hq, "api")["perMachine"] is True


def test_a_way_of_counting_that_is_none_or_two_is_refused(hq: Any) -> None:
    fault = refused(hq.setResource, "api", 30, False, "rtae")
    assert (fault.faultCode, "did you mean 'rate'" in fault.faultString) == (-32602, True)
    fault = refused(hq.setResource, "api", 30, True, "rate")
    assert (fault.faultCode, "not both" in fault.faultString) == (-32602, True)
    assert len(hq.getResources()) == len(LICENCES)


def test_what_is_held_keeps_a_resource_from_becoming_a_rate(hq: Any, farm: Farm, client: TestClient) -> None:
    hq.setResource("db", 10, False)
    run = running_with(farm, client, db=3)
    assert refused(hq.setResource, "db", 10, False, "rate").faultCode == 409
    client.beat(client.ended(run))
    assert hq.setResource("db", 10, False, "rate") is True


def test_a_resource_is_deleted_when_it_is_neither_built_in_nor_in_use(hq: Any, farm: Farm, client: TestClient) -> None:
    """9.27."""
    hq.setResource("db", 10, False)
    run = running_with(farm, client, db=3)
    fault = refused(hq.deleteResource, "db")
    assert (fault.faultCode, "3 of" in fault.faultString) == (409, True)
    client.beat(client.ended(run))
    assert hq.deleteResource("db") is True
    assert [each["name"] for each in hq.getResources()] == LICENCES
    assert refused(hq.deleteResource, "sidefx.license.houdini").faultCode == 409
    fault = refused(hq.deleteResource, "sidefx.license.houdin")
    assert (fault.faultCode, "did you mean 'sidefx.license.houdini'" in fault.faultString) == (404, True)


def test_the_scheduler_reads_totals_and_what_runs_hold(farm: Farm, client: TestClient) -> None:
    running_with(farm, client, db=3, licence=1)
    with farm.database.read() as connection:
        assert sorted(resources.in_use(connection)) == [(client.id, "db", 3), (client.id, "licence", 1)]
        assert list(resources.totals(connection)) == LICENCES
        assert resources.totals(connection)["sidefx.license.karma"].total == -1
