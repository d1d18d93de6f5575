"""Resources: licences and other things the whole farm has a counted amount of (CONTRACT 5.6, 9.14, 9.26, 10)."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hqserver.domain.errors import BadParameters, Conflict, NotFound, near_match
from hqserver.domain.event import EventKind
from hqserver.domain.naming import given_name
from hqserver.domain.resources import UNCOUNTED, Counting
from hqserver.domain.values import LARGEST_INTEGER
from hqserver.services.dispatch.rates import recent_starts
from hqserver.services.events.events import tell_of_inventory
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
            "counted": str(row.counting),
        }
        for row in wanted
    ]


def used_amounts(farm: Farm, connection: sqlite3.Connection) -> Counter[str]:
    """How much of each resource is in use, 0 for one that nobody holds.

    Per machine the machines that hold it are counted, by host name: several clients may run on one. Of a rate it is
    what was started in the last minute.
    """
    totals = resources.totals(connection)
    per_machine = {row.name for row in totals.values() if row.per_machine}
    used: Counter[str] = Counter()
    for name, _, amount in recent_starts(farm, connection, totals):
        used[name] += amount
    machines = set()
    for client_id, name, amount in resources.in_use(connection):
        if name in per_machine:
            presence = farm.watch.get(client_id)
            machines.add((name, presence.row.hostname if presence else str(client_id)))
        else:
            used[name] += amount
    used.update(name for name, _ in machines)
    return used


def set_resource(farm: Farm, name: str, total: int, per_machine: bool, counted: str | None = None) -> None:
    """Create a resource, or change how much there is of it and how it is counted: "job", "machine" or "rate".

    Where `counted` is not given, `per_machine` decides, and a rate that is not to be counted per machine stays one.
    Raises `BadParameters` for a bad name or amount and for two ways of counting, and `Conflict` where it is in use: for
    a total below what is, and for another way of counting. Of a rate nothing is in use.
    """
    kept = given_name(name, "a resource")
    if not UNCOUNTED <= total <= LARGEST_INTEGER:
        raise BadParameters(f"total must be from 0 to {LARGEST_INTEGER}, or {UNCOUNTED} for uncounted, not {total}")

    asked = _asked(per_machine, counted)

    def write(transaction: Transaction) -> None:
        known = resources.totals(transaction.connection).get(kept)
        stays = counted is None and known is not None and known.counting is Counting.RATE and not per_machine
        counting = Counting.RATE if stays else asked
        if known is not None:
            _check_use(known, total, counting, _held(farm, transaction.connection, known))
        resources.put(transaction.connection, kept, total, counting)
        tell_of_inventory(farm, transaction, EventKind.RESOURCE, "set", kept)
        transaction.after_commit(farm.ask_for_pass)

    farm.database.write(write)


def _asked(per_machine: bool, counted: str | None) -> Counting:
    if counted is None:
        return Counting.MACHINE if per_machine else Counting.JOB
    try:
        asked = Counting(counted)
    except ValueError:
        ways = ", ".join(repr(str(each)) for each in Counting)
        raise BadParameters(f"counted must be one of {ways}, not {counted!r}{near_match(counted, Counting)}") from None
    if per_machine and asked is not Counting.MACHINE:
        raise BadParameters(f"a resource is counted per machine or as {str(asked)!r}, not both")
    return asked


def _held(farm: Farm, connection: sqlite3.Connection, known: ResourceRow) -> int:
    """How much of it live runs hold: of a rate nothing, whatever was started lately."""
    return 0 if known.counting is Counting.RATE else used_amounts(farm, connection)[known.name]


def _check_use(known: ResourceRow, total: int, counting: Counting, used: int) -> None:
    if used and counting is not known.counting:
        words = known.counting.words
        raise Conflict(f"{used} of resource {known.name!r} are in use: it stays counted {words} until none is")
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
        used = _held(farm, transaction.connection, known)
        if used:
            raise Conflict(f"{used} of resource {known.name!r} are in use: it cannot be deleted until none is")
        resources.delete(transaction.connection, known.id)
        tell_of_inventory(farm, transaction, EventKind.RESOURCE, "deleted", known.name)
        transaction.after_commit(farm.ask_for_pass)

    farm.database.write(write)
