"""Groups: named sets of clients that jobs can ask for (CONTRACT 5.4)."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from hqserver.domain.errors import Conflict, NotFound, near_match
from hqserver.domain.event import EventKind
from hqserver.domain.naming import given_name
from hqserver.services.attributes import Batch, chosen, read
from hqserver.services.events.events import tell_of_inventory
from hqserver.services.farm import Farm
from hqserver.store import groups
from hqserver.store.database import Transaction

from .group_attributes import GROUP_ATTRIBUTES


def names_by_client(connection: sqlite3.Connection) -> dict[int, frozenset[str]]:
    """The names of the groups of each client that is in any: what the scheduler keeps in memory."""
    found = defaultdict(set)
    for client_id, name in groups.memberships(connection):
        found[client_id].add(name)
    return {client_id: frozenset(names) for client_id, names in found.items()}


def group_details(farm: Farm, group_ids: Sequence[int] | None, attribs: Sequence[str] | None) -> list[dict[str, Any]]:
    """Groups, all of them or those of these that exist, with the attributes asked for and always `id`.

    Raises `BadParameters` for an unknown attribute.
    """
    attributes = chosen(GROUP_ATTRIBUTES, attribs, ["id"])
    with farm.database.read() as connection:
        rows = groups.every(connection) if group_ids is None else groups.by_id(connection, group_ids)
        return read(attributes, Batch(farm, connection, rows))


def group_detail(farm: Farm, group_id: int, attribs: Sequence[str] | None) -> dict[str, Any]:
    """One group. Raises `NotFound`."""
    found = group_details(farm, [group_id], attribs)
    if not found:
        raise NotFound(f"there is no client group {group_id}")
    return found[0]


def group_detail_by_name(farm: Farm, name: str, attribs: Sequence[str] | None) -> dict[str, Any]:
    """The group of this name. Raises `NotFound` with the near match."""
    attributes = chosen(GROUP_ATTRIBUTES, attribs, ["id"])
    with farm.database.read() as connection:
        group_id = groups.id_of(connection, name.strip())
        if group_id is None:
            known = [row["name"] for row in groups.every(connection)]
            raise NotFound(f"there is no client group called {name!r}{near_match(name, known)}")
        return read(attributes, Batch(farm, connection, groups.by_id(connection, [group_id])))[0]


def create_group(farm: Farm, name: str) -> int:
    """A new group without clients; its id. Raises `BadParameters` for a bad name, `Conflict` for one that is taken."""
    kept = given_name(name, "a client group")

    def write(transaction: Transaction) -> int:
        known = groups.id_of(transaction.connection, kept)
        if known is not None:
            raise Conflict(f"there is a client group called {kept!r} already; its id is {known}")
        tell_of_inventory(farm, transaction, EventKind.GROUP, "created", kept)
        return groups.insert(transaction.connection, kept)

    return farm.database.write(write)


def delete_group(farm: Farm, group_id: int) -> None:
    """Remove a group; its clients stay. Raises `NotFound`."""
    _change(farm, group_id, "deleted", lambda connection: groups.delete(connection, group_id))


def add_client(farm: Farm, group_id: int, client_id: int) -> None:
    """Put a client into a group, where it is not in it yet. Raises `NotFound` for either."""
    _change(farm, group_id, "joined", lambda connection: groups.add_member(connection, group_id, client_id), client_id)


def remove_client(farm: Farm, group_id: int, client_id: int) -> None:
    """Take a client out of a group, where it is in it. Raises `NotFound` for either."""
    _change(farm, group_id, "left", lambda connection: groups.remove_member(connection, group_id, client_id), client_id)


def announce(farm: Farm, transaction: Transaction) -> None:
    """Let the scheduler know, once the transaction is on disk, who is in which group now."""
    names = names_by_client(transaction.connection)

    def tell() -> None:
        farm.watch.set_groups(names)
        farm.ask_for_pass()

    transaction.after_commit(tell)


def _change(
    farm: Farm, group_id: int, what: str, action: Callable[[sqlite3.Connection], None], client_id: int | None = None
) -> None:
    """`what`: the word by which the journal tells of it."""

    def write(transaction: Transaction) -> None:
        known = groups.by_id(transaction.connection, [group_id])
        if not known:
            raise NotFound(f"there is no client group {group_id}")
        if client_id is not None:
            presence = farm.watch.get(client_id)
            if presence is None or presence.row.removed:
                raise NotFound(f"there is no client {client_id}")
        action(transaction.connection)
        label = farm.watch.label(client_id)
        tell_of_inventory(farm, transaction, EventKind.GROUP, what, known[0][1], label)
        announce(farm, transaction)

    farm.database.write(write)
