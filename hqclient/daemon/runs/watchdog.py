"""Watches one run for the limits that its runner enforces by itself, with a daemon or without."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable

import psutil

from .. import host_os
from ..limits import Limits
from .kill_request import KillRequest
from .lease import margin_seconds, read_lease
from .pauses import read_pauses
from .runfolder import RunFolder

LOOK_SECONDS = 1.0
"""How often a run with limits is looked at. Without limits it is not."""


def lease_left_seconds(folder: RunFolder, lease_seconds: float, known_end: float = -math.inf) -> tuple[float, float]:
    """How long the run may live on before it has to be ended, and the end of its lease as it is known now.

    What cannot be read is as it was known before; without that a run with a lease must not live.
    """
    if not lease_seconds:
        return math.inf, math.inf
    ends_at = max(known_end, read_lease(folder) or -math.inf)
    return ends_at - margin_seconds(lease_seconds) - host_os.uptime_seconds(), ends_at


class Watchdog:
    """Says when a running command has used up one of its limits. Times are `time.monotonic` unless said otherwise."""

    def __init__(self, folder: RunFolder, limits: Limits, members: Callable[[], Iterable[psutil.Process]]) -> None:
        """`members` finds the processes whose memory counts."""
        self._folder = folder
        self._limits = limits
        self._members = members
        self._silent_seconds = 0.0
        self._printed_at = self._looked_at = time.monotonic()
        self._paused_seconds = self._paused_until_now()
        self._began_at = host_os.uptime_seconds()
        self._lease_ends_at = -math.inf
        self._barked = False
        watching = bool(limits.max_silence_seconds or limits.max_memory_kb or limits.lease_seconds)
        self.due_at = self._looked_at if watching else math.inf
        """When `look` wants to be called."""

    def printed(self) -> None:
        """The command has printed something."""
        self._printed_at = time.monotonic()

    def ran_seconds(self) -> float:
        """How long the command has run by now, the time it was paused not counted."""
        return max(0.0, host_os.uptime_seconds() - self._began_at - self._paused_until_now())

    def look(self) -> KillRequest | None:
        """Why the run is to be ended now; said once."""
        if self._barked:
            return None
        now = time.monotonic()
        found = self._over_limit(now)
        self._looked_at = now
        if found is not None:
            self._barked = True
            self.due_at = math.inf
        return found

    def _over_limit(self, now: float) -> KillRequest | None:
        limits = self._limits
        lease_left, self._lease_ends_at = lease_left_seconds(self._folder, limits.lease_seconds, self._lease_ends_at)
        if lease_left <= 0:
            return limits.lease_is_over()
        silence_left = self._silence_left(now) if limits.max_silence_seconds else math.inf
        if silence_left <= 0:
            return limits.too_silent()
        if limits.max_memory_kb and (memory_kb := self._memory_kb()) > limits.max_memory_kb:
            return limits.too_large(memory_kb)
        self.due_at = now + min(LOOK_SECONDS, lease_left, silence_left)
        return None

    def _silence_left(self, now: float) -> float:
        """Silence adds up from look to look, so that what was paused in between can be left out."""
        paused_seconds = self._paused_until_now()
        awake = max(0.0, now - self._looked_at - (paused_seconds - self._paused_seconds))
        self._paused_seconds = paused_seconds
        if self._printed_at > self._looked_at:
            self._silent_seconds, awake = 0.0, min(awake, now - self._printed_at)
        self._silent_seconds += awake
        return self._limits.max_silence_seconds - self._silent_seconds

    def _paused_until_now(self) -> float:
        """How long the run has been paused in all."""
        pauses = read_pauses(self._folder)
        return pauses.ended_seconds + (0.0 if pauses.since is None else pauses.since.age_seconds())

    def _memory_kb(self) -> int:
        """What the processes hold in memory; what they share counts for each."""
        total = 0
        for process in self._members():
            try:
                total += process.memory_info().rss if process.pid != os.getpid() else 0
            except psutil.Error:
                continue  # it has just ended
        return total // 1024
