"""Locks as a Python program holds them: renewed in the background until they are let go (CONTRACT 10).

    with farm.lock("publish sh010", wait_seconds=60) as lock:
        ...
        lock.check()  # raises LockLost: before a step that nobody else may do at the same time

For a program that renews by itself there are `acquireLock`, `renewLock` and `releaseLock` (`farm.call`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from types import TracebackType

from .claim import runner_name
from .connection import Caller, Connection
from .errors import FarmUnreachable, LockHeld, LockLost, Refused
from .news import Patience, Pauses

LEASE_SECONDS = 60.0
"""A lease where none is asked for: how long others wait for the lock of somebody whose machine died."""

_RENEWED_AT = 1 / 3
_AGAIN_SECONDS = 1.0
_SHORTEST_CALL_SECONDS = 1.0
_TAKEN = "its lease is over or somebody broke it"


def steady_seconds() -> float:
    """Seconds on a clock that nobody sets; a machine's sleep counts where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def own_name() -> str:
    """A name for one holder of locks, by which people know it and which no other has."""
    return f"{runner_name()[:200]}, process {os.getpid()}, {secrets.token_hex(8)}"


class Lock:
    """A lock of the farm: a context manager that has it for the length of its block, renewing it at a third of its
    lease on a connection of its own.

    It is lost when somebody breaks it, and when the server could not be reached for the length of the lease: then
    another may have it. A block cannot be stopped from outside: it asks `lost`, or calls `check`, and `LockLost` is
    raised at its end at the latest. One object is used once at a time.
    """

    def __init__(
        self,
        farm: Caller,
        connection: Connection,
        name: str,
        *,
        lease_seconds: float = LEASE_SECONDS,
        owner: str = "",
        wait_seconds: float = 0.0,
    ) -> None:
        """`connection` is for renewing it, and closed after that. `owner`: another for each holder; "" makes one."""
        self.name = name
        self.lease_seconds = lease_seconds
        self.owner = owner or own_name()
        self.wait_seconds = wait_seconds
        self.token = ""
        self._farm = farm
        self._connection = connection
        self._mutex = threading.Lock()
        self._over = threading.Event()
        self._ends = 0.0
        self._lost_because = ""
        self._keeper: threading.Thread | None = None

    def acquire(self) -> None:
        """Have the lock, waiting for it up to `wait_seconds`. Raises `LockHeld`, and what calls raise."""
        pauses, patience = Pauses(clock=steady_seconds), Patience(steady_seconds)
        deadline = steady_seconds() + self.wait_seconds
        while not self._ask(patience if self.wait_seconds else None):
            if steady_seconds() >= deadline:
                raise LockHeld(self._holder())
            pauses.take(deadline)
        self._over.clear()
        self._lost_because = ""
        self._keeper = threading.Thread(target=self._keep, name=f"lock {self.name}", daemon=True)
        self._keeper.start()

    def _ask(self, patience: Patience | None) -> bool:
        """Ask for the lock once; while it is waited for, a server that restarts is waited for too."""
        sent = steady_seconds()
        words = ("acquireLock", self.name, self.lease_seconds, self.owner)
        found = self._farm.call(*words) if patience is None else patience.ask(self._farm, *words)
        if found is None:
            return False
        self.token, self._ends = str(found["token"]), sent + self.lease_seconds
        return True

    def _holder(self) -> str:
        found = self._farm.call("getLocks", [self.name])
        holder = found[0]["owner"] if found else "somebody"
        waited = f", and was for {self.wait_seconds:g} s" if self.wait_seconds else ""
        return f"the lock {self.name!r} is held by {holder}{waited}"

    @property
    def lost(self) -> bool:
        """Whether another may have it by now."""
        return self.lost_within(0.0)

    def lost_within(self, seconds: float) -> bool:
        """Whether another may have it so soon: for whoever needs that long to stop. Then it counts as lost."""
        with self._mutex:
            if not self._lost_because and steady_seconds() >= self._ends - seconds:
                self._lost_because = f"the server could not be reached for {self.lease_seconds - seconds:g} s"
            return bool(self._lost_because)

    def check(self) -> None:
        """Raises `LockLost` where another may have it by now."""
        if self.lost:
            raise LockLost(f"the lock {self.name!r} was lost: {self._lost_because}")

    def release(self) -> None:
        """Let the lock go. Raises `LockLost` where it was lost before. A server that cannot be reached ends the lease
        by itself."""
        lost = self.lost
        self._over.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None
        with contextlib.suppress(FarmUnreachable, Refused):
            if not self._farm.call("releaseLock", self.name, self.token) and not lost:
                self._lose(_TAKEN)
                lost = True
        if lost:
            self.check()

    def _keep(self) -> None:
        """Renew the lease until the lock is released or lost."""
        pause = self.lease_seconds * _RENEWED_AT
        try:
            while not self._over.wait(pause) and not self.lost:
                sent = steady_seconds()
                try:
                    found = self._connection.call("renewLock", self.name, self.token, self.lease_seconds)
                except (FarmUnreachable, Refused):
                    pause = min(self.lease_seconds * _RENEWED_AT, _AGAIN_SECONDS)
                    continue
                if found is None:
                    self._lose(_TAKEN)
                    return
                pause = self.lease_seconds * _RENEWED_AT
                with self._mutex:
                    self._ends = sent + self.lease_seconds
        finally:
            self._connection.close()

    def _lose(self, because: str) -> None:
        with self._mutex:
            self._lost_because = self._lost_because or because

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.release()
        except LockLost:
            if kind is None:
                raise  # what the block itself raised says more

    def __repr__(self) -> str:
        return f"Lock({self.name!r})"


def beside(connection: Connection, lease_seconds: float) -> Connection:
    """A connection for renewing a lease, whose calls fail soon enough to be repeated before it is over."""
    seconds = min(connection.timeout_seconds, lease_seconds * _RENEWED_AT)
    return connection.beside(max(seconds, _SHORTEST_CALL_SECONDS))
