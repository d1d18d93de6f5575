"""The methods about client groups (CONTRACT 1.2, 5.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient
from rpc_kit import refused

from hqserver.app import open_farm
from hqserver.config import ServerConfig
from hqserver.services.clients import groups
from hqserver.services.farm import Farm


def names(farm: Farm) -> dict[int, frozenset[str]]:
    with farm.database.read() as connection:
        return groups.names_by_client(connection)


def test_a_group_has_a_name_and_clients(hq: Any, client: TestClient) -> None:
    group = hq.createClientGroup("GPU nodes (2nd floor)")
    assert hq.getClientGroup(group) == {"id": group, "name": "GPU nodes (2nd floor)", "clients": []}
    assert hq.addClientToGroup(group, client.id) is True
    assert hq.addClientToGroup(str(group), str(client.id)) is True, "twice is once"
    assert hq.getClientGroup(group, ["clients"]) == {"id": group, "clients": [client.id]}
    assert hq.getClient(client.id, ["groups"])["groups"] == [group]
    assert hq.removeClientFromGroup(group, client.id) is True
    assert hq.removeClientFromGroup(group, client.id) is True, "twice is once"
    assert hq.getClientGroup(group)["clients"] == []
    assert hq.getClient(client.id)["groups"] == []


def test_groups_are_listed_all_or_in_the_order_asked_for(hq: Any, client: TestClient) -> None:
    """9.3."""
    assert hq.getClientGroups() == []
    one, two = hq.createClientGroup("one"), hq.createClientGroup("two")
    hq.addClientToGroup(two, client.id)
    everything = [{"id": one, "name": "one", "clients": []}, {"id": two, "name": "two", "clients": [client.id]}]
    assert hq.getClientGroups() == hq.getClientGroups(None) == hq.getClientGroups("", "") == everything
    assert hq.getClientGroups([two, 99, one], ["name"]) == [{"id": two, "name": "two"}, {"id": one, "name": "one"}]
    assert hq.getClientGroups([]) == []


def test_a_group_is_found_by_its_name(hq: Any) -> None:
    group = hq.createClientGroup(" night shift ")
    assert hq.getClientGroupByName("night shift") == {"id": group, "name": "night shift", "clients": []}
    assert hq.getClientGroupByName("night shift", ["clients"]) == {"id": group, "clients": []}
    fault = refused(hq.getClientGroupByName, "nigth shift")
    assert (fault.faultCode, "did you mean 'night shift'" in fault.faultString) == (404, True)
    assert refused(hq.getClientGroupByName, "night shift", ["nam"]).faultCode == -32602


def test_a_name_is_taken_once(hq: Any) -> None:
    group = hq.createClientGroup("farm")
    fault = refused(hq.createClientGroup, "farm")
    assert (fault.faultCode, str(group) in fault.faultString) == (409, True)
    assert len(hq.getClientGroups()) == 1


@pytest.mark.parametrize("name", ["", "  ", "a,b", "a\tb", "a\nb", "x" * 256])
def test_a_name_that_cannot_be_used_elsewhere_is_refused(hq: Any, name: str) -> None:
    assert refused(hq.createClientGroup, name).faultCode == -32602
    assert hq.getClientGroups() == []


def test_what_does_not_exist_is_a_fault_that_says_which(hq: Any, client: TestClient) -> None:
    group = hq.createClientGroup("one")
    for call in (hq.getClientGroup, hq.deleteClientGroup):
        assert refused(call, 99).faultCode == 404
    for call in (hq.addClientToGroup, hq.removeClientFromGroup):
        assert "client group 99" in refused(call, 99, client.id).faultString
        fault = refused(call, group, 98)
        assert (fault.faultCode, "client 98" in fault.faultString) == (404, True)
    fault = refused(hq.getClientGroups, None, ["clinets"])
    assert (fault.faultCode, "did you mean 'clients'" in fault.faultString) == (-32602, True)


def test_a_deleted_group_leaves_its_clients_and_its_name_is_free(hq: Any, farm: Farm, client: TestClient) -> None:
    group = hq.createClientGroup("one")
    hq.addClientToGroup(group, client.id)
    assert hq.deleteClientGroup(group) is True
    assert hq.getClientGroups() == []
    assert hq.getClient(client.id)["groups"] == []
    assert names(farm) == {}
    assert hq.createClientGroup("one") > group, "ids are never used again"


def test_the_scheduler_learns_of_every_change(hq: Any, farm: Farm, client: TestClient, asked: Asked) -> None:
    one, two = hq.createClientGroup("one"), hq.createClientGroup("two")
    asked.passes = 0
    hq.addClientToGroup(one, client.id)
    hq.addClientToGroup(two, client.id)
    assert names(farm) == {client.id: frozenset({"one", "two"})}
    assert asked.passes == 2
    presence = farm.watch.get(client.id)
    assert presence is not None
    assert farm.watch.facts(presence).groups == {"one", "two"}
    hq.removeClientFromGroup(one, client.id)
    assert farm.watch.facts(presence).groups == {"two"}
    hq.deleteClientGroup(two)
    assert farm.watch.facts(presence).groups == set()


def test_a_server_that_starts_knows_the_groups(
    hq: Any, farm: Farm, client: TestClient, clock: SetClock, asked: Asked, tmp_path: Path
) -> None:
    hq.addClientToGroup(hq.createClientGroup("one"), client.id)
    farm.database.close()
    config = ServerConfig("127.0.0.1", 0, tmp_path, tmp_path / "output", tmp_path / "backups", 2, False, farm.policy)
    again = open_farm(config, clock, asked.ask_for_pass, asked.wake)
    try:
        presence = again.watch.get(client.id)
        assert presence is not None
        assert again.watch.facts(presence).groups == {"one"}
    finally:
        again.database.close()


def test_a_removed_client_is_in_no_group(hq: Any, farm: Farm, client: TestClient, clock: SetClock) -> None:
    group = hq.createClientGroup("one")
    hq.addClientToGroup(group, client.id)
    clock.advance(farm.policy.lost_seconds + 1)
    hq.removeClients([client.id])
    assert hq.getClientGroup(group)["clients"] == []
    assert refused(hq.addClientToGroup, group, client.id).faultCode == 404
    assert names(farm) == {}
