"""The farm's real clock, and the boot by which it counts."""

from __future__ import annotations

import time
from pathlib import Path


class SystemClock:
    """Wall clock for people, a clock that never jumps for decisions."""

    def __init__(self) -> None:
        self._began_at, self._began = self.now(), self.monotonic()

    def now(self) -> float:
        """UTC epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment; goes on while the machine sleeps where the system can tell."""
        return _BOOT_CLOCK()

    def certain(self) -> float:
        """The wall clock, or where that was set ahead since the start, what it showed then and the seconds since."""
        return min(self.now(), self._began_at + self.monotonic() - self._began)


def _boot_clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_BOOT_CLOCK = _boot_clock if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic


def boot_id() -> str:
    """Another text each time the machine starts; "" where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
