"""Which runs are over and done with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

_REMEMBERED = 10_000


class SettledRuns:
    """Ids of settled runs, the last ten thousand: none of them is ever started again."""

    def __init__(self, runs: Iterable[str] = ()) -> None:
        self._in_order: deque[str] = deque(maxlen=_REMEMBERED)
        self._runs: set[str] = set()
        for run in runs:
            self.add(run)

    def add(self, run: str) -> None:
        """Remember the run, and forget the one that was settled first when there are too many."""
        if run in self._runs:
            return
        if len(self._in_order) == _REMEMBERED:
            self._runs.discard(self._in_order[0])
        self._in_order.append(run)
        self._runs.add(run)

    def __contains__(self, run: str) -> bool:
        return run in self._runs
