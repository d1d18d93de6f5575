"""Clients by what the rules compare, so that a pass costs by the number of requirements and not by clients times those.

It only looks up; what is asked of whom is said in `rules`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Set

from .conditions import words_of
from .seat import Seat, has_room


class Shortlist:
    """The clients of one pass. `update` and `hold` follow what changes while work is given out."""

    def __init__(self, seats: Iterable[Seat]):
        self._seats = {seat.client_id: seat for seat in seats}
        self.everybody: frozenset[int] = frozenset(self._seats)
        self.taking = frozenset(client_id for client_id, seat in self._seats.items() if seat.taking)
        """Clients that take new work at all."""
        self._by_word: dict[str, dict[str | float, set[int]]] = {}
        self._by_host: dict[str, set[int]] = defaultdict(set)
        self._room: dict[int, set[int]] = {}
        self.tagged: dict[str, set[int]] = defaultdict(set)
        """Clients by the tags of what they run that limit sharing."""
        self.held: dict[int, set[int]] = {}
        """Clients by the job that they are held for."""
        self.at_work: set[int] = set()
        """Clients that run anything."""
        self.with_spare: set[int] = set()
        """Clients that would queue more."""
        self._order: dict[int, tuple[float, float, int]] = {}
        for seat in self._seats.values():
            self._by_host[seat.facts.hostname].add(seat.client_id)
            if seat.held_for is not None:
                self.held.setdefault(seat.held_for, set()).add(seat.client_id)
            self.update(seat)

    def update(self, seat: Seat) -> None:
        """What a client runs has changed."""
        client_id = seat.client_id
        for cpus, having in self._room.items():
            _keep(having, client_id, has_room(cpus, seat))
        for tag in self.tagged.keys() | seat.sharing:
            _keep(self.tagged[tag], client_id, tag in seat.sharing)
        _keep(self.at_work, client_id, seat.live_runs > 0)
        _keep(self.with_spare, client_id, seat.spare > 0)
        self._order[client_id] = (seat.cpus_used / max(seat.facts.cpus, 1), seat.load, client_id)

    def hold(self, job_id: int, client_ids: Collection[int]) -> None:
        """The job holds these clients and no others."""
        self.held.pop(job_id, None)
        if client_ids:
            self.held[job_id] = set(client_ids)

    def order(self, client_id: int) -> tuple[float, float, int]:
        """Clients with the lowest get work first: fewest CPUs in use, then the lowest load, then the oldest client."""
        return self._order[client_id]

    def words(self, name: str) -> Mapping[str | float, Set[int]]:
        """The clients of which each word is true that conditions called `name` compare."""
        found = self._by_word.get(name)
        if found is None:
            found = self._by_word[name] = defaultdict(set)
            for client_id, seat in self._seats.items():
                for word in words_of(seat.facts, name):
                    found[word].add(client_id)
        return found

    def on_hosts(self, hostnames: Iterable[str]) -> Set[int]:
        """Those that run on these machines."""
        return frozenset().union(*(self._by_host.get(each, ()) for each in hostnames))

    def with_room(self, cpus: int) -> Set[int]:
        """Those that have so many CPUs free; 0 means all that they have."""
        having = self._room.get(cpus)
        if having is None:
            having = {client_id for client_id, seat in self._seats.items() if has_room(cpus, seat)}
            self._room[cpus] = having
        return having


def _keep(members: set[int], client_id: int, wanted: bool) -> None:
    if wanted:
        members.add(client_id)
    else:
        members.discard(client_id)
