"""Locks: names that one holder at a time has on lease from the server (CONTRACT 10)."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Caller, rpc
from hqserver.services import locks
from hqserver.services.farm import Farm


class Locks:
    """Names that one holder at a time has on lease from the server, for programs that must not do the same at once.

    A lock means what those who ask for it agree on: it stops no job. It ends when it is released or broken, or when its
    lease is over; holders renew theirs at a third of it. Count a lease from before the call, by a clock that nobody
    sets. A restart of the server keeps every lock and begins its lease anew. Names and owners have up to 255
    characters, a lease from 1 to 86,400 seconds, the farm up to 10,000 locks.
    """

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("acquireLock")
    def acquire_lock(self, name: str, seconds: float, owner: str) -> dict[str, Any] | None:
        """Have the lock for so many seconds: `{name, owner, seconds, since, until, token}`; None where another owner
        has it, whom `getLocks` names.

        `token`, 32 hexadecimal digits, is another each time a lock is acquired and never used again; `renewLock` and
        `releaseLock` take it. The owner that has the lock already has it renewed, under the same token, so that a call
        may be repeated: two that must not have it at once need two names of owners. Faults: -32602 for what is wrong
        with the parameters, 409 where 10,000 locks are held.
        """
        return locks.acquire(self._farm, name, seconds, owner)

    @rpc("renewLock")
    def renew_lock(self, name: str, token: str, seconds: float | None = None) -> dict[str, Any] | None:
        """Have the lock for so many seconds from now on, None for as many as before: as `acquireLock` answers.

        None where it is not held under this token any more: its lease is over, or somebody broke it.
        """
        return locks.renew(self._farm, name, token, seconds)

    @rpc("releaseLock", idempotent=False)
    def release_lock(self, name: str, token: str) -> bool:
        """Let the lock go. False where it was not held under this token any more."""
        return locks.release(self._farm, name, token)

    @rpc("breakLock", idempotent=False)
    def break_lock(self, caller: Caller, name: str) -> bool:
        """Take the lock from whoever has it, who finds out when renewing it; False where nobody has.

        Anybody may, and the journal tells who did (kind `lock`). See first that its holder is gone.
        """
        return locks.break_lock(self._farm, name, caller.user or caller.peer)

    @rpc("getLocks")
    def get_locks(self, names: list[str] | None = None) -> list[dict[str, Any]]:
        """The locks that are held, by name; with `names` only those: `{name, owner, seconds, since, until}`.

        `since` and `until` are times by the server's clock; `until` comes later each time the lock is renewed. Fault
        413 for more than 10,000 names.
        """
        return locks.listed(self._farm, names)
