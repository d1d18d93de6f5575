"""How busy the machine is: sampled for the beats, and no more often than they can use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from .user_idle import user_idle_minutes

_SAMPLE_SECONDS = 1.0
_IDLE_SECONDS = 30.0


@dataclass(frozen=True)
class Load:
    """One sample. `load` counts busy CPUs, sizes are in kB, `idle_minutes` is -1 where unknown (CONTRACT
    9.24)."""

    load: float
    memory_free_kb: float
    disk_free_kb: float
    idle_minutes: int


class LoadSampler:
    """Samples load, memory and disk at most once a second, and the user's idle time at most every 30 s.

    Many beats a second share one sample: a load over milliseconds says nothing, and reading it costs.
    """

    def __init__(self, data: Path, clock: Callable[[], float]) -> None:
        """Measure the disk of `data`; `clock` is monotonic, in seconds."""
        self._data = data
        self._clock = clock
        self._cpus = psutil.cpu_count() or 1
        self._sampled_at = self._idle_at = float("-inf")
        self._last = Load(0.0, 0.0, 0.0, -1)
        psutil.cpu_percent(interval=None)  # the first answer is always 0: it only sets the starting point

    async def sample(self) -> Load:
        """The present load, at most a second old."""
        now = self._clock()
        if now - self._sampled_at < _SAMPLE_SECONDS:
            return self._last
        self._sampled_at = now
        idle_minutes = self._last.idle_minutes
        if now - self._idle_at >= _IDLE_SECONDS:
            self._idle_at = now
            # It may ask other programs and wait for them: not on the event loop.
            idle_minutes = await asyncio.to_thread(user_idle_minutes)
        self._last = Load(
            load=psutil.cpu_percent(interval=None) / 100 * self._cpus,
            memory_free_kb=psutil.virtual_memory().available / 1024,
            disk_free_kb=self._disk_free_kb(),
            idle_minutes=idle_minutes,
        )
        return self._last

    def _disk_free_kb(self) -> float:
        try:
            return psutil.disk_usage(str(self._data)).free / 1024
        except OSError:
            return 0.0  # a disk that cannot be asked takes no new work
