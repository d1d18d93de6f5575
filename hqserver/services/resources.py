"""Resources: licences and other things the whole farm has a counted amount of (CONTRACT 5.6, 9.14, 9.26)."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hqserver.domain.errors import BadParameters, Conflict, NotFound, near_match
from hqserver.domain.naming import given_name
from hqserver.domain.resources import UNCOUNTED
from hqserver.domain.values import LARGEST_INTEGER
from hqserver.store import resources
from hqserver.store.database import Transaction
from hqserver.store.resources import ResourceRow

from .farm import Farm


def resource_details(farm: Farm, resource_ids: Sequence[int] | None) -> list[dict[str, Any]]:
    """Resources, all of them or those of these that exist, in the order asked for."""
    with farm.database.read() as connection:
        rows = {row.id: row for row in resources.totals(connection).values()}
        used = used_amounts(farm, connection)
    wanted = rows.values() if resource_ids is None else [rows[each] for each in resource_ids if each in rows]
    return [
        {
            "id": row.id,
            "name": row.name,
            "total": row.total,
            "inUse": used[row.name],
            "perMachine": bool(row.per_machine),
            "builtIn": bool(row.built_in),
        }
        for row in wanted
    ]


def used_amounts(farm: Farm, connection: sqlite3.Connection) -> Counter[str]:
    """How much of each resource is in use, 0 for one that nobody holds.

    Per machine the machines that hold it are counted, by host name: several clients may run on one.
    """
    per_machine = {row.name for row in resources.totals(connection).values() if row.per_machine}
    used: Counter[str] = Counter()
    machines = set()
    for client_id, name, amount in resources.in_use(connection):
        if name in per_machine:
            presence = farm.watch.get(client_id)
            machines.add((name, presence.row.hostname if presence else str(client_id)))
        else:
            used[name] += amount
    used.update(name for name, _ in machines)
    return used


def set_resource(farm: Farm, name: str, total: int, per_machine: bool) -> None:
    """Create a resource, or change how much there is of it and how it is counted.

    Raises `BadParameters` for a bad name or amount, and `Conflict` where it is in use: for a total below what is, and
    for another way of counting.
    """
    kept = given_name(name, "a resource")
    if not UNCOUNTED <= total <= LARGEST_INTEGER:
        raise BadParameters(f"total must be from 0 to {LARGEST_INTEGER}, or {UNCOUNTED} for uncounted, not {total}")

    def write(transaction: Transaction) -> None:
        known = resources.totals(transaction.connection).get(kept)
        if known is None:
            resources.insert(transaction.connection, kept, total, per_machine)
        else:
            _check_use(known, total, per_machine, used_amounts(farm, transaction.connection)[kept])
            resources.save(transaction.connection, replace(known, total=total, per_machine=int(per_machine)))
        transaction.after_commit(farm.ask_for_pass)

    farm.database.write(write)


def _check_use(known: ResourceRow, total: int, per_machine: bool, used: int) -> None:
    if used and per_machine != bool(known.per_machine):
        counted = "per machine" if known.per_machine else "per job"
        raise Conflict(f"{used} of resource {known.name!r} are in use: it stays counted {counted} until none is")
    if total not in (UNCOUNTED, known.total) and total < used:
        raise Conflict(f"{used} of resource {known.name!r} are in use: its total cannot be {total}")


def delete_resource(farm: Farm, name: str) -> None:
    """Remove a resource. Raises `NotFound`, and `Conflict` for a built-in one and for one in use."""

    def write(transaction: Transaction) -> None:
        rows = resources.totals(transaction.connection)
        known = rows.get(name.strip())
        if known is None:
            raise NotFound(f"there is no resource called {name!r}{near_match(name, rows)}")
        if known.built_in:
            raise Conflict(f"resource {known.name!r} is built in and stays")
        used = used_amounts(farm, transaction.connection)[known.name]
        if used:
            raise Conflict(f"{used} of resource {known.name!r} are in use: it cannot be deleted until none is")
        resources.delete(transaction.connection, known.id)
        transaction.after_commit(farm.ask_for_pass)

    farm.database.write(write)
