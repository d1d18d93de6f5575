"""Starts of the last minute, for resources that limit how often work may start (CONTRACT 10, Limits)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import ceil

RATE_SECONDS = 60.0
"""A start counts for so long: rates are per minute."""


class Starts:
    """What was started lately of each resource that is a rate."""

    def __init__(self, starts: Iterable[tuple[str, float, int]] = ()):
        """`starts`: (resource, age in seconds, amount); those older than a minute count no more."""
        self._starts: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self._amounts: dict[str, int] = defaultdict(int)
        for name, age_seconds, amount in starts:
            if age_seconds < RATE_SECONDS:
                self._starts[name].append((age_seconds, amount))
                self._amounts[name] += amount

    def amount(self, name: str) -> int:
        """How much of the resource was started in the last minute."""
        return self._amounts.get(name, 0)

    def add(self, name: str, amount: int) -> None:
        """Count what starts at this moment."""
        self._starts[name].append((0.0, amount))
        self._amounts[name] += amount

    def why_not(self, name: str, amount: int, total: int) -> str:
        """What keeps work that takes this amount of a rate of `total` a minute from starting, "" for nothing."""
        started = self.amount(name)
        if amount > total:
            return f"rate of {name!r}: it needs {amount} starts a minute, the farm has {total}"
        if started + amount <= total:
            return ""
        again = max(ceil(self._wait_seconds(name, started + amount - total)), 1)
        return f"rate of {name!r}: {started} of {total} starts in the last minute; again in {again} s"

    def _wait_seconds(self, name: str, surplus: int) -> float:
        """How long it takes until starts of this amount are older than a minute."""
        for age_seconds, amount in sorted(self._starts[name], reverse=True):
            surplus -= amount
            if surplus <= 0:
                return RATE_SECONDS - age_seconds
        return RATE_SECONDS
