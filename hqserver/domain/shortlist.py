"""Clients by what work asks of them, so that a pass costs by the number of requirements and not by clients times those.

It answers by set arithmetic what the rules of `placement` say of one client; the tests hold the two together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set
from typing import Protocol

from .conditions import ClientFacts, words_of
from .requirement import Requirement
from .tags import SINGLE


class Place(Protocol):
    """What is asked of a client here; `placement.Seat` is one."""

    client_id: int
    facts: ClientFacts
    cpus_used: int
    live_runs: int
    spare: int
    load: float
    taking: bool
    sharing: set[str]


class Shortlist:
    """The clients of one pass by what their rules compare. `update` follows what changes while work is given out."""

    def __init__(self, places: Iterable[Place]):
        self._places = {place.client_id: place for place in places}
        self._taking = frozenset(client_id for client_id, place in self._places.items() if place.taking)
        self._by_word: dict[str, dict[str | float, set[int]]] = {}
        self._by_host: dict[str, set[int]] = defaultdict(set)
        self._eligible: dict[Requirement, Set[int]] = {}
        self._room: dict[int, set[int]] = {}
        self._tagged: dict[str, set[int]] = defaultdict(set)
        self._at_work: set[int] = set()
        self._order: dict[int, tuple[float, float, int]] = {}
        self.with_spare: set[int] = set()
        """Clients that would queue more."""
        for place in self._places.values():
            self._by_host[place.facts.hostname].add(place.client_id)
            self.update(place)

    def update(self, place: Place) -> None:
        """What a client runs has changed."""
        client_id = place.client_id
        for cpus, having in self._room.items():
            _keep(having, client_id, _has_room(place, cpus))
        for tag in self._tagged.keys() | place.sharing:
            _keep(self._tagged[tag], client_id, tag in place.sharing)
        _keep(self._at_work, client_id, place.live_runs > 0)
        _keep(self.with_spare, client_id, place.spare > 0)
        self._order[client_id] = (place.cpus_used / max(place.facts.cpus, 1), place.load, client_id)

    def order(self, client_id: int) -> tuple[float, float, int]:
        """Clients with the lowest get work first: fewest CPUs in use, then the lowest load, then the oldest client."""
        return self._order[client_id]

    def eligible(self, requirement: Requirement) -> Set[int]:
        """Those that can ever run such work as things are set up now."""
        found = self._eligible.get(requirement)
        if found is None:
            found = self._taking
            if requirement.platforms:
                found &= frozenset().union(*(self._words("os").get(each, ()) for each in requirement.platforms))
            if requirement.cpus > 1:
                large = [cpus for cpus in self._words("cpus") if float(cpus) >= requirement.cpus]
                found &= frozenset().union(*(self._words("cpus")[cpus] for cpus in large))
            for condition in requirement.conditions:
                found = frozenset(condition.passing(self._words(condition.name), found))
            self._eligible[requirement] = found
        return found

    def on_hosts(self, hostnames: Iterable[str]) -> Set[int]:
        """Those that run on these machines."""
        return frozenset().union(*(self._by_host.get(each, ()) for each in hostnames))

    def free(self, requirement: Requirement) -> Set[int]:
        """Those of the eligible that have the CPUs now and run nothing that will not share with such work."""
        having = self._room.get(requirement.cpus)
        if having is None:
            having = {each for each, place in self._places.items() if _has_room(place, requirement.cpus)}
            self._room[requirement.cpus] = having
        found = self.eligible(requirement) & having
        if found and self._tagged:
            for tag in {SINGLE, *requirement.sharing} & self._tagged.keys():
                found -= self._tagged[tag]
        return found - self._at_work if SINGLE in requirement.sharing else found

    def _words(self, name: str) -> dict[str | float, set[int]]:
        found = self._by_word.get(name)
        if found is None:
            found = self._by_word[name] = defaultdict(set)
            for client_id, place in self._places.items():
                for word in words_of(place.facts, name):
                    found[word].add(client_id)
        return found


def _has_room(place: Place, cpus: int) -> bool:
    return place.facts.cpus - place.cpus_used >= (cpus or place.facts.cpus)


def _keep(members: set[int], client_id: int, wanted: bool) -> None:
    if wanted:
        members.add(client_id)
    else:
        members.discard(client_id)
