"""One run as the daemon holds it: how far it is, and what follows from that alone. Times are monotonic seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

from hqserver.domain.run import Stream

from .instructions import Instruction, Kill, Pause, Resume, Send
from .limits import Limits
from .pause_orders import PauseOrders
from .protocol import StartOrder
from .reports import Report, pause_report, refused_report, started_report
from .runs.kill_request import KillRequest

STARTED_DELAY_SECONDS = 0.05
"""A run that ends sooner is reported once, as ended: for short runs a beat of its own would cost more than
the run."""

KILL_MARGIN_SECONDS = 5.0
"""How much longer than its grace a run may take to die before the daemon takes over from the runner."""


class Status(IntEnum):
    """How far a run is, seen from the daemon; it only goes forward."""

    ACCEPTING = 0
    """Its order is on its way to the disk."""
    QUEUED = 1
    """It waits for CPUs."""
    STARTING = 2
    """The launcher has it."""
    RUNNING = 3
    """Its command has begun."""
    OVER = 4
    """Ended or refused; it is held until the server has the report."""


@dataclass
class Run:
    """One run the daemon holds. `cpus` are those it takes here, `since` is when its status began.

    `start_is_due` says that it has lasted long enough to be reported started, `start_known` that the server knows.

    `died_with_machine` says that it was alive when the machine went down.

    `kill` says why it is to end, `kill_ordered` that the server wants to hear of it; `force_at` is when the daemon
    takes over from a runner that does not manage to end it.
    """

    run: str
    job: int = 0
    cpus: int = 0
    kill_grace_seconds: float = 0.0
    order: StartOrder | None = None
    status: Status = Status.ACCEPTING
    since: float = 0.0
    start_is_due: bool = False
    start_known: bool = False
    unwanted: bool = False
    kill: KillRequest | None = None
    kill_ordered: bool = False
    force_at: float = math.inf
    report: Report | None = None
    report_is_kept: bool = False
    died_with_machine: bool = False
    pause: PauseOrders = field(default_factory=PauseOrders)

    @classmethod
    def of_order(cls, order: StartOrder, cpus: int, status: Status, since: float) -> Run:
        """The run of a start order that takes so many CPUs."""
        return cls(order.run, order.job, cpus, order.kill_grace_seconds, order, status, since)

    @property
    def limits(self) -> Limits:
        """What the run may use."""
        return Limits() if self.order is None else self.order.limits

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that have a log of their own."""
        return tuple(Stream) if self.order is not None and self.order.split_output else (Stream.STDOUT,)

    def ran_seconds(self, now: float) -> float:
        """How long its command has run, the time it was paused not counted."""
        return now - self.since - self.pause.seconds(now)

    def time_is_over_at(self) -> float:
        """When a running command that is not asked to end yet has used up its time; infinity for not as things are."""
        if self.status is not Status.RUNNING or self.kill is not None or self.pause.paused:
            return math.inf
        return self.limits.time_is_over_at(self.since + self.pause.ended_seconds)

    def refuse(self, reason: str, now: float) -> list[Instruction]:
        """It was never started and never will be."""
        self.status, self.since = Status.OVER, now
        self.report = refused_report(self.run, reason)
        return [Send(self.report)]

    def end(self, request: KillRequest, now: float) -> list[Instruction]:
        """It is to end, or not to begin. The first one who says so gives the reason."""
        if self.status is Status.OVER or self.kill is not None:
            return []
        self.kill = request
        if self.status is Status.ACCEPTING:
            return []  # `Work.kept` will see it
        if self.status is Status.QUEUED:
            return self.refuse(request.reason, now)
        self.pause.report = None  # it is woken to end
        self.force_at = now + self.kill_grace_seconds + KILL_MARGIN_SECONDS
        return [Kill(self.run, request)]

    def started_due_at(self) -> float:
        """When it is to be reported started; infinity when that is past, or far."""
        due = self.status is Status.RUNNING and not self.start_is_due
        return self.since + STARTED_DELAY_SECONDS if due else math.inf

    def report_due(self, now: float) -> Report | None:
        """What the server is to hear of it now."""
        if self.report is not None:
            return self.report if self.report_is_kept else None
        if self.status is not Status.RUNNING or self.unwanted:
            return None
        if self.start_known:
            return self.pause.report
        # What is paused has begun; the server hears it in this order.
        age_seconds = now - self.since
        due = self.pause.report is not None or age_seconds >= STARTED_DELAY_SECONDS
        return started_report(self.run, age_seconds) if due else None

    def carry_out_pause(self, now: float) -> list[Instruction]:
        """Stop it or let it go on, as is wanted; not before its command has begun, nor once it is to end."""
        if self.status is not Status.RUNNING or self.kill is not None:
            return []
        self.pause.begin(now)
        return [Pause(self.run) if self.pause.wanted else Resume(self.run)]

    def pause_carried_out(self, paused: bool, report_number: int, now: float) -> list[Instruction]:
        """It is stopped, or goes on. Reported with that number, unless something else is wanted by now."""
        if not self.pause.done(paused, now):
            return self.carry_out_pause(now)
        if self.kill is None:
            self.pause.report = pause_report(self.run, paused, report_number)
        return []
