"""Why work waits for clients, in one line that an artist understands and need by need (CONTRACT 1.3, 10 Why).

Nothing is decided here: the sentences are those of the rules by which `placement` gives work out. The line is what
attribute `waitingFor` says; it is the sentence of the first need that is not met.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .placement import Board, Seat, Wanted, refusal, suits
from .reason import Reason
from .requirement import Requirement
from .rules import resource_remedy
from .seat import has_room

ITS_TURN = "its turn"
"""What work waits for that nothing keeps from a client."""

_NAMED = 3
"""Of so many clients each is named; of more, only how many say the same."""

_PLURAL = {"is": "are", "has": "have", "does": "do", "takes": "take", "runs": "run", "lacks": "lack"}


@dataclass(frozen=True, slots=True)
class _Need:
    """What work needs of the farm as a whole. `unmet` says what it waits for, "" for nothing; it may rely on the needs
    before it. `wanted`, `found` and `remedy` are for who asks why."""

    name: str
    unmet: Callable[[Board, Wanted], str]
    wanted: Callable[[Board, Wanted], str]
    found: Callable[[Board, Wanted], str]
    remedy: Callable[[Board, Wanted], str]


def why_waiting(board: Board, wanted: Wanted) -> str:
    """What keeps the work from every client, `ITS_TURN` where nothing does."""
    for need in _NEEDS:
        if sentence := need.unmet(board, wanted):
            return sentence
    return ITS_TURN


def needs(board: Board, wanted: Wanted) -> Iterator[Reason]:
    """The needs one by one, up to the first that is not met: its sentence is that of `why_waiting`."""
    for need in _NEEDS:
        sentence = need.unmet(board, wanted)
        asked, found = need.wanted(board, wanted), need.found(board, wanted)
        if sentence:
            yield Reason(need.name, asked, found, False, need.remedy(board, wanted), sentence)
            return
        if asked:
            yield Reason(need.name, asked, found, True)


# A client at all -----------------------------------------------------------------------------------------------------


def _unregistered(board: Board, wanted: Wanted) -> str:
    return "" if board.seats else "no client is registered with the farm"


def _count_registered(board: Board, wanted: Wanted) -> str:
    return str(len(board.seats) or "none")


# Clients that could run it -------------------------------------------------------------------------------------------


def _incapable(board: Board, wanted: Wanted) -> str:
    requirement = wanted.requirement
    if not board.eligible(requirement):
        return _nobody(requirement, board.seats)
    if requirement.min_hosts > 1:
        possible = len(board.possible(wanted))
        return "" if possible >= requirement.min_hosts else _too_few(requirement, possible)
    return "" if board.eligible(requirement) - wanted.blocked else _blocked(board, wanted)


def _nobody(requirement: Requirement, seats: list[Seat]) -> str:
    refusals = {seat.label: refusal(requirement, seat) for seat in seats}
    told = _told(refusals)
    return told if len(refusals) == 1 else f"no client can run it: {told}"


def _too_few(requirement: Requirement, possible: int) -> str:
    return f"{requirement.min_hosts} clients together, but only {possible} can run it"


def _blocked(board: Board, wanted: Wanted) -> str:
    """Who is blocked for the job, and what keeps those from work that are not: it waits for one of them."""
    able = [seat for seat in board.seats if suits(wanted.requirement, seat)]
    return _told({seat.label: board.set_aside(wanted, seat) or refusal(wanted.requirement, seat) for seat in able})


def _capable_wanted(board: Board, wanted: Wanted) -> str:
    several = wanted.requirement.min_hosts
    return f"{several} clients that can run it" if several > 1 else "a client that can run it"


def _count_capable(board: Board, wanted: Wanted) -> str:
    return f"{len(board.possible(wanted)) or 'none'} of {len(board.seats)}, as they are set up now"


# Resources -----------------------------------------------------------------------------------------------------------


def _lacking(board: Board, wanted: Wanted) -> str:
    """The resource that no client could get now; "" where one could."""
    machines = board.stock.where(wanted.requirement.resources)
    if machines is None or any(seat.facts.hostname in machines for seat in board.possible(wanted)):
        return ""
    return board.stock.why_not(wanted.requirement.resources, "")


def _resources_wanted(board: Board, wanted: Wanted) -> str:
    return ", ".join(f"{amount} {name}" for name, amount in wanted.requirement.resources)


def _resource_remedy(board: Board, wanted: Wanted) -> str:
    short = (asked for asked in wanted.requirement.resources if board.stock.why_not([asked], ""))
    return resource_remedy(*next(short, ("NAME", 1)), board.stock)


# Clients that are free for it ----------------------------------------------------------------------------------------


def _busy(board: Board, wanted: Wanted) -> str:
    requirement = wanted.requirement
    if requirement.several_hosts:
        return "" if board.choose_several(wanted) else _apart(board, wanted)
    return "" if board.choose(wanted) is not None else _one_busy(board, wanted)


def _apart(board: Board, wanted: Wanted) -> str:
    requirement = wanted.requirement
    free = len(board.ready(wanted))
    if requirement.min_hosts == 1:
        return _one_busy(board, wanted)
    if free >= requirement.min_hosts:  # each of them could have it, but not all of them together
        names = " and ".join(repr(name) for name, _ in requirement.resources)
        return f"{requirement.min_hosts} machines that can have {names} at once"
    return f"{requirement.min_hosts} clients together, of which {free or 'none'} {'is' if free == 1 else 'are'} free"


def _one_busy(board: Board, wanted: Wanted) -> str:
    """What keeps the work from the clients that can run it; those that all wait for the same are named together."""
    requirement = wanted.requirement
    seats = [seat for seat in board.seats if seat.client_id in board.eligible(requirement)]
    aside = {seat.label: sentence for seat in seats if (sentence := board.set_aside(wanted, seat))}
    full = [seat.label for seat in seats if seat.label not in aside and not has_room(requirement.cpus, seat)]
    few = len(seats) <= _NAMED
    if len(full) == len(seats):
        where = ", ".join(full) if few else f"one of {len(full)} clients"
        return {
            0: f"all CPUs of {where}",
            1: f"free CPUs on {where}",
        }.get(requirement.cpus, f"{requirement.cpus} free CPUs on {where}")
    told = {} if few else dict.fromkeys(full, "has too few CPUs free")
    return _told({seat.label: told.get(seat.label) or board.obstacle(wanted, seat) for seat in seats})


def _free_wanted(board: Board, wanted: Wanted) -> str:
    several = wanted.requirement.min_hosts
    return f"{several} of them free together" if several > 1 else "one of them free"


def _count_free(board: Board, wanted: Wanted) -> str:
    return f"{len(board.in_order(wanted)) or 'none'} of {len(board.possible(wanted))}"


_NEEDS = (
    _Need(
        "registered",
        _unregistered,
        lambda board, wanted: "a client of the farm",
        _count_registered,
        lambda board, wanted: "start hqclient on a machine, with the address of this server",
    ),
    _Need(
        "clients",
        _incapable,
        _capable_wanted,
        _count_capable,
        lambda board, wanted: "change what keeps clients from it: their own reasons say what it is",
    ),
    _Need(
        "resources",
        _lacking,
        _resources_wanted,
        lambda board, wanted: _lacking(board, wanted) or "enough",
        _resource_remedy,
    ),
    _Need(
        "freeClients",
        _busy,
        _free_wanted,
        _count_free,
        lambda board, wanted: "what runs there ends",
    ),
)


# Many clients in few words -------------------------------------------------------------------------------------------


def _told(sentences: Mapping[str, str]) -> str:
    """What is to be said of each client, by its label: of a few by name, of many by how many it is true of."""
    if len(sentences) <= _NAMED:
        return "; ".join(f"{label} {sentence}" for label, sentence in sentences.items())
    groups = Counter(sentences.values())
    label_of = {sentence: label for label, sentence in sentences.items()}
    parts = [
        f"{label_of[sentence]} {sentence}" if count == 1 else f"{count} clients {_plural(sentence)}"
        for sentence, count in groups.most_common(_NAMED)
    ]
    more = len(sentences) - sum(count for _, count in groups.most_common(_NAMED))
    return "; ".join(parts) + (f"; and {more} more" if more else "")


def _plural(sentence: str) -> str:
    verb, _, rest = sentence.partition(" ")
    return f"{_PLURAL.get(verb, verb)} {rest}"
