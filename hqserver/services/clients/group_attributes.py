"""The attributes of a group of clients (CONTRACT 1.3)."""

from __future__ import annotations

from hqserver.services.attributes import Attribute, Batch, column
from hqserver.store import groups


def _clients(batch: Batch) -> list[list[int]]:
    found = groups.members(batch.connection, batch.ids)
    return [found.get(group_id, []) for group_id in batch.ids]


GROUP_ATTRIBUTES: dict[str, Attribute] = {
    attribute.name: attribute
    for attribute in (
        Attribute("id", "Id of the group.", column("id")),
        Attribute("name", "Its name.", column("name")),
        Attribute("clients", "Ids of the clients in it.", _clients, "query"),
    )
}
