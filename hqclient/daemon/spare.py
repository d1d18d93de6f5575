"""How many runs a client may hold beyond its CPUs, so that short ones need not wait for the next beat.
Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

SHORT_SECONDS = 0.3
"""Runs are short while the last ones took less than this on average."""
_REMEMBERED_RUNS = 32
_LONG_SECONDS = 1.0
_MOVING_SECONDS = 0.5
_FORGET_SECONDS = 30.0
_PENALTY_SECONDS = 5.0
_LEAST = 4
_MOST_PER_CPU = 16


class SpareGauge:
    """Watches how long runs and beats take. Times are monotonic seconds."""

    def __init__(self, cpus: int) -> None:
        self._cpus = cpus
        self._durations: deque[float] = deque(maxlen=_REMEMBERED_RUNS)
        self._beat_seconds = 0.0
        self._last_end_at = -math.inf
        self._none_until = -math.inf

    @property
    def moves_until(self) -> float:
        """While runs end one after another, the queue moves: those who wait will start within moments."""
        return self._last_end_at + _MOVING_SECONDS

    def ended(self, duration_seconds: float, now: float) -> None:
        """A run took so long."""
        self._durations.append(duration_seconds)
        self._last_end_at = now

    def beat_took(self, seconds: float) -> None:
        """A beat was answered after so long; a moving mean, for single beats vary."""
        self._beat_seconds = seconds if not self._beat_seconds else 0.8 * self._beat_seconds + 0.2 * seconds

    def handed_back(self, now: float) -> None:
        """A run waited in vain: hold none beyond the CPUs for a while."""
        self._none_until = now + _PENALTY_SECONDS

    def spare(self, busy: Iterable[tuple[int, float]], now: float) -> int:
        """How many runs may wait, given the CPUs and ages in seconds of those that run.

        None unless the last runs were short. Then what the CPUs not held by long runs can start while two
        beats go to the server and back, at least two a CPU or 4, at most 16 a CPU.
        """
        if now < self._none_until or not self._durations or now - self._last_end_at > _FORGET_SECONDS:
            return 0
        mean_seconds = sum(self._durations) / len(self._durations)
        nimble = self._cpus - sum(cpus for cpus, age_seconds in busy if age_seconds > _LONG_SECONDS)
        if mean_seconds >= SHORT_SECONDS or nimble <= 0:
            return 0
        wanted = math.ceil(2 * nimble * self._beat_seconds / max(mean_seconds, 0.0005))
        return min(max(wanted, 2 * nimble, _LEAST), max(_MOST_PER_CPU * nimble, _LEAST))
