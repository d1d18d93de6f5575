"""Locks: leases that the server keeps for whoever asks first (CONTRACT 10, Locks and outside runners).

A lease is counted by the server's monotonic clock, so that no clock that is set ends one early or keeps it; after a
restart of the server every lease begins anew, for nobody could renew it meanwhile (PROMISES 2.2). Whoever holds a lock
counts from before it asked, the server from when it answers, which is later.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hqserver.domain.errors import Conflict, TooLarge
from hqserver.domain.event import EventKind
from hqserver.domain.lock import MOST_LOCKS, checked_name, checked_owner, checked_seconds
from hqserver.services.events.events import tell_of_inventory
from hqserver.store import locks
from hqserver.store.database import Transaction
from hqserver.store.locks import LockRow

from .attributes import moment
from .farm import Farm

_TOKEN_BYTES = 16


def acquire(farm: Farm, name: str, seconds: float, owner: str) -> dict[str, Any] | None:
    """Have the lock for so long; None where somebody else has it. Its owner has it renewed, under the same token.

    Raises `BadParameters`, and `Conflict` where too many locks are held.
    """
    name, seconds, owner = checked_name(name), checked_seconds(seconds), checked_owner(owner)

    def write(transaction: Transaction) -> LockRow | None:
        connection, now = transaction.connection, farm.clock.monotonic()
        held = locks.load(connection, name)
        if held is not None and held.ends > now:
            if held.owner != owner:
                return None
            row = replace(held, seconds=seconds, ends=now + seconds)
        else:
            if held is None and locks.count(connection) >= MOST_LOCKS:
                locks.forget(connection, now)
                if locks.count(connection) >= MOST_LOCKS:
                    raise Conflict(f"{MOST_LOCKS} locks are held, and there can be no more: release some, or wait")
            row = LockRow(name, owner, secrets.token_hex(_TOKEN_BYTES), seconds, farm.clock.now(), now + seconds)
        locks.put(connection, row)
        return row

    return _told(farm, farm.database.write(write))


def renew(farm: Farm, name: str, token: str, seconds: float | None) -> dict[str, Any] | None:
    """Have the lock for so long from now on, None: as long as before; None where it is not held under this token.

    Raises `BadParameters`.
    """
    name = checked_name(name)
    wanted = None if seconds is None else checked_seconds(seconds)

    def write(transaction: Transaction) -> LockRow | None:
        held = _held(farm, transaction, name, token)
        if held is None:
            return None
        length = held.seconds if wanted is None else wanted
        row = replace(held, seconds=length, ends=farm.clock.monotonic() + length)
        locks.put(transaction.connection, row)
        return row

    return _told(farm, farm.database.write(write))


def release(farm: Farm, name: str, token: str) -> bool:
    """Let the lock go; False where it is not held under this token. Raises `BadParameters`."""
    name = checked_name(name)

    def write(transaction: Transaction) -> bool:
        if _held(farm, transaction, name, token) is None:
            return False
        locks.delete(transaction.connection, name)
        return True

    return farm.database.write(write)


def break_lock(farm: Farm, name: str, by: str) -> bool:
    """Take the lock from whoever holds it; False where nobody does. `by`: who asks. Raises `BadParameters`."""
    name = checked_name(name)

    def write(transaction: Transaction) -> bool:
        held = _held(farm, transaction, name)
        if held is None:
            return False
        locks.delete(transaction.connection, name)
        tell_of_inventory(farm, transaction, EventKind.LOCK, "broken", f"{name}: taken from {held.owner} by {by}")
        return True

    return farm.database.write(write)


def listed(farm: Farm, names: Sequence[str] | None) -> list[dict[str, Any]]:
    """The locks that are held, all of them or those of these names, by name. Raises `TooLarge`."""
    if names is not None and len(names) > MOST_LOCKS:
        raise TooLarge(f"{len(names)} names in one call; at most {MOST_LOCKS} are taken")
    with farm.database.read() as connection:
        found = locks.every(connection) if names is None else locks.named(connection, map(str.strip, names))
    now = farm.clock.monotonic()
    return [_shown(farm, row) for row in found if row.ends > now]


def begin_anew(farm: Farm) -> None:
    """The server was started: every lease begins anew."""
    with farm.database.read() as connection:
        known = locks.count(connection)
    if known:
        farm.database.write(lambda transaction: locks.begin_leases(transaction.connection, farm.clock.monotonic()))


def forget_ended(farm: Farm) -> None:
    """Forget locks whose lease is over."""
    now = farm.clock.monotonic()
    with farm.database.read() as connection:
        found = locks.are_any(connection, now)
    if found:
        farm.database.write(lambda transaction: locks.forget(transaction.connection, now))


def _held(farm: Farm, transaction: Transaction, name: str, token: str | None = None) -> LockRow | None:
    """The lock, where somebody holds it now, under this token. One whose lease is over is forgotten."""
    row = locks.load(transaction.connection, name)
    if row is not None and row.ends <= farm.clock.monotonic():
        locks.delete(transaction.connection, name)
        return None
    return row if row is not None and token in (None, row.token) else None


def _told(farm: Farm, row: LockRow | None) -> dict[str, Any] | None:
    """What the holder is told."""
    return None if row is None else {**_shown(farm, row), "token": row.token}


def _shown(farm: Farm, row: LockRow) -> dict[str, Any]:
    """What anybody is told. The end is by today's wall clock, for people: what counts is `ends`."""
    return {
        "name": row.name,
        "owner": row.owner,
        "seconds": row.seconds,
        "since": moment(row.acquired_at),
        "until": moment(farm.clock.now() + row.ends - farm.clock.monotonic()),
    }
