"""What placement looks at: clients as it sees them, work that looks for one, what live runs take up."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from .conditions import ClientFacts
from .reason import Reason
from .requirement import Requirement
from .tags import SINGLE


@dataclass(slots=True)
class Seat:
    """A client as placement sees it. What it runs changes while a pass hands out work.

    `spare`: how many runs it is willing to queue beyond its free CPUs (PROTOCOL.md). `taking`: whether it takes new
    work at all; where it does not, `why_not` says why. `sharing`: the tags of what it runs that limit sharing.
    `held_for`: the job that waits to have this client and others together. `standing`: each thing that `taking` asks,
    told only where somebody asks why.
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
    standing: tuple[Reason, ...] = ()

    @property
    def label(self) -> str:
        return self.facts.label

    @property
    def cpus_free(self) -> int:
        return self.facts.cpus - self.cpus_used


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


def cpus_wanted(requirement: Requirement, seat: Seat) -> int:
    """CPUs the requirement takes on this client: `cpus` 0 means all of the machine's (CONTRACT 9.5)."""
    return requirement.cpus or seat.facts.cpus


def has_room(cpus: int, seat: Seat) -> bool:
    """Whether the client has so many CPUs free; 0 means all of the machine's."""
    return seat.facts.cpus - seat.cpus_used >= (cpus or seat.facts.cpus)


def would_queue(wanted: Wanted, seat: Seat) -> bool:
    """Whether the client would queue such work behind what it runs: only plain work, which needs nothing rare."""
    requirement = wanted.requirement
    return (
        seat.spare > 0
        and seat.held_for is None
        and SINGLE not in seat.sharing
        and not requirement.sharing
        and not requirement.resources
        and not requirement.several_hosts
        and seat.client_id not in wanted.blocked
    )
