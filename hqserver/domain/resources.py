"""Counted resources: licences and whatever else a farm has a limited number of (CONTRACT 5.6; 10, Limits)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from .errors import near_match
from .rate import Starts

UNCOUNTED = -1
"""The total of a resource of which there is always enough."""

Amounts = Iterable[tuple[str, int]]
"""Names of resources with how much of each."""


class Counting(StrEnum):
    """How a resource is counted."""

    JOB = "job"
    """Each run takes the amount its job asked for, for as long as it is live."""
    MACHINE = "machine"
    """A machine takes one unit however many of its jobs need it."""
    RATE = "rate"
    """Each start takes the amount its job asked for, for a minute: nothing is held."""

    @property
    def words(self) -> str:
        """For people: completes "it is counted ..."."""
        return "per minute" if self is Counting.RATE else f"per {self}"


@dataclass(frozen=True, slots=True)
class Supply:
    """How much there is of a resource: of a rate, how much may be started in a minute."""

    total: int
    counting: Counting = Counting.JOB


class Stock:
    """What is left of every resource while a pass hands out work. Machines are told apart by host name."""

    def __init__(
        self,
        supplies: Mapping[str, Supply],
        used: Iterable[tuple[str, str, int]] = (),
        starts: Iterable[tuple[str, float, int]] = (),
    ):
        """`used`: (host name, resource, amount) of what runs. `starts`: (resource, age in seconds, amount) of what was
        started lately of rates."""
        self._supplies = supplies
        self._starts = Starts(starts)
        self._taken: dict[str, int] = {}
        self._holders: dict[str, dict[str, int]] = {}
        for hostname, name, amount in used:
            self._count(hostname, name, amount, 1)

    def why_not(self, wanted: Amounts, hostname: str) -> str:
        """What keeps a job that wants these amounts from this machine: half a sentence, "" for nothing."""
        for name, amount in wanted:
            supply = self._supplies.get(name)
            if supply is None:
                return f"resource {name!r}, which the farm does not have{near_match(name, self._supplies)}"
            if supply.total == UNCOUNTED:
                continue
            if supply.counting is Counting.RATE:
                if full := self._starts.why_not(name, amount, supply.total):
                    return full if supply.total else _none_of(name)
            elif supply.counting is Counting.MACHINE:
                machines = self._holders.get(name, {})
                if hostname not in machines and len(machines) >= supply.total:
                    return f"resource {name!r}: all {supply.total} are in use" if supply.total else _none_of(name)
            elif amount > supply.total:
                needs = f"resource {name!r}: it needs {amount}, the farm has {supply.total}"
                return needs if supply.total else _none_of(name)
            elif self._taken.get(name, 0) + amount > supply.total:
                return f"resource {name!r}: {self._taken.get(name, 0)} of {supply.total} are in use"
        return ""

    def where(self, wanted: Amounts) -> Set[str] | None:
        """The machines to which a job that wants these amounts may go now; None for any."""
        found: frozenset[str] | None = None
        for name, amount in wanted:
            supply = self._supplies.get(name)
            if supply is None:
                return frozenset()
            if supply.total == UNCOUNTED:
                continue
            if supply.counting is Counting.MACHINE:
                machines = self._holders.get(name, {})
                if len(machines) >= supply.total:
                    found = frozenset(machines) if found is None else found & machines.keys()
            elif supply.counting is Counting.RATE:
                if self._starts.amount(name) + amount > supply.total:
                    return frozenset()
            elif self._taken.get(name, 0) + amount > supply.total:
                return frozenset()
        return found

    def ever(self, wanted: Amounts) -> bool:
        """Whether the farm has these amounts at all, in use or not."""
        for name, amount in wanted:
            supply = self._supplies.get(name)
            if supply is None:
                return False
            least = 1 if supply.counting is Counting.MACHINE else amount
            if supply.total != UNCOUNTED and least > supply.total:
                return False
        return True

    def share(self, wanted: Amounts, *, first: bool) -> list[tuple[str, int]]:
        """What one client of a job that wants these amounts takes and holds: the job's own are counted once, on its
        first client; one unit of each that is counted per machine on every client. Of a rate nothing is held."""
        return [
            (name, 1 if self._is_per_machine(name) else amount)
            for name, amount in wanted
            if (first or self._is_per_machine(name)) and not self.is_rate(name)
        ]

    def start(self, wanted: Amounts) -> list[tuple[str, int]]:
        """Work that wants these amounts starts: what it takes of rates, counted from now on."""
        started = [(name, amount) for name, amount in wanted if self.is_rate(name)]
        for name, amount in started:
            self._starts.add(name, amount)
        return started

    def is_rate(self, name: str) -> bool:
        """Whether the resource limits how often work starts."""
        return name in self._supplies and self._supplies[name].counting is Counting.RATE

    def machines_together(self, wanted: Amounts, hostnames: Iterable[str]) -> list[bool]:
        """For each client of a job that would run on these machines together, in this order, whether what is counted
        per machine suffices for it too."""
        left = {
            name: self._supplies[name].total - len(self._holders.get(name, ()))
            for name, _ in wanted
            if self._is_per_machine(name) and self._supplies[name].total != UNCOUNTED
        }
        having = {name: set(self._holders.get(name, ())) for name in left}
        found = []
        for hostname in hostnames:
            new = [name for name in left if hostname not in having[name]]
            suffices = all(left[name] > 0 for name in new)
            found.append(suffices)
            for name in new if suffices else ():
                left[name] -= 1
                having[name].add(hostname)
        return found

    def take(self, taken: Amounts, hostname: str) -> None:
        """Count what a run takes on this machine."""
        for name, amount in taken:
            self._count(hostname, name, amount, 1)

    def give_back(self, taken: Amounts, hostname: str) -> None:
        """Count what a run on this machine takes no more."""
        for name, amount in taken:
            self._count(hostname, name, -amount, -1)

    def _is_per_machine(self, name: str) -> bool:
        return name in self._supplies and self._supplies[name].counting is Counting.MACHINE

    def _count(self, hostname: str, name: str, amount: int, runs: int) -> None:
        self._taken[name] = self._taken.get(name, 0) + amount
        machines = self._holders.setdefault(name, {})
        machines[hostname] = machines.get(hostname, 0) + runs
        if not machines[hostname]:
            del machines[hostname]


def _none_of(name: str) -> str:
    return f"resource {name!r}, of which the farm has none"
