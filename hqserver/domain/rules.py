"""What must hold of a client before it gets work: the one list that dispatch and "why?" both read (CONTRACT 3.4, 10).

A rule knows four things, side by side so that they stay the same: what keeps one client from work, in half a sentence;
the clients that it lets through, by set arithmetic, for a pass over hundreds of them; and, for who asks why, what is
wanted, what was found and what would change it. The tests hold them together.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from .conditions import ClientFacts, Condition
from .platforms import platform_key
from .reason import Reason
from .requirement import Requirement
from .resources import Stock
from .runner import offered
from .seat import Seat, Wanted, cpus_wanted, has_room, would_queue
from .shortlist import Shortlist
from .tags import SINGLE, why_not_beside


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement.

    `unmet` completes "<client> ..." with what keeps it from the work, "" where nothing does; `passing` are those of
    these clients that it keeps nothing from; `told` says the same of one client to people, nothing where the work does
    not ask for such a thing.
    """

    unmet: Callable[[Wanted, Seat, Stock], str]
    passing: Callable[[Wanted, Set[int], Shortlist, Stock], Set[int]]
    told: Callable[[Wanted, Seat, Stock], Iterable[Reason]]


# As things are set up ------------------------------------------------------------------------------------------------


def _standing_unmet(wanted: Wanted, seat: Seat, stock: Stock) -> str:
    return "" if seat.taking else seat.why_not


def _standing_passing(wanted: Wanted, among: Set[int], clients: Shortlist, stock: Stock) -> Set[int]:
    # The first to be asked: everybody need not be copied for each requirement.
    return clients.taking if among is clients.everybody else among & clients.taking


def _standing_told(wanted: Wanted, seat: Seat, stock: Stock) -> Iterable[Reason]:
    return seat.standing or [Reason("standing", "taking new work", seat.why_not or "taking new work", seat.taking)]


def _platform_unmet(wanted: Wanted, seat: Seat, stock: Stock) -> str:
    platforms = wanted.requirement.platforms
    if not platforms or platform_key(seat.facts.platform) in platforms:
        return ""
    return f"is {seat.facts.platform} and the job has a command for {', '.join(platforms)} only"


def _platform_passing(wanted: Wanted, among: Set[int], clients: Shortlist, stock: Stock) -> Set[int]:
    platforms = wanted.requirement.platforms
    if not platforms:
        return among
    by_word = clients.words("os")
    return among & frozenset().union(*(by_word.get(each, ()) for each in platforms))


def _platform_told(wanted: Wanted, seat: Seat, stock: Stock) -> Iterable[Reason]:
    if platforms := wanted.requirement.platforms:
        remedy = f"give it a command for {platform_key(seat.facts.platform)} too: {_modify(wanted, 'command=...')}"
        asked = " or ".join(platforms)
        yield _reason("platform", asked, seat.facts.platform, not _platform_unmet(wanted, seat, stock), remedy)


def _cpus_unmet(wanted: Wanted, seat: Seat, stock: Stock) -> str:
    if wanted.requirement.cpus <= seat.facts.cpus:
        return ""
    return f"has {seat.facts.cpus} CPUs, the job needs {wanted.requirement.cpus}"


def _cpus_passing(wanted: Wanted, among: Set[int], clients: Shortlist, stock: Stock) -> Set[int]:
    cpus = wanted.requirement.cpus
    if cpus <= 1:
        return among
    by_number = clients.words("cpus")
    return among & frozenset().union(*(having for number, having in by_number.items() if float(number) >= cpus))


def _cpus_shown(facts: ClientFacts) -> str:
    return str(offered(facts.cpus) or "it did not say how many")


def _cpus_told(wanted: Wanted, seat: Seat, stock: Stock) -> Iterable[Reason]:
    asked = str(wanted.requirement.cpus or "all of its client")
    remedy = f"let it ask for {seat.facts.cpus} or fewer: {_modify(wanted, f'cpus={seat.facts.cpus}')}"
    yield _reason("cpus", asked, _cpus_shown(seat.facts), not _cpus_unmet(wanted, seat, stock), remedy)


def _conditions_unmet(wanted: Wanted, seat: Seat, stock: Stock) -> str:
    failed = [str(each) for each in wanted.requirement.conditions if not each.holds(seat.facts)]
    return f"does not meet {' and '.join(failed)}" if failed else ""


def _conditions_passing(wanted: Wanted, among: Set[int], clients: Shortlist, stock: Stock) -> Set[int]:
    for condition in wanted.requirement.conditions:
        among = condition.passing(clients.words(condition.name), among)
    return among


