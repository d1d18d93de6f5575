"""Clients held for jobs that need several at once (CONTRACT 3.4, 9.15).

Holds live in memory: a restart of the server forgets them, and the next pass makes them anew. A job may hold clients
only if no earlier holder's eligible clients overlap its own, a hold ends after a time, and a job whose hold ended rests
as long before it holds again: so holds can neither deadlock nor starve anybody.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hold:
    """`clients` wait for the job; `eligible` are all those that could run it. `since` is monotonic seconds."""

    job_id: int
    since: float
    clients: tuple[int, ...]
    eligible: frozenset[int]


class Holds:
    """Every hold there is. Only the writing transaction of a pass changes them; anybody may look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds: dict[int, Hold] = {}
        self._rests_until: dict[int, float] = {}

    def held_for(self) -> dict[int, int]:
        """The job that each held client waits for."""
        with self._lock:
            return {client_id: hold.job_id for hold in self._holds.values() for client_id in hold.clients}

    def clients_of(self, job_id: int) -> tuple[int, ...]:
        """Ids of the clients held for the job."""
        hold = self._holds.get(job_id)
        return hold.clients if hold else ()

    def jobs(self) -> list[int]:
        """Ids of the jobs that hold clients."""
        with self._lock:
            return list(self._holds)

    def rests(self, job_id: int, monotonic: float) -> bool:
        """Whether a hold of the job led to nothing, and not long enough ago for another."""
        return self._rests_until.get(job_id, monotonic) > monotonic

    def may_hold(self, job_id: int, eligible: Iterable[int], monotonic: float) -> bool:
        """Whether the job may hold clients of these now."""
        with self._lock:
            if self.rests(job_id, monotonic):
                return False
            wanted = frozenset(eligible)
            return all(hold.job_id == job_id or hold.eligible.isdisjoint(wanted) for hold in self._holds.values())

    def hold(self, job_id: int, clients: Sequence[int], eligible: Iterable[int], monotonic: float) -> bool:
        """Hold these clients for the job, instead of those it holds; True where it held none before."""
        with self._lock:
            known = self._holds.get(job_id)
            since = known.since if known else monotonic
            self._holds[job_id] = Hold(job_id, since, tuple(clients), frozenset(eligible))
            self._rests_until.pop(job_id, None)
            return known is None

    def release(self, job_id: int) -> None:
        """The job holds nothing any more: it started, or does not wait."""
        with self._lock:
            self._holds.pop(job_id, None)
            self._rests_until.pop(job_id, None)

    def expire(self, monotonic: float, timeout_seconds: float) -> list[int]:
        """End the holds older than the time-out; ids of their jobs, which rest as long from now."""
        with self._lock:
            over = [hold.job_id for hold in self._holds.values() if monotonic - hold.since > timeout_seconds]
            for job_id in over:
                del self._holds[job_id]
                self._rests_until[job_id] = monotonic + timeout_seconds
            self._rests_until = {job_id: until for job_id, until in self._rests_until.items() if until > monotonic}
            return over
