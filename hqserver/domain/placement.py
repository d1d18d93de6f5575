"""Given runnable work and free clients: who gets what, and why not the others (CONTRACT 3.4).

The same predicates serve the dispatch pass and the answer to "why does it wait?": one definition, two readers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .platforms import platform_key
from .requirement import Requirement


@dataclass(slots=True)
class Seat:
    """A client as placement sees it. `cpus_used` and `spare` change while a pass hands out work.

    `spare`: how many runs it is willing to queue beyond its free CPUs (PROTOCOL.md). `taking`: whether it takes new
    work at all; where it does not, `why_not` says why.
    """

    client_id: int
    label: str
    platform: str
    cpus: int
    cpus_used: int
    live_runs: int
    spare: int
    load: float
    taking: bool
    why_not: str = ""

    @property
    def cpus_free(self) -> int:
        return self.cpus - self.cpus_used


def cpus_wanted(requirement: Requirement, seat: Seat) -> int:
    """CPUs the requirement takes on this client: `cpus` 0 means all of the machine's (CONTRACT 9.5)."""
    return requirement.cpus or seat.cpus


def refusal(requirement: Requirement, seat: Seat) -> str:
    """Why this client can never run such work as it is configured now, "" where it can."""
    if not seat.taking:
        return f"{seat.label} {seat.why_not}"
    if requirement.platforms and platform_key(seat.platform) not in requirement.platforms:
        return f"{seat.label} is {seat.platform} and the job has a command for {', '.join(requirement.platforms)} only"
    if requirement.cpus > seat.cpus:
        return f"{seat.label} has {seat.cpus} CPUs, the job needs {requirement.cpus}"
    return ""


def fits(requirement: Requirement, seat: Seat) -> bool:
    """Whether the client can take such work now: eligible and enough CPUs free."""
    return not refusal(requirement, seat) and seat.cpus_free >= cpus_wanted(requirement, seat)


def fits_queued(requirement: Requirement, seat: Seat) -> bool:
    """Whether the client would queue such work behind what it runs."""
    return seat.spare > 0 and not refusal(requirement, seat)


def choose(requirement: Requirement, seats: Iterable[Seat]) -> Seat | None:
    """The client that gets the work, None where none can take it now.

    Free CPUs come first, then the least busy: fewest CPUs in use, then the lowest load, then the oldest client. Only
    when nobody has CPUs free is work queued behind other runs.
    """
    free: Seat | None = None
    queue: Seat | None = None
    for seat in seats:
        if fits(requirement, seat):
            if free is None or _busyness(seat) < _busyness(free):
                free = seat
        elif fits_queued(requirement, seat) and (queue is None or seat.spare > queue.spare):
            queue = seat
    return free or queue


def _busyness(seat: Seat) -> tuple[float, float, int]:
    return seat.cpus_used / max(seat.cpus, 1), seat.load, seat.client_id


def take(requirement: Requirement, seat: Seat) -> None:
    """Count the work onto the client it was given to."""
    wanted = cpus_wanted(requirement, seat)
    if seat.cpus_free < wanted:
        seat.spare -= 1
    seat.cpus_used += wanted
    seat.live_runs += 1


def why_waiting(requirement: Requirement, seats: Iterable[Seat]) -> str:
    """The one-line reason for `waitingFor`: what keeps the work from every client (CONTRACT 1.3)."""
    seats = list(seats)
    if not seats:
        return "no client is registered with the farm"
    refusals = [refusal(requirement, seat) for seat in seats]
    if all(refusals):
        return (
            refusals[0]
            if len(refusals) == 1
            else f"no client can run it: {'; '.join(refusals[:3])}"
            + (f"; and {len(refusals) - 3} more" if len(refusals) > 3 else "")
        )
    eligible = [seat for seat, no in zip(seats, refusals, strict=True) if not no]
    if not any(fits(requirement, seat) for seat in eligible):
        names = ", ".join(seat.label for seat in eligible[:3]) + (", ..." if len(eligible) > 3 else "")
        return f"free CPUs on {names}"
    return "its turn"