def _conditions_told(wanted: Wanted, seat: Seat, stock: Stock) -> Iterable[Reason]:
    for condition in wanted.requirement.conditions:
        remedy = _condition_remedy(wanted.job_id, condition, seat.facts)
        found = _SHOWN[condition.name](seat.facts)
        yield _reason("conditions", str(condition), found, condition.holds(seat.facts), remedy)


_SHOWN: dict[str, Callable[[ClientFacts], str]] = {
    "hostname": lambda facts: facts.label,
    "hostname:name": lambda facts: facts.label,
    "group": lambda facts: ", ".join(sorted(facts.groups)) or "in no group",
    "os": lambda facts: platform_key(facts.platform),
    "platform": lambda facts: facts.platform,
    "memory": lambda facts: f"{facts.memory} kB",
    "cpus": _cpus_shown,
}


def _condition_remedy(job_id: int, condition: Condition, facts: ClientFacts) -> str:
    if condition.name.startswith("hostname"):
        return f"permit it, in place of all its conditions: hq permit {job_id} {facts.label} (savePermittedClientsList)"
    if condition.name == "group":
        return "put it into such a group, or take it out: hq group add, remove (addClientToGroup)"
    return f"change its conditions: hq modify {job_id} --set conditions=... (modifyJobs)"


# At this moment ------------------------------------------------------------------------------------------------------


def _failures_unmet(wanted: Wanted, seat: Seat, stock: Stock) -> str:
    return "is blocked for this job: too much of it failed there" if seat.client_id in wanted.blocked else ""


def _failures_passing(wanted: Wanted, among: Set[int], clients: Shortlist, stock: Stock) -> Set[int]:
    return among - wanted.blocked if wanted.blocked else among


def _failures_told(wanted: Wanted, seat: Seat, stock: Stock) -> Iterable[Reason]:
    if seat.client_id in wanted.blocked:
        remedy = "mend what fails there; when the job has ended, hq retry (rescheduleJobs) lets every client try again"
        yield Reason("failures", "not blocked for its root job", "blocked: too much failed there", False, remedy)


def _hold_unmet(wanted: Wanted, seat: Seat, stock: Stock) -> str:
    return "" if seat.held_for in (None, wanted.job_id) else f"is held for job {seat.held_for}"


def _hold_passing(wanted: Wanted, among: Set[int], clients: Shortlist, stock: Stock) -> Set[int]:
    for job_id, held in clients.held.items():
        if job_id != wanted.job_id:
            among = among - held
    return among


def _hold_told(wanted: Wanted, seat: Seat, stock: Stock) -> Iterable[Reason]:
    if seat.held_for is not None:
        remedy = f"job {seat.held_for} starts or its hold ends by itself; or hq cancel {seat.held_for} (cancelJobs)"
        holds = not _hold_unmet(wanted, seat, stock)
        yield _reason("hold", "held for no other job", f"held for job {seat.held_for}", holds, remedy)


def _room_unmet(wanted: Wanted, seat: Seat, stock: Stock) -> str:
    if has_room(wanted.requirement.cpus, seat):
        return ""
    needed = cpus_wanted(wanted.requirement, seat)
    if not offered(seat.facts.cpus):
        return "runs something, and one of the two jobs needs the whole machine"
    return f"has {max(seat.cpus_free, 0)} of {seat.facts.cpus} CPUs free, the job needs {needed}"


def _room_passing(wanted: Wanted, among: Set[int], clients: Shortlist, stock: Stock) -> Set[int]:
    return among & clients.with_room(wanted.requirement.cpus)


def _room_told(wanted: Wanted, seat: Seat, stock: Stock) -> Iterable[Reason]:
    if _cpus_unmet(wanted, seat, stock):
        return  # it has too few, free or not
    counted = offered(seat.facts.cpus)
    found = f"{max(seat.cpus_free, 0)} of {counted}" if counted else _cpus_shown(seat.facts)
    asked = str(wanted.requirement.cpus or "all of its client")
    if would_queue(wanted, seat) and not has_room(wanted.requirement.cpus, seat):
        yield Reason("freeCpus", asked, f"{found}, but it queues work behind what it runs", True)
        return
    fewer = f", or it asks for fewer: {_modify(wanted, 'cpus=...')}" if wanted.requirement.cpus != 1 else ""
    remedy = f"what runs there ends{fewer}"
    yield _reason("freeCpus", asked, found, not _room_unmet(wanted, seat, stock), remedy)


def _tags_unmet(wanted: Wanted, seat: Seat, stock: Stock) -> str:
    return why_not_beside(wanted.requirement.sharing, seat.sharing, seat.live_runs)


