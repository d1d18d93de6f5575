"""Rendered pages, shared by all who ask for the same within a second (PROMISES 6.1: a crawler is no overload)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from hqserver.web import WebResponse


@dataclass(slots=True)
class _Snapshot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    taken_at: float = 0.0
    response: WebResponse | None = None


class Snapshots:
    """Pages by what they depend on. Two threads that ask for the same page at once wait for one rendering."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        lasts_seconds: float = 1.0,
        most: int = 64,
        most_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        """`monotonic` is the farm's clock. Beyond `most` pages or `most_bytes` the longest unused leave first."""
        self._monotonic, self._lasts_seconds = monotonic, lasts_seconds
        self._most, self._most_bytes = most, most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Snapshot] = OrderedDict()

    def get(self, key: Hashable, render: Callable[[], WebResponse]) -> WebResponse:
        """The page for `key`, no older than `lasts_seconds` when it was asked for; what `render` raises is not kept."""
        asked_at = self._monotonic()
        snapshot = self._slot(key)
        with snapshot.lock:
            # Whoever waited here for a slow rendering takes what came of it.
            if snapshot.response is None or snapshot.taken_at <= asked_at - self._lasts_seconds:
                snapshot.taken_at = self._monotonic()
                snapshot.response = None
                snapshot.response = render()
            return snapshot.response

    def _slot(self, key: Hashable) -> _Snapshot:
        with self._lock:
            snapshot = self._kept.setdefault(key, _Snapshot())
            self._kept.move_to_end(key)
            while len(self._kept) > self._most or (len(self._kept) > 1 and self._size() > self._most_bytes):
                self._kept.popitem(last=False)
            return snapshot

    def _size(self) -> int:
        bodies = (snapshot.response.body for snapshot in self._kept.values() if snapshot.response is not None)
        return sum(len(body) for body in bodies if isinstance(body, bytes))
