"""What was seen of each client's health since its last success. `health` says what follows from it."""

from __future__ import annotations

import threading
from collections import Counter

LONGEST_WAIT_SECONDS = 6 * 3600.0


class Health:
    """What was seen of each client since its last success. Lives in memory: a restart of the server begins anew, but
    which clients are sick is kept in the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[int, Counter[str]] = {}
        self._losses: dict[int, set[float]] = {}
        self._waits: dict[int, float] = {}

    def failed(self, client_id: int, submitter: str) -> Counter[str]:
        """A command failed there; the failures since the last success by who submitted them."""
        with self._lock:
            counts = self._failures.setdefault(client_id, Counter())
            counts[submitter] += 1
            return Counter(counts)

    def lost(self, client_id: int, heard_at: float) -> int:
        """The client was lost with work in hand, last heard at this monotonic time; how often that was in a row."""
        with self._lock:
            times = self._losses.setdefault(client_id, set())
            times.add(heard_at)
            return len(times)

    def heard(self, client_id: int) -> None:
        """The client brought a result, good or bad, or came back with its work: it is there."""
        with self._lock:
            self._losses.pop(client_id, None)

    def next_wait(self, client_id: int, first_seconds: float) -> float:
        """How long the client waits for its next probe: twice as long each time."""
        with self._lock:
            wait = self._waits.get(client_id, first_seconds / 2) * 2
            wait = min(wait, max(first_seconds, LONGEST_WAIT_SECONDS))
            self._waits[client_id] = wait
            return wait

    def well(self, client_id: int) -> None:
        """Forget what was held against the client."""
        with self._lock:
            self._failures.pop(client_id, None)
            self._losses.pop(client_id, None)
            self._waits.pop(client_id, None)
