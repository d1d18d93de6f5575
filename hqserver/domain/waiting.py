"""Why work waits, in one line that an artist understands: what attribute `waitingFor` says (CONTRACT 1.3, 10 Why).

Nothing is decided here: the sentences are those of the rules by which `placement` gives work out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from .placement import Board, Seat, Wanted, has_room, refusal
from .requirement import Requirement

ITS_TURN = "its turn"
"""What work waits for that nothing keeps from a client."""

_NAMED = 3
"""Of so many clients each is named; of more, only how many say the same."""

_PLURAL = {"is": "are", "has": "have", "does": "do", "takes": "take", "runs": "run", "lacks": "lack"}


def why_waiting(board: Board, wanted: Wanted) -> str:
    """What keeps the work from every client, `ITS_TURN` where nothing does."""
    requirement = wanted.requirement
    if not board.seats:
        return "no client is registered with the farm"
    if not board.eligible(requirement):
        return _nobody(requirement, board.seats)
    if requirement.min_hosts > 1:
        return _several(board, wanted)
    if board.choose(wanted) is not None:
        return ITS_TURN
    return _busy(board, wanted)


def _nobody(requirement: Requirement, seats: list[Seat]) -> str:
    refusals = {seat.label: refusal(requirement, seat) for seat in seats}
    told = _told(refusals)
    return told if len(refusals) == 1 else f"no client can run it: {told}"


def _several(board: Board, wanted: Wanted) -> str:
    requirement, possible = wanted.requirement, board.possible(wanted)
    if len(possible) < requirement.min_hosts:
        return f"{requirement.min_hosts} clients together, but only {len(possible)} can run it"
    if board.choose_several(wanted):
        return ITS_TURN
    if lacking := _lacking(board, requirement, possible):
        return lacking
    free = len(board.ready(wanted))
    if free >= requirement.min_hosts:  # each of them could have it, but not all of them together
        names = " and ".join(repr(name) for name, _ in requirement.resources)
        return f"{requirement.min_hosts} machines that can have {names} at once"
    return f"{requirement.min_hosts} clients together, of which {free or 'none'} {'is' if free == 1 else 'are'} free"


def _busy(board: Board, wanted: Wanted) -> str:
    """What keeps the work from the clients that can run it; those that all wait for the same are named together."""
    requirement = wanted.requirement
    seats = [seat for seat in board.seats if seat.client_id in board.eligible(requirement)]
    if lacking := _lacking(board, requirement, seats):
        return lacking
    aside = {seat.label: sentence for seat in seats if (sentence := board.set_aside(wanted, seat))}
    full = [seat.label for seat in seats if seat.label not in aside and not has_room(requirement, seat)]
    few = len(seats) <= _NAMED
    if len(full) == len(seats):
        where = ", ".join(full) if few else f"one of {len(full)} clients"
        return {
            0: f"all CPUs of {where}",
            1: f"free CPUs on {where}",
        }.get(requirement.cpus, f"{requirement.cpus} free CPUs on {where}")
    told = {} if few else dict.fromkeys(full, "has too few CPUs free")
    return _told({seat.label: told.get(seat.label) or board.obstacle(wanted, seat) for seat in seats})


def _lacking(board: Board, requirement: Requirement, seats: Iterable[Seat]) -> str:
    """The resource that no client could get now; "" where one could."""
    machines = board.stock.where(requirement.resources)
    if machines is None or any(seat.facts.hostname in machines for seat in seats):
        return ""
    return board.stock.why_not(requirement.resources, "")


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