def _tags_passing(wanted: Wanted, among: Set[int], clients: Shortlist, stock: Stock) -> Set[int]:
    sharing = wanted.requirement.sharing
    if clients.tagged:
        for tag in {SINGLE, *sharing} & clients.tagged.keys():
            among = among - clients.tagged[tag]
    return among - clients.at_work if SINGLE in sharing else among


def _tags_told(wanted: Wanted, seat: Seat, stock: Stock) -> Iterable[Reason]:
    sharing = wanted.requirement.sharing
    if sharing or seat.sharing:
        unmet = _tags_unmet(wanted, seat, stock)
        asked = f"a machine to share as {', '.join(sharing)}" if sharing else "a machine to share"
        remedy = f"what runs there ends, or it has other tags: {_modify(wanted, 'tags=...')}"
        yield _reason("tags", asked, unmet or "nothing against it", not unmet, remedy)


def _resources_unmet(wanted: Wanted, seat: Seat, stock: Stock) -> str:
    lacking = stock.why_not(wanted.requirement.resources, seat.facts.hostname)
    return f"lacks {lacking}" if lacking else ""


def _resources_passing(wanted: Wanted, among: Set[int], clients: Shortlist, stock: Stock) -> Set[int]:
    machines = stock.where(wanted.requirement.resources) if wanted.requirement.resources else None
    return among if machines is None else among & clients.on_hosts(machines)


def _resources_told(wanted: Wanted, seat: Seat, stock: Stock) -> Iterable[Reason]:
    for name, amount in wanted.requirement.resources:
        lacking = stock.why_not([(name, amount)], seat.facts.hostname)
        yield _reason(
            "resources", f"{amount} {name}", lacking or "enough", not lacking, resource_remedy(name, amount, stock)
        )


def resource_remedy(name: str, amount: int, stock: Stock) -> str:
    """What would change that so much of a resource is lacking. Waiting helps only where the farm has so much."""
    more = f"there is more of it: hq resource set {shlex.quote(name)} N (setResource)"
    if not stock.ever([(name, amount)]):
        return more
    return f"{'some time goes by' if stock.is_rate(name) else 'what uses it ends'}, or {more}"


def _modify(wanted: Wanted, change: str) -> str:
    return f"hq modify {wanted.job_id} --set {change} (modifyJobs)"


def _reason(requirement: str, wanted: str, found: str, holds: bool, remedy: str) -> Reason:
    return Reason(requirement, wanted, found, holds, "" if holds else remedy)


# The list ------------------------------------------------------------------------------------------------------------

SUITS: tuple[Rule, ...] = (
    Rule(_platform_unmet, _platform_passing, _platform_told),
    Rule(_cpus_unmet, _cpus_passing, _cpus_told),
    Rule(_conditions_unmet, _conditions_passing, _conditions_told),
)
"""What the client is."""

ELIGIBLE: tuple[Rule, ...] = (Rule(_standing_unmet, _standing_passing, _standing_told), *SUITS)
"""Whether it may ever run the work as things are set up now. These ask about the requirement alone."""

SET_ASIDE: tuple[Rule, ...] = (
    Rule(_failures_unmet, _failures_passing, _failures_told),
    Rule(_hold_unmet, _hold_passing, _hold_told),
)
"""What keeps an eligible client from this job, but not from others like it."""

FREE: tuple[Rule, ...] = (
    *SET_ASIDE,
    Rule(_room_unmet, _room_passing, _room_told),
    Rule(_tags_unmet, _tags_passing, _tags_told),
    Rule(_resources_unmet, _resources_passing, _resources_told),
)
"""Whether an eligible client can run it at this moment."""

_NOTHING = Stock({})


def first_unmet(rules: Iterable[Rule], wanted: Wanted, seat: Seat, stock: Stock = _NOTHING) -> str:
    """What the first of these rules says that keeps the client from the work, "" where all let it through."""
    for rule in rules:
        if sentence := rule.unmet(wanted, seat, stock):
            return sentence
    return ""


def refusal(requirement: Requirement, seat: Seat) -> str:
    """Why this client can never run such work as it is set up now, "" where it can. Completes "<client> ..."."""
    return first_unmet(ELIGIBLE, Wanted(0, requirement), seat)


def suits(requirement: Requirement, seat: Seat) -> bool:
    """Whether this client could run such work if it only took new work."""
    return not first_unmet(SUITS, Wanted(0, requirement), seat)


def reasons(wanted: Wanted, seat: Seat, stock: Stock) -> list[Reason]:
    """Every requirement of the work towards this client, in the order in which they are asked.

    All of them hold where the client would get the work if there were no other.
    """
    return [reason for rule in (*ELIGIBLE, *FREE) for reason in rule.told(wanted, seat, stock)]
