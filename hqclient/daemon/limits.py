"""The limits of a start order that its client enforces: what a run may use, and what is said when that is used up.

Pure: whoever watches a run brings the times. `maxTime` is watched by the daemon, all others by the run's own runner,
so that they hold without a daemon (`runs.watchdog`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .runs.kill_request import KillRequest

MIN_TIME, MAX_TIME, MAX_SILENCE, MAX_MEMORY, LEASE = "minTime", "maxTime", "maxSilence", "maxMemory", "lease"
"""Names of the limits, in start orders and in `ended` reports."""


@dataclass(frozen=True)
class Limits:
    """What a run may use before it is ended. 0 is no limit; the time it is paused counts for the lease only.

    `max_time_seconds`: how long its command may run.
    `min_time_seconds`: a command that succeeds sooner has failed.
    `max_silence_seconds`: how long it may print nothing.
    `max_memory_kb`: resident memory of the whole tree.
    `lease_seconds`: how long it may live on after the last beat that the server answered was sent.
    """

    max_time_seconds: float = 0.0
    min_time_seconds: float = 0.0
    max_silence_seconds: float = 0.0
    max_memory_kb: float = 0.0
    lease_seconds: float = 0.0

    def time_is_over_at(self, began_at: float) -> float:
        """When the time is over of a command that began at `began_at` and is not paused; infinity for never."""
        return began_at + self.max_time_seconds if self.max_time_seconds else math.inf

    def lease_end(self, heard_at: float) -> float:
        """When the lease ends if the last beat that was answered had been sent at `heard_at`; infinity without one."""
        return heard_at + self.lease_seconds if self.lease_seconds else math.inf

    def time_is_over(self) -> KillRequest:
        """What ends a run that has used up its time."""
        return KillRequest(f"maxTime of {self.max_time_seconds:g} s is over", MAX_TIME)

    def too_silent(self) -> KillRequest:
        """What ends a run that has printed nothing for too long."""
        return KillRequest(f"it has printed nothing for {self.max_silence_seconds:g} s (maxSilence)", MAX_SILENCE)

    def too_large(self, memory_kb: int) -> KillRequest:
        """What ends a run whose processes use so much memory."""
        return KillRequest(f"its processes use {memory_kb} kB, maxMemory is {self.max_memory_kb:g} kB", MAX_MEMORY)

    def lease_is_over(self) -> KillRequest:
        """What ends a run whose client has not heard the server for too long."""
        return KillRequest(f"no beat was answered within the lease of {self.lease_seconds:g} s", LEASE)

    def ended_too_soon(self, ran_seconds: float) -> str:
        """What is wrong with a command that has succeeded after so long, "" for nothing."""
        if ran_seconds >= self.min_time_seconds:
            return ""
        return f"it ended after {ran_seconds:.3g} s already, minTime is {self.min_time_seconds:g} s"

    def as_struct(self) -> dict[str, float]:
        """The limits as PROTOCOL.md has them in a start order."""
        return {
            MAX_TIME: self.max_time_seconds,
            MIN_TIME: self.min_time_seconds,
            MAX_SILENCE: self.max_silence_seconds,
            MAX_MEMORY: self.max_memory_kb,
            LEASE: self.lease_seconds,
        }

    @classmethod
    def of_order(
        cls, order: Mapping[str, Any], number: Callable[[Any, str], float] = lambda value, _: float(value)
    ) -> Limits:
        """The limits in a start order; those that are left out are none.

        `number` reads one, given its name too. Raises what that raises, by default `TypeError` and `ValueError`.
        """
        return cls(
            max_time_seconds=number(order.get(MAX_TIME, 0.0), MAX_TIME),
            min_time_seconds=number(order.get(MIN_TIME, 0.0), MIN_TIME),
            max_silence_seconds=number(order.get(MAX_SILENCE, 0.0), MAX_SILENCE),
            max_memory_kb=number(order.get(MAX_MEMORY, 0.0), MAX_MEMORY),
            lease_seconds=number(order.get(LEASE, 0.0), LEASE),
        )
