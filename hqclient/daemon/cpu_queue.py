"""Which of the runs a daemon holds have CPUs, which wait for some, and how many more may wait. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from .held import Run, Status
from .spare import SpareGauge

QUEUE_PATIENCE_SECONDS = 1.0
"""How long a run waits for CPUs before it is handed back, unless the queue moves."""


class CpuQueue:
    """The CPUs of one client over the runs it holds; a paused run keeps its own. Times are monotonic seconds."""

    def __init__(self, cpus: int, runs: Mapping[str, Run], gauge: SpareGauge) -> None:
        """`runs` are those the daemon holds, in the order they came; whoever holds them moves them."""
        self._cpus = cpus
        self._runs = runs
        self._gauge = gauge

    def active(self) -> Iterator[Run]:
        """The runs that have CPUs: their command runs, or is about to."""
        return (run for run in self._runs.values() if run.status in (Status.STARTING, Status.RUNNING))

    def waiting(self) -> list[Run]:
        """The runs that wait for CPUs."""
        return [run for run in self._runs.values() if run.status is Status.QUEUED]

    def next_to_start(self) -> Iterator[Run]:
        """The waiting runs to start now, in order; one that needs less may pass one that needs more than is free."""
        free = self._cpus - sum(run.cpus for run in self.active())
        for run in self.waiting():
            if free <= 0:
                return
            if run.cpus <= free:
                free -= run.cpus
                yield run

    def hand_back_at(self, run: Run) -> float:
        """When a waiting run has waited too long."""
        return max(run.since + QUEUE_PATIENCE_SECONDS, self._gauge.moves_until)

    def spare(self, now: float) -> int:
        """How many runs may wait here beyond those that have CPUs, those that wait already included."""
        # What is paused does not end soon, however short it has been.
        busy = [(run.cpus, math.inf if run.pause.wanted else now - run.since) for run in self.active()]
        return self._gauge.spare(busy, now)
