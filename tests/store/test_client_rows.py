"""Rows of clients: vitals and what people set never take back each other's news."""

from __future__ import annotations

from dataclasses import replace

import pytest
from farm_kit import TestClient

from hqserver.services.farm import Farm
from hqserver.store import clients
from hqserver.store.clients import ClientRow


def stored(farm: Farm) -> ClientRow:
    with farm.database.read() as connection:
        (row,) = clients.every(connection)
    return row


def test_a_row_is_read_back_as_it_was_saved(farm: Farm, client: TestClient) -> None:
    row = replace(stored(farm), availability="[]", utc_offset=-90, location="here", disk_total=7, wanted="restart")
    farm.database.write(lambda transaction: clients.save(transaction.connection, row))
    assert stored(farm) == row


def test_saving_vitals_leaves_what_people_set(farm: Farm, client: TestClient) -> None:
    before = stored(farm)

    def write_both(vitals: ClientRow) -> None:
        farm.database.write(
            lambda transaction: clients.set_column(transaction.connection, client.id, "description", "two GPUs")
        )
        farm.database.write(lambda transaction: clients.save_vitals(transaction.connection, [vitals]))

    write_both(replace(before, heartbeat_at=before.heartbeat_at + 5, load=1.5, utc_offset=120, description="stale"))
    assert stored(farm) == replace(
        before, heartbeat_at=before.heartbeat_at + 5, load=1.5, utc_offset=120, description="two GPUs"
    )


@pytest.mark.parametrize(("name", "label"), [("", "alpha"), ("left", "alpha:left")])
def test_a_removed_client_keeps_its_label_though_its_name_was_freed(
    farm: Farm, client: TestClient, name: str, label: str
) -> None:
    row = replace(stored(farm), name=f"{name}~{client.id}")
    assert row.label == f"alpha:{name}~{client.id}", "a name may look like that by itself"
    assert replace(row, removed=1).label == label
