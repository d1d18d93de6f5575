"""How the daemon gets other code from its server: fetched, verified, put beside its own, tried (CONTRACT 9.28).

The server offers its package at registration and orders it by `upgradeClients`. Nothing is run before it is known
to be what the server named and to find here what it needs; what cannot be used is told to the server as
`upgradeError` and not looked at again for a while, however often it is ordered.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from hqserver.domain.crash import crash_point
from hqserver.domain.package import PACKAGE_LIMIT, REQUIREMENTS, BadPackage, unpack, version_of

from .codestore import CodeStore
from .handover import FAILURE_SECONDS
from .link import LinkDown
from .protocol import UpgradeOrder
from .requirements import unmet

_log = logging.getLogger(__name__)

_FETCH_AGAIN_SECONDS = 60.0
_TELL_AGAIN_SECONDS = 60.0
_VERSION = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(r"/[A-Za-z0-9._~/-]{1,200}")

Fetch = Callable[[str, int], Awaitable[bytes]]
"""The file at a path of the server's, of at most so many bytes. Raises `LinkDown`."""


class _Refused(Exception):
    """Why the code is not taken, as a sentence without its subject, and for how many seconds."""

    def __init__(self, reason: str, seconds: float = FAILURE_SECONDS) -> None:
        super().__init__(reason)
        self.seconds = seconds


def package_of(registration: object) -> UpgradeOrder | None:
    """The package that the server's answer to a registration names, None when it names none."""
    package = registration.get("package") if isinstance(registration, dict) else None
    if not isinstance(package, dict):
        return None
    version, path = package.get("version"), package.get("path")
    return UpgradeOrder(version, path) if isinstance(version, str) and isinstance(path, str) else None


class Upgrades:
    """The code of one daemon: its own, what it was before, and what it may become."""

    def __init__(
        self,
        store: CodeStore,
        own_version: str,
        fetch: Fetch,
        *,
        start_anew: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        """`own_version` is that of the code that runs. Reads what became of an earlier upgrade.

        `start_anew` is called when other code waits to be tried, `tell` with why an order is not followed.
        """
        self._store = store
        self._own_version = own_version
        self._fetch = fetch
        self._start_anew = start_anew
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._refused_until: dict[str, float] = {}
        self._confirmed = False
        state = store.state
        self.error = f"version {state.failed[:12]} was given up: {state.reason}" if state.failed else ""
        """Why the last upgrade came to nothing, "" when it did not."""
        self._told_at = time.monotonic()

    def ordered(self, order: UpgradeOrder) -> None:
        """The server wants this code to run, perhaps not for the first time."""
        if self._is_useless(order.version) and time.monotonic() - self._told_at >= _TELL_AGAIN_SECONDS:
            self._say_why_not()
        self.offered(order)

    def offered(self, package: UpgradeOrder) -> None:
        """The server has this code; take it unless it runs, is under way or was found useless a short while ago."""
        if self._task is None and package.version != self._own_version and not self._is_useless(package.version):
            self._task = asyncio.ensure_future(self._follow(package))

    def close(self) -> None:
        """Give up what is under way."""
        if self._task is not None:
            self._task.cancel()

    def confirm(self, used: Iterable[Path]) -> None:
        """The server has answered the code that runs: it stays. Old code goes, but what lies at the paths in `used`."""
        if self._confirmed:
            return
        self._confirmed = True
        state = self._store.state
        try:
            if state.trial == self._own_version:
                crash_point("upgrade_before_confirmed")
                self._store.record(state.confirmed())
                crash_point("upgrade_confirmed")
                _log.info("Upgraded to version %s", self._own_version)
            if self._store.folder.is_dir():
                self._store.prune(used)
        except OSError as problem:
            _log.error("the folder of the client's code cannot be written: %s", problem)

    def _is_useless(self, version: str) -> bool:
        if time.monotonic() < self._refused_until.get(version, 0.0):
            return True
        return self._store.state.refuses(version, time.time())

    def _say_why_not(self) -> None:
        self._told_at = time.monotonic()
        self._tell(self.error)

    async def _follow(self, order: UpgradeOrder) -> None:
        """Fetch the package and put it on trial for the next start, or say why not."""
        try:
            package = await self._get(order)
            await asyncio.to_thread(self._take, package, order.version)
        except _Refused as refusal:
            self._refused_until[order.version] = time.monotonic() + refusal.seconds
            self.error = f"version {order.version[:12]} is not taken: {refusal}"
            _log.error("upgrade: %s", self.error)
            self._say_why_not()
        else:
            _log.info("Upgrading from version %s to %s", self._own_version, order.version)
            self._start_anew()
        finally:
            self._task = None

    async def _get(self, order: UpgradeOrder) -> bytes:
        if not _VERSION.fullmatch(order.version) or not _PATH.fullmatch(order.path):
            raise _Refused("the server's order names no version and path")
        try:
            package = await self._fetch(order.path, PACKAGE_LIMIT)
        except LinkDown as problem:
            raise _Refused(f"it cannot be fetched: {problem}", _FETCH_AGAIN_SECONDS) from None
        if version_of(package) != order.version:
            raise _Refused("what came is not what was named: its SHA-256 is another")
        return package

    def _take(self, package: bytes, version: str) -> None:
        try:
            lacking = unmet(unpack(package).get(REQUIREMENTS, b"").decode("utf-8", "replace"))
            if lacking:
                raise _Refused(lacking)
            self._store.folder.mkdir(mode=0o700, exist_ok=True)
            self._store.add(package)
            crash_point("package_unpacked")
            self._store.record(self._store.state.to_try(version))
            crash_point("upgrade_recorded")
        except BadPackage as problem:
            raise _Refused(f"the package {problem}") from None
        except OSError as problem:
            raise _Refused(f"it cannot be written: {problem}", _FETCH_AGAIN_SECONDS) from None
