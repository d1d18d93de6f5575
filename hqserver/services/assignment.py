"""Handing out work: one pass over the top of the queue (CONTRACT 3.4; DESIGN, Dispatch).

Work is grouped by what it requires: a requirement that fits no free client is looked at once, however many jobs have
it. The same function serves the scheduler's pass over all clients and the beat of one client that has just ended a run.
"""

from __future__ import annotations

import heapq
import secrets
import sqlite3
from collections.abc import Iterator

from hqserver.domain.placement import Seat, choose, cpus_wanted, take
from hqserver.domain.requirement import Requirement
from hqserver.domain.status import RunStatus
from hqserver.store import runs, work
from hqserver.store.database import Transaction
from hqserver.store.queue import jobs_in_order, requirements_waiting

from .farm import Farm
from .progression import claim
from .sheet import Sheet

_MOST_CLAIMS = 256


def dispatch_pass(farm: Farm) -> bool:
    """Hand out what can be handed out now; True where there may be more to do at once.

    One transaction, bounded in length, so that nobody waits long behind it.
    """
    with farm.database.read() as connection:
        if not any(requirements_waiting(connection)):
            return False
        seats = _seats(farm, connection)
        if not any(seat.taking and (seat.cpus_free > 0 or seat.spare > 0) for seat in seats):
            return False

    def write(transaction: Transaction) -> int:
        with Sheet(transaction, farm.clock.now()) as sheet:
            claimed = hand_out(sheet, _seats(farm, sheet.connection))
        for client_id in set(claimed):
            transaction.after_commit(lambda client_id=client_id: _announce(farm, client_id))  # type: ignore[misc]
        return len(claimed)

    return farm.database.write(write) == _MOST_CLAIMS


def hand_out_to(farm: Farm, sheet: Sheet, client_id: int) -> int:
    """Give one client what it can take, in the transaction in which it reported; how many runs it got."""
    return len(hand_out(sheet, _seats(farm, sheet.connection, only=client_id)))


def _seats(farm: Farm, connection: sqlite3.Connection, only: int | None = None) -> list[Seat]:
    occupied = runs.occupancy(connection, only)
    unconfirmed = runs.unconfirmed_clients(connection)
    return farm.watch.seats(farm.clock.monotonic(), occupied, unconfirmed, only)


def _announce(farm: Farm, client_id: int) -> None:
    presence = farm.watch.get(client_id)
    if presence is not None:
        presence.orders_waiting = True
        farm.wake(client_id)


def hand_out(sheet: Sheet, seats: list[Seat]) -> list[int]:
    """Claim work for these clients, highest priority first; ids of the clients, one an assignment."""
    claimed: list[int] = []
    open_seats = [seat for seat in seats if seat.taking]
    queue = _Queue(sheet.connection)
    for requirement_id, key in requirements_waiting(sheet.connection):
        requirement = Requirement.from_key(key)
        if choose(requirement, open_seats) is not None:
            queue.add(requirement_id, requirement)
    for job_id, requirement in queue:
        while len(claimed) < _MOST_CLAIMS:
            seat = choose(requirement, open_seats)
            if seat is None:
                queue.drop(requirement)
                break
            items = work.claimable(sheet.connection, job_id, 1)
            if not items:
                break
            run = runs.RunRow(
                id=secrets.token_hex(16),
                job_id=job_id,
                work_id=items[0].id,
                client_id=seat.client_id,
                cpus=cpus_wanted(requirement, seat),
                status=RunStatus.OFFERED,
                offered_at=sheet.now,
                started_at=None,
                ended_at=None,
                unconfirmed=0,
            )
            claim(sheet, items[0], run, seat.label)
            take(requirement, seat)
            claimed.append(seat.client_id)
        if len(claimed) >= _MOST_CLAIMS:
            break
    return claimed


class _Queue:
    """Jobs of several requirements in one order: priority, position, age. A requirement nobody can take is dropped."""

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection
        self._heads: list[tuple[int, int, int, int]] = []
        self._streams: dict[int, Iterator[tuple[int, int, int]]] = {}
        self._requirements: dict[int, Requirement] = {}

    def add(self, requirement_id: int, requirement: Requirement) -> None:
        self._requirements[requirement_id] = requirement
        self._streams[requirement_id] = jobs_in_order(self._connection, requirement_id, _MOST_CLAIMS)
        self._advance(requirement_id)

    def drop(self, requirement: Requirement) -> None:
        self._requirements = {each: known for each, known in self._requirements.items() if known != requirement}

    def _advance(self, requirement_id: int) -> None:
        head = next(self._streams[requirement_id], None)
        if head is not None:
            priority, position, job_id = head
            heapq.heappush(self._heads, (-priority, position, job_id, requirement_id))

    def __iter__(self) -> Iterator[tuple[int, Requirement]]:
        while self._heads:
            _, _, job_id, requirement_id = heapq.heappop(self._heads)
            requirement = self._requirements.get(requirement_id)
            if requirement is None:
                continue
            yield job_id, requirement
            self._advance(requirement_id)
