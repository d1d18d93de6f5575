"""Groups, resources, notes, folders and errors as the page shows them (CONTRACT 6.4)."""

from __future__ import annotations

import pytest
from farm_kit import SetClock, TestClient, submit

from hqserver.domain.errors import NotFound
from hqserver.domain.resources import Counting
from hqserver.services import notes, resources
from hqserver.services.clients import groups
from hqserver.services.farm import Farm
from hqserver.services.queries import overview_inventory


def test_groups_come_by_name_with_their_first_members(
    farm: Farm, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_inventory, "GROUPS_A_PAGE", 2)
    monkeypatch.setattr(overview_inventory, "MEMBERS_NAMED", 1)
    ids = {name: groups.create_group(farm, name) for name in ("racks", "all", "spare")}
    other = TestClient(farm, hostname="beta")
    other.register()
    for member in (client, other):
        groups.add_client(farm, ids["all"], member.id)
    first = overview_inventory.groups_overview(farm)
    assert [(group.name, group.count, group.members) for group in first.groups] == [
        ("all", 2, [(client.id, "alpha")]),
        ("racks", 0, []),
    ]
    last = overview_inventory.groups_overview(farm, first.later)
    assert ([group.name for group in last.groups], last.later) == (["spare"], "")


def test_a_group_comes_with_its_clients(farm: Farm, client: TestClient) -> None:
    group = groups.create_group(farm, "racks")
    TestClient(farm, hostname="beta").register()
    groups.add_client(farm, group, client.id)
    found = overview_inventory.group_overview(farm, group)
    assert found.name == "racks"
    assert [member.client["label"] for member in found.members.clients] == ["alpha"]
    with pytest.raises(NotFound, match="no client group 7"):
        overview_inventory.group_overview(farm, 7)


def test_a_resource_tells_who_holds_it(farm: Farm, client: TestClient) -> None:
    resources.set_resource(farm, "seat", 5, False)
    job = submit(farm, name="comp", command="true", resources={"seat": 2, "sidefx.license.karma": 3})
    assert client.fetch()
    found = {each.name: each for each in overview_inventory.resources_overview(farm)}
    seat, karma, houdini = (found[name] for name in ("seat", "sidefx.license.karma", "sidefx.license.houdini"))
    assert (seat.total, seat.in_use, seat.counting, seat.built_in) == (5, 2, Counting.JOB, False)
    assert [(each.job_id, each.job_name, each.client, each.amount) for each in seat.holders] == [
        (job, "comp", "alpha", 2)
    ]
    # 9.26: built in, and not counted until somebody says how many there are.
    assert (karma.total, karma.in_use, karma.counting, karma.built_in) == (-1, 1, Counting.MACHINE, True)
    assert (houdini.in_use, houdini.holders) == (0, [])


def test_notes_come_newest_first_and_page_by_page(
    farm: Farm, client: TestClient, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_inventory, "NOTES_A_PAGE", 2)
    job = submit(farm, name="comp", command="true")
    notes.add_note(farm, "one", None, job, None)
    notes.add_note(farm, "two", None, None, client.id)
    clock.advance(3)
    notes.add_note(farm, "three", None, None, None)
    notes.add_note(farm, "four", None, job, None)
    first = overview_inventory.notes_overview(farm)
    second = overview_inventory.notes_overview(farm, first.older)
    assert [note.text for note in (*first.notes, *second.notes)] == ["four", "three", "two", "one"]
    assert second.older is None
    assert [(note.job_id, note.job_name, note.client_id, note.client) for note in (*first.notes, *second.notes)] == [
        (job, "comp", None, ""),
        (None, "", None, ""),
        (None, "", client.id, "alpha"),
        (job, "comp", None, ""),
    ]
    thread = overview_inventory.thread_overview(farm, first.notes[0].thread_id)
    assert ([note.text for note in thread.notes], thread.older) == (["four", "one"], None)
    with pytest.raises(NotFound, match="no note thread 99"):
        overview_inventory.thread_overview(farm, 99)
