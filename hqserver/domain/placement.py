"""Given runnable work and free clients: who gets what (CONTRACT 3.4).

The same predicates serve the dispatch pass and the answer to "why does it wait?" (`waiting`): one definition, two
readers. Those of `ELIGIBLE` say whether a client can ever run the work as things are set up, those of `FREE` whether it
can now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Set
from dataclasses import dataclass, field

from .conditions import ClientFacts
from .platforms import platform_key
from .requirement import Requirement
from .resources import Amounts, Stock
from .shortlist import Shortlist
from .tags import SINGLE, why_not_beside


@dataclass(slots=True)
class Seat:
    """A client as placement sees it. What it runs changes while a pass hands out work.

    `spare`: how many runs it is willing to queue beyond its free CPUs (PROTOCOL.md). `taking`: whether it takes new
    work at all; where it does not, `why_not` says why. `sharing`: the tags of what it runs that limit sharing.
    `held_for`: the job that waits to have this client and others together.
    """

    client_id: int
    facts: ClientFacts
    cpus_used: int = 0
    live_runs: int = 0
    spare: int = 0
    load: float = 0.0
    taking: bool = True
    why_not: str = ""
    sharing: set[str] = field(default_factory=set)
    held_for: int | None = None
    probed: bool = False
    """It was set aside and is tried again, with one run at a time."""

    @property
    def label(self) -> str:
        return self.facts.label

    @property
    def cpus_free(self) -> int:
        return self.facts.cpus - self.cpus_used


def cpus_wanted(requirement: Requirement, seat: Seat) -> int:
    """CPUs the requirement takes on this client: `cpus` 0 means all of the machine's (CONTRACT 9.5)."""
    return requirement.cpus or seat.facts.cpus


def _takes_work(requirement: Requirement, seat: Seat) -> str:
    return "" if seat.taking else seat.why_not


def _has_command(requirement: Requirement, seat: Seat) -> str:
    if not requirement.platforms or platform_key(seat.facts.platform) in requirement.platforms:
        return ""
    return f"is {seat.facts.platform} and the job has a command for {', '.join(requirement.platforms)} only"


def _has_cpus(requirement: Requirement, seat: Seat) -> str:
    if requirement.cpus <= seat.facts.cpus:
        return ""
    return f"has {seat.facts.cpus} CPUs, the job needs {requirement.cpus}"


def _passes_conditions(requirement: Requirement, seat: Seat) -> str:
    failed = [str(each) for each in requirement.conditions if not each.holds(seat.facts)]
    return f"does not meet {' and '.join(failed)}" if failed else ""


ELIGIBLE: tuple[Callable[[Requirement, Seat], str], ...] = (_takes_work, _has_command, _has_cpus, _passes_conditions)
"""Each completes "<client> ..." with what keeps it from such work as it is set up now, "" where nothing does."""


def has_room(requirement: Requirement, seat: Seat) -> bool:
    """Whether the client has the CPUs free."""
    return seat.cpus_free >= cpus_wanted(requirement, seat)


def _lacks_room(requirement: Requirement, seat: Seat) -> str:
    if has_room(requirement, seat):
        return ""
    return (
        f"has {max(seat.cpus_free, 0)} of {seat.facts.cpus} CPUs free, the job needs {cpus_wanted(requirement, seat)}"
    )


def _may_share(requirement: Requirement, seat: Seat) -> str:
    return why_not_beside(requirement.sharing, seat.sharing, seat.live_runs)


FREE: tuple[Callable[[Requirement, Seat], str], ...] = (_lacks_room, _may_share)
"""Each completes "<client> ..." with what keeps an eligible client from such work at this moment."""


def _first(rules: Iterable[Callable[[Requirement, Seat], str]], requirement: Requirement, seat: Seat) -> str:
    for rule in rules:
        if sentence := rule(requirement, seat):
            return sentence
    return ""


