"""Handing out work: one pass over the top of the queue (CONTRACT 3.4; DESIGN, Dispatch).

Work is grouped by what it requires: a requirement that fits no free client is looked at once, however many jobs have
it. The same function serves the scheduler's pass over all clients and the beat of one client that has just ended a run.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from hqserver.domain.job_filter import JobFilter
from hqserver.domain.placement import Board, Seat, Wanted, cpus_wanted
from hqserver.domain.requirement import Requirement, requirement_from
from hqserver.domain.runner import shorter_lease
from hqserver.domain.status import RunStatus, WorkStatus
from hqserver.services.farm import Farm
from hqserver.services.work.progression import claim, encode_resources
from hqserver.services.work.sheet import Sheet
from hqserver.store import runs, work
from hqserver.store.database import Transaction
from hqserver.store.queue import Queued, requirements_waiting, waiting_jobs
from hqserver.store.search_queue import for_runners

from .board import Blocked, holdings, open_board
from .job_queue import JobQueue
from .pieces import next_piece
from .rates import note_starts

_MOST_CLAIMS = 256


def dispatch_pass(farm: Farm) -> bool:
    """Hand out what can be handed out now; True where there may be more to do at once.

    One transaction, bounded in length, so that nobody waits long behind it.
    """
    with farm.database.read() as connection:
        if not _worth_a_pass(farm, connection):
            return False

    def write(transaction: Transaction) -> bool:
        with Sheet(farm, transaction) as sheet:
            _end_holds(farm, sheet)
            return _Pass(farm, sheet, open_board(farm, sheet.connection)).hand_out()

    return farm.database.write(write)


def hand_out_to(farm: Farm, sheet: Sheet, client_id: int) -> None:
    """Give one client what it can take, in the transaction in which it reported.

    Work that needs several clients, or that this one gets last, is left to the pass over all of them.
    """
    board = open_board(farm, sheet.connection, only=client_id)
    if any(_may_take(seat) for seat in board.seats):
        _Pass(farm, sheet, board, one_client=True).hand_out()


def has_work_for(farm: Farm, connection: sqlite3.Connection, client_id: int, wanted: JobFilter) -> bool:
    """Whether `claim_first` would give the runner something now: looked up without keeping any writer waiting."""
    return _first_for(farm, connection, open_board(farm, connection, only=client_id, asking=True), wanted) is not None


def claim_first(farm: Farm, sheet: Sheet, client_id: int, wanted: JobFilter, lease: int) -> runs.RunRow | None:
    """Give a runner that asks itself the first work of the queue that matches and that it may have, for `lease`
    seconds; None where it may have none.

    Work that needs several clients or has hooks is not for it, nor what lost clients hold: daemons see to those.
    """
    board = open_board(farm, sheet.connection, only=client_id, asking=True)
    found = _first_for(farm, sheet.connection, board, wanted)
    return None if found is None else _Pass(farm, sheet, board, one_client=True, lease=lease).give(*found)


def _first_for(
    farm: Farm, connection: sqlite3.Connection, board: Board, wanted: JobFilter
) -> tuple[work.WorkRow, Requirement, Seat] | None:
    """The first work that matches and that the one client of the board may have; what it failed, gave back or was
    taken from it only where there is no other (CONTRACT 9.12): or a runner would be given for ever what it gives back.
    """
    matching = for_runners(connection, wanted) if any(_may_take(seat) for seat in board.seats) else None
    if matching is None:
        return None
    queue, blocked = JobQueue(connection, matching), Blocked(farm, connection)
    for requirement_id, key in requirements_waiting(connection):
        requirement = requirement_from(key)
        if not requirement.several_hosts and _could_serve(board, requirement):
            queue.add(requirement_id, requirement)
    last = None
    for job, requirement, _ in queue:
        asks = Wanted(job.job_id, requirement, blocked.of(job.root_id))
        seat = board.choose(asks)
        if seat is None:
            queue.nobody_for(asks, job.root_id, only_it=True)
        elif item := work.first_free(connection, job.job_id, seat.client_id):
            return item, requirement, seat
        elif last is None and (item := work.first_free(connection, job.job_id)):
            last = item, requirement, seat
    return last


def _may_take(seat: Seat) -> bool:
    return seat.taking and (seat.cpus_free > 0 or seat.spare > 0)


def _worth_a_pass(farm: Farm, connection: sqlite3.Connection) -> bool:
    """Whether a pass could change anything: looked up without keeping any writer waiting."""
    if farm.holds.jobs():
        return True
    waiting = [requirement_from(key) for _, key in requirements_waiting(connection)]
    if not waiting:
        return False
    board = open_board(farm, connection)
    if any(_could_serve(board, requirement) for requirement in waiting):
        return True
    return any(_may_take(seat) for seat in board.seats) and bool(_jobs_of_lost(farm, connection))


def _could_serve(board: Board, requirement: Requirement) -> bool:
    """Whether a job that requires this may get something now. Where no job in particular would, none does."""
    if requirement.several_hosts:
        # It holds busy clients too, or smaller jobs would have them for ever.
        return len(board.eligible(requirement)) >= requirement.min_hosts
    return board.choose(Wanted(0, requirement)) is not None


def _jobs_of_lost(farm: Farm, connection: sqlite3.Connection) -> list[int]:
    """Jobs with runs on clients that are lost, or have not been heard since the server started."""
    silent = [each.row.id for each in farm.watch.every() if each.lost or not each.heard or each.row.removed]
    return runs.jobs_of_lost(connection, silent) if silent else []


def _end_holds(farm: Farm, sheet: Sheet) -> None:
    """Holds of jobs that do not wait any more are over, and so are those that led to nothing for too long (9.15)."""
    holding = farm.holds.jobs()
    waiting = {job.job_id for job, _, _ in waiting_jobs(sheet.connection, holding)} if holding else set()
    for job_id in holding:
        if job_id not in waiting:
            farm.holds.release(job_id)
    for job_id in farm.holds.expire(farm.clock.monotonic(), farm.policy.hold_timeout_seconds):
        minutes = farm.policy.hold_timeout_seconds / 60
        sheet.note(job_id, "hold ended", f"its clients did not come together within {minutes:g} minutes")


@dataclass(slots=True)
class _Pass:
    """One pass over the queue for the clients of `board`.

    `lease`: seconds for which work is given, fewer where its job says so; 0 for what its job says. `freed`: clients
    were let go after work that they could take may have been passed over.
    """

    farm: Farm
    sheet: Sheet
    board: Board
    one_client: bool = False
    lease: int = 0
    claimed: int = 0
    freed: bool = False
    blocked: Blocked = field(init=False)

    def __post_init__(self) -> None:
        self.blocked = Blocked(self.farm, self.sheet.connection)

    def hand_out(self) -> bool:
        """Claim work, highest priority first; whether another pass may find more at once."""
        queue = JobQueue(self.sheet.connection)
        for requirement_id, key in requirements_waiting(self.sheet.connection):
            requirement = requirement_from(key)
            if _could_serve(self.board, requirement) and not (self.one_client and requirement.several_hosts):
                queue.add(requirement_id, requirement)
        if not self.one_client:
            queue.add_alone({*self.farm.holds.jobs(), *_jobs_of_lost(self.farm, self.sheet.connection)})
        for job, requirement, alone in queue:
            if requirement.several_hosts:
                self._serve_several(queue, job, requirement)
            elif alone:
                self._take_over(job, requirement)
            else:
                self._serve(queue, job, requirement)
            if self.claimed >= _MOST_CLAIMS:
                break
        return self.freed or self.claimed >= _MOST_CLAIMS

    def _serve(self, queue: JobQueue, job: Queued, requirement: Requirement) -> None:
        """Give out a job's work, one client an item."""
        wanted = Wanted(job.job_id, requirement, self.blocked.of(job.root_id))
        row = self.sheet.job(job.job_id)
        while self.claimed < _MOST_CLAIMS:
            if row.max_concurrent and self.sheet.at_work(row) >= row.max_concurrent:
                return
            seat = self.board.choose(wanted)
            if seat is None:
                queue.nobody_for(wanted, job.root_id, only_it=_could_serve(self.board, requirement))
                return
            found = next_piece(self.sheet.connection, self.board, wanted, seat, one_client=self.one_client)
            if found is None:
                return
            item, seat = found
            self._claim(item, requirement, [seat])

    def give(self, item: work.WorkRow, requirement: Requirement, seat: Seat) -> runs.RunRow:
        """Give a work item to one client."""
        return self._claim(item, requirement, [seat])

    def _take_over(self, job: Queued, requirement: Requirement) -> None:
        """Give out a job's work whose clients are lost. What their runs take up is free for it, and for it alone."""
        for item in work.claimable(self.sheet.connection, job.job_id, _MOST_CLAIMS - self.claimed):
            with self._given_back(item) as claimed:
                wanted = Wanted(job.job_id, requirement, self.blocked.of(job.root_id), item.avoid_client_id)
                seat = self.board.choose(wanted)
                if seat is not None:
                    self._claim(item, requirement, [seat])
                    claimed.append(item)

    def _serve_several(self, queue: JobQueue, job: Queued, requirement: Requirement) -> None:
        """Start a job on several clients at once, or have it hold them until there are enough."""
        items = work.claimable(self.sheet.connection, job.job_id, 1)
        if not items:
            return
        wanted = Wanted(job.job_id, requirement, self.blocked.of(job.root_id), items[0].avoid_client_id)
        with self._given_back(items[0]) as claimed:
            if seats := self.board.choose_several(wanted):
                self._claim(items[0], requirement, seats)
                self._let_go(job.job_id)
                claimed.append(items[0])
                return
        if not self._hold(wanted):
            queue.nobody_for(wanted, job.root_id, only_it=bool(wanted.blocked))

    def _hold(self, wanted: Wanted) -> bool:
        """Have the job hold clients where it may; True where it rests, so that another like it may hold instead."""
        holds, monotonic, job_id = self.farm.holds, self.farm.clock.monotonic(), wanted.job_id
        possible = self.board.eligible(wanted.requirement) - wanted.blocked
        if len(possible) < wanted.requirement.min_hosts:
            self._let_go(job_id)
        elif holds.rests(job_id, monotonic):
            return True
        elif holds.may_hold(job_id, possible, monotonic) and (seats := self.board.to_hold(wanted)):
            client_ids = [seat.client_id for seat in seats]
            self.freed |= not set(client_ids).issuperset(holds.clients_of(job_id))
            if holds.hold(job_id, client_ids, possible, monotonic):
                labels = ", ".join(seat.label for seat in seats)
                self.sheet.note(job_id, "holding", f"{labels}, until {len(seats)} are free together")
            self.board.hold(job_id, client_ids)
        return False

    def _let_go(self, job_id: int) -> None:
        """The job holds nothing any more."""
        if self.farm.holds.clients_of(job_id):
            self.farm.holds.release(job_id)
            self.board.hold(job_id, ())
            self.freed = True

    @contextmanager
    def _given_back(self, item: work.WorkRow) -> Iterator[list[work.WorkRow]]:
        """What lost runs of the work item take up counts as free, and again as taken unless the item is claimed: then
        it stands in the list."""
        claimed: list[work.WorkRow] = []
        lost = holdings(self.farm, self.sheet.connection, item.id) if item.status is not WorkStatus.RUNNABLE else []
        for each in lost:
            self.board.give_back(each)
        yield claimed
        for each in lost if not claimed else ():
            self.board.keep(each)

    def _claim(self, item: work.WorkRow, requirement: Requirement, seats: Sequence[Seat]) -> runs.RunRow:
        """Give the work item to these clients; the run of the first."""
        claimed = [self._run(item, requirement, seat, slot) for slot, seat in enumerate(seats)]
        claim(self.sheet, item, claimed, [seat.label for seat in seats])
        note_starts(self.sheet, claimed[0].id, self.board.stock.start(requirement.resources))
        self.claimed += 1
        return claimed[0]

    def _run(self, item: work.WorkRow, requirement: Requirement, seat: Seat, slot: int) -> runs.RunRow:
        """A run for one client, with what it takes of the resources."""
        taken = self.board.stock.share(requirement.resources, first=slot == 0)
        run = runs.RunRow(
            id=secrets.token_hex(16),
            job_id=item.job_id,
            work_id=item.id,
            client_id=seat.client_id,
            cpus=cpus_wanted(requirement, seat),
            # Further clients run no command of ours: for them there is nothing to offer.
            status=RunStatus.OFFERED if slot == 0 else RunStatus.RUNNING,
            offered_at=self.sheet.now,
            started_at=None if slot == 0 else self.sheet.now,
            ended_at=None,
            slot=slot,
            sharing=",".join(requirement.sharing),
            resources=encode_resources(taken),
            lease=shorter_lease(self.lease, self.sheet.job(item.job_id).lease) if slot == 0 else 0,
        )
        self.board.take(requirement, seat, taken)
        return run
