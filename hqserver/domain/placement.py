"""Given runnable work and free clients: who gets what (CONTRACT 3.4).

What is asked of a client stands in `rules`. The same list serves the dispatch pass, the summary of `waiting` and the
whole answer to "why does it wait?": one definition, and all read it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set

from . import rules
from .reason import Reason
from .requirement import Requirement
from .resources import Amounts, Stock
from .rules import refusal, suits
from .seat import Holding, Seat, Wanted, cpus_wanted, would_queue
from .shortlist import Shortlist
from .tags import SINGLE

__all__ = ["Board", "Holding", "Seat", "Wanted", "cpus_wanted", "refusal", "suits"]


class Board:
    """The clients of one pass, and what is left of the counted resources.

    Every answer is what the rules say of each client; they find those clients by `Shortlist`.
    """

    def __init__(self, seats: Iterable[Seat], stock: Stock | None = None):
        self.seats = list(seats)
        self.stock = stock or Stock({})
        self._by_id = {seat.client_id: seat for seat in self.seats}
        self._shortlist = Shortlist(self.seats)
        self._eligible: dict[Requirement, Set[int]] = {}

    def eligible(self, requirement: Requirement) -> Set[int]:
        """Ids of the clients that such work may ever go to as things are set up now."""
        found = self._eligible.get(requirement)
        if found is None:
            found = self._passing(rules.ELIGIBLE, Wanted(0, requirement), self._shortlist.everybody)
            self._eligible[requirement] = found
        return found

    def ready(self, wanted: Wanted) -> Set[int]:
        """Ids of the eligible clients that nothing keeps from this work at this moment."""
        return self._passing(rules.FREE, wanted, self.eligible(wanted.requirement))

    def _passing(self, asked: tuple[rules.Rule, ...], wanted: Wanted, among: Set[int]) -> Set[int]:
        for rule in asked:
            if not among:
                break
            among = rule.passing(wanted, among, self._shortlist, self.stock)
        return among

    def possible(self, wanted: Wanted) -> list[Seat]:
        """The clients that this work may ever go to as things stand, the oldest first."""
        return self._seats(self.eligible(wanted.requirement) - wanted.blocked)

    def can_ever_serve(self, requirement: Requirement) -> bool:
        """Whether anything on the farm, as it is set up now, could run such work once it is free."""
        enough = len(self.eligible(requirement)) >= requirement.min_hosts
        return enough and self.stock.ever(requirement.resources)

    def obstacle(self, wanted: Wanted, seat: Seat) -> str:
        """What keeps an eligible client from this work at this moment: completes "<client> ...", "" for nothing."""
        return rules.first_unmet(rules.FREE, wanted, seat, self.stock)

    def set_aside(self, wanted: Wanted, seat: Seat) -> str:
        """What keeps an eligible client from this job, but not from others like it, as `obstacle` says it."""
        return rules.first_unmet(rules.SET_ASIDE, wanted, seat, self.stock)

    def reasons(self, wanted: Wanted, seat: Seat) -> list[Reason]:
        """Every requirement of this work towards the client; all hold for those of `in_order` and no others."""
        return rules.reasons(wanted, seat, self.stock)

    def choose(self, wanted: Wanted) -> Seat | None:
        """The client that gets the work, None where none can take it now.

        Free CPUs come first, then the least busy: fewest CPUs in use, then the lowest load, then the oldest client; the
        one to avoid comes last. Only when nobody has CPUs free is work queued behind other runs.
        """
        ready = self.ready(wanted)
        if ready:
            others = ready - {wanted.avoid} if wanted.avoid in ready and len(ready) > 1 else ready
            return self._by_id[min(others, key=self._shortlist.order)]
        return min(self._queueing(wanted), key=lambda seat: _queue_rank(wanted, seat), default=None)

    def in_order(self, wanted: Wanted) -> list[Seat]:
        """The clients that would take the work now, in the order in which they get it: `choose` is the first, and the
        next one is who it would be without that one. Of a job for several, all that it could start on."""
        ready = self.ready(wanted)
        seats = self._seats(ready)
        if wanted.requirement.several_hosts:
            return sorted(seats, key=lambda seat: self._rank_together(wanted, seat))
        seats.sort(key=lambda seat: self._rank(wanted, seat))
        queueing = (seat for seat in self._queueing(wanted) if seat.client_id not in ready)
        return seats + sorted(queueing, key=lambda seat: _queue_rank(wanted, seat))

    def _queueing(self, wanted: Wanted) -> list[Seat]:
        """The clients that would queue the work behind what they run."""
        with_spare = self._shortlist.with_spare
        if not with_spare:
            return []
        return [
            seat for seat in self._seats(with_spare & self.eligible(wanted.requirement)) if would_queue(wanted, seat)
        ]

    def choose_several(self, wanted: Wanted) -> list[Seat]:
        """The clients that a job for several gets together, best first; [] where there are too few of them now."""
        ready = sorted(self._seats(self.ready(wanted)), key=lambda seat: self._rank_together(wanted, seat))
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
        could.sort(key=lambda seat: (seat.client_id not in ready, *self._rank_together(wanted, seat)))
        return self._together(requirement, could, requirement.min_hosts)

    def hold(self, job_id: int, client_ids: Collection[int]) -> None:
        """Hold these clients for the job and no others; none: let go what it holds."""
        for client_id in self._shortlist.held.get(job_id, ()):
            self._by_id[client_id].held_for = None
        for client_id in client_ids:
            self._by_id[client_id].held_for = job_id
        self._shortlist.hold(job_id, client_ids)

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

    def _rank_together(self, wanted: Wanted, seat: Seat) -> tuple[bool, bool, float, float, int]:
        return seat.held_for is None, *self._rank(wanted, seat)

    def _together(self, requirement: Requirement, seats: list[Seat], most: int) -> list[Seat]:
        """The first of these that resources counted per machine suffice for together; [] for too few."""
        if requirement.resources:
            hostnames = [seat.facts.hostname for seat in seats]
            suffices = self.stock.machines_together(requirement.resources, hostnames)
            seats = [seat for seat, enough in zip(seats, suffices, strict=True) if enough]
        return seats[:most] if len(seats) >= requirement.min_hosts else []


def _queue_rank(wanted: Wanted, seat: Seat) -> tuple[bool, int]:
    """Work is queued where the most may be queued, on the client to avoid last."""
    return seat.client_id == wanted.avoid, -seat.spare