def refusal(requirement: Requirement, seat: Seat) -> str:
    """Why this client can never run such work as it is set up now, "" where it can. Completes "<client> ..."."""
    return _first(ELIGIBLE, requirement, seat)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Work of one job that looks for a client. `blocked`: clients on which its root job failed too often (3.6);
    `avoid`: the client that gets it last (9.12)."""

    job_id: int
    requirement: Requirement
    blocked: Set[int] = frozenset()
    avoid: int | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What a live run takes up on its client."""

    client_id: int
    hostname: str
    cpus: int
    sharing: tuple[str, ...] = ()
    taken: tuple[tuple[str, int], ...] = ()


class Board:
    """The clients of one pass, and what is left of the counted resources.

    Every answer is what the rules above say of each client; which clients those are is found by `Shortlist`.
    """

    def __init__(self, seats: Iterable[Seat], stock: Stock | None = None):
        self.seats = list(seats)
        self.stock = stock or Stock({})
        self._by_id = {seat.client_id: seat for seat in self.seats}
        self._shortlist = Shortlist(self.seats)
        self._held: dict[int, set[int]] = {}
        for seat in self.seats:
            if seat.held_for is not None:
                self._held.setdefault(seat.held_for, set()).add(seat.client_id)

    def eligible(self, requirement: Requirement) -> Set[int]:
        """Ids of the clients that such work may ever go to as things are set up now."""
        return self._shortlist.eligible(requirement)

    def possible(self, wanted: Wanted) -> list[Seat]:
        """The clients that this work may ever go to as things stand, the oldest first."""
        return self._seats(self.eligible(wanted.requirement) - wanted.blocked)

    def obstacle(self, wanted: Wanted, seat: Seat) -> str:
        """What keeps an eligible client from this work at this moment: completes "<client> ...", "" for nothing."""
        if sentence := self.set_aside(wanted, seat):
            return sentence
        if sentence := _first(FREE, wanted.requirement, seat):
            return sentence
        lacking = self.stock.why_not(wanted.requirement.resources, seat.facts.hostname)
        return f"lacks {lacking}" if lacking else ""

    def set_aside(self, wanted: Wanted, seat: Seat) -> str:
        """What keeps an eligible client from this job, but not from others like it, as `obstacle` says it."""
        if seat.client_id in wanted.blocked:
            return "is blocked for this job: too much of it failed there"
        return "" if seat.held_for in (None, wanted.job_id) else f"is held for job {seat.held_for}"

    def ready(self, wanted: Wanted) -> Set[int]:
        """Ids of the eligible clients that nothing keeps from this work at this moment."""
        found = self._shortlist.free(wanted.requirement) - wanted.blocked
        for job_id, held in self._held.items():
            if job_id != wanted.job_id:
                found = found - held
        if found and wanted.requirement.resources:
            machines = self.stock.where(wanted.requirement.resources)
            if machines is not None:
                found = found & self._shortlist.on_hosts(machines)
        return found

    def queues(self, wanted: Wanted, seat: Seat) -> bool:
        """Whether the client would queue such work behind what it runs: only plain work, which needs nothing rare."""
        requirement = wanted.requirement
        return (
            seat.spare > 0
            and seat.held_for is None
            and SINGLE not in seat.sharing
            and not requirement.sharing
            and not requirement.resources
            and seat.client_id not in wanted.blocked
        )

    def choose(self, wanted: Wanted) -> Seat | None:
        """The client that gets the work, None where none can take it now.

        Free CPUs come first, then the least busy: fewest CPUs in use, then the lowest load, then the oldest client; the
        one to avoid comes last. Only when nobody has CPUs free is work queued behind other runs.
        """
        ready = self.ready(wanted)
        if ready:
            others = ready - {wanted.avoid} if wanted.avoid in ready and len(ready) > 1 else ready
            return self._by_id[min(others, key=self._shortlist.order)]
        spare = self._seats(self._shortlist.with_spare & self.eligible(wanted.requirement))
        queueing = [seat for seat in spare if self.queues(wanted, seat)]
        return min(queueing, key=lambda seat: (seat.client_id == wanted.avoid, -seat.spare), default=None)

    def choose_several(self, wanted: Wanted) -> list[Seat]:
        """The clients that a job for several gets together, best first; [] where there are too few of them now."""
        ready = self._seats(self.ready(wanted))
        ready.sort(key=lambda seat: (seat.held_for is None, *self._rank(wanted, seat)))
        return self._together(wanted.requirement, ready, wanted.requirement.max_hosts)

    def to_hold(self, wanted: Wanted) -> list[Seat]:
        """The clients that a job for several would wait for: those that are free, then those that are least busy, those
        it holds before others.

        [] where fewer could ever run it than it needs, and while resources are lacking: holding any would be idle.
        """
        requirement = wanted.requirement
        ready = self.ready(wanted)
        could = [seat for seat in self.possible(wanted) if seat.held_for in (None, wanted.job_id)]
        machines = self.stock.where(requirement.resources)
        if machines is not None:
            could = [seat for seat in could if seat.facts.hostname in machines]
        could.sort(
            key=lambda seat: (seat.client_id not in ready, seat.held_for is None, *self._rank(wanted, seat)),
        )
        return self._together(requirement, could, requirement.min_hosts)

    def hold(self, job_id: int, client_ids: Collection[int]) -> None:
        """Hold these clients for the job and no others; none: let go what it holds."""
        for client_id in self._held.pop(job_id, ()):
            self._by_id[client_id].held_for = None
        for client_id in client_ids:
            self._by_id[client_id].held_for = job_id
        if client_ids:
            self._held[job_id] = set(client_ids)

    def take(self, requirement: Requirement, seat: Seat, taken: Amounts) -> None:
        """Count the work onto the client it was given to, with what it takes of the resources."""
        wanted = cpus_wanted(requirement, seat)
        if seat.cpus_free < wanted:
            seat.spare -= 1
        seat.cpus_used += wanted
        seat.live_runs += 1
        seat.sharing.update(requirement.sharing)
        if seat.probed:
            seat.sharing.add(SINGLE)
        self.stock.take(taken, seat.facts.hostname)
        self._shortlist.update(seat)

    def give_back(self, holding: Holding) -> None:
        """Count off what a run takes up."""
        self._count_off(holding, -1)
        self.stock.give_back(holding.taken, holding.hostname)

    def keep(self, holding: Holding) -> None:
        """Count again what a run takes up that was given back in vain."""
        self._count_off(holding, 1)
        self.stock.take(holding.taken, holding.hostname)

    def _count_off(self, holding: Holding, sign: int) -> None:
        seat = self._by_id.get(holding.client_id)
        if seat is None:
            return
        seat.cpus_used += sign * holding.cpus
        seat.live_runs += sign
        # No two runs on a client have a sharing tag in common: with the run its tags come and go.
        if sign > 0:
            seat.sharing.update(holding.sharing)
        else:
            seat.sharing.difference_update(holding.sharing)
        self._shortlist.update(seat)

    def _seats(self, client_ids: Iterable[int]) -> list[Seat]:
        return [self._by_id[client_id] for client_id in sorted(client_ids)]

    def _rank(self, wanted: Wanted, seat: Seat) -> tuple[bool, float, float, int]:
        return seat.client_id == wanted.avoid, *self._shortlist.order(seat.client_id)

    def _together(self, requirement: Requirement, seats: list[Seat], most: int) -> list[Seat]:
        """The first of these that resources counted per machine suffice for together; [] for too few."""
        if requirement.resources:
            hostnames = [seat.facts.hostname for seat in seats]
            suffices = self.stock.machines_together(requirement.resources, hostnames)
            seats = [seat for seat, enough in zip(seats, suffices, strict=True) if enough]
        return seats[:most] if len(seats) >= requirement.min_hosts else []
