"""The events that were told last, in memory: whoever follows the journal asks the database only at the beginning."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from hqserver.domain.event import Event, EventFilter, Page

_RECENT = 20_000


class Journal:
    """The events told last, in memory, in the order of their ids; safe to be read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: deque[Event] = deque()
        self._floor: int | None = None
        self._listeners: list[Callable[[], None]] = []

    def listen(self, action: Callable[[], None]) -> None:
        """Have this called after each commit that told something. It must not wait for anything."""
        self._listeners.append(action)

    def publish(self, told: Sequence[Event]) -> None:
        """These events are on disk now. Called by the writer, in the order of the ids."""
        with self._lock:
            if self._floor is None:
                self._floor = told[0].id - 1
            self._recent.extend(told)
            while len(self._recent) > _RECENT:
                self._floor = self._recent.popleft().id
        for action in self._listeners:
            action()

    def recent(self, after: int, limit: int, wanted: EventFilter) -> Page | None:
        """Events behind a cursor; None where memory does not go back so far, and the database is to be asked."""
        with self._lock:
            if self._floor is None or not self._floor <= after:
                return None
            behind: list[Event] = []
            for event in reversed(self._recent):
                if event.id <= after:
                    break
                behind.append(event)
        found: list[Event] = []
        for event in reversed(behind):
            after = event.id
            if wanted.matches(event):
                found.append(event)
                if len(found) == limit:
                    return Page(found, after, more=event is not behind[0])
        return Page(found, after)
