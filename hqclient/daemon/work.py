"""The daemon's decisions: events in, instructions out. No I/O, no clock: each method takes the time it
happens at.

A run goes through these statuses, always forward:

    ACCEPTING   its order is on its way to the disk
    QUEUED      it waits for CPUs
    STARTING    the launcher has it
    RUNNING     its command has begun
    OVER        ended or refused; it is held until the server has the report

`agent` carries the instructions out and tells what came of them. Times are monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from .instructions import Discard, ForceKill, Instruction, Keep, Kill, Launch, Orphan, Send
from .protocol import APPLIED, StartOrder
from .reports import Report, ended_report, refused_report, started_report
from .runs.runfolder import ExitRecord
from .spare import SpareGauge

STARTED_DELAY_SECONDS = 0.05
"""A run that ends sooner is reported once, as ended: for short runs a beat of its own would cost more than
the run."""
QUEUE_PATIENCE_SECONDS = 1.0
"""How long a run waits for CPUs before it is handed back, unless the queue moves."""
KILL_MARGIN_SECONDS = 5.0
"""How much longer than its grace a run may take to die before the daemon takes over from the runner."""
_SICK_SECONDS = 30.0
_REMEMBERED = 10_000
_NEVER = float("inf")


class Status(IntEnum):
    """Where a run is, seen from the daemon."""

    ACCEPTING = 0
    QUEUED = 1
    STARTING = 2
    RUNNING = 3
    OVER = 4


@dataclass
class Run:
    """One run the daemon holds. `cpus` are those it takes here, `since` is when its status began."""

    run: str
    job: int
    cpus: int
    kill_grace_seconds: float
    order: StartOrder | None
    status: Status = Status.ACCEPTING
    since: float = 0.0
    start_known: bool = False
    unwanted: bool = False
    kill_reason: str | None = None
    kill_ordered: bool = False
    force_at: float = _NEVER
    report: Report | None = None
    report_is_kept: bool = False


class Work:
    """Every run of one daemon, from order to settlement."""

    def __init__(self, cpus: int, seen: Iterable[str] = ()) -> None:
        """`cpus` are offered to jobs; `seen` are ids of earlier runs, none of which is ever started again."""
        self.cpus = cpus
        self.runs: dict[str, Run] = {}
        self.draining = False
        self.spare_gauge = SpareGauge(cpus)
        self._settled: deque[str] = deque(maxlen=_REMEMBERED)
        self._seen: set[str] = set()
        self._sick_until = -_NEVER
        for run in seen:
            self._remember(run)

    # What the server says

    def ordered(self, order: StartOrder, now: float) -> list[Instruction]:
        """A start order came, perhaps not for the first time."""
        if order.run in self.runs or order.run in self._seen:
            return []
        cpus = order.cpus or self.cpus
        run = Run(order.run, order.job, cpus, order.kill_grace_seconds, order, since=now)
        self.runs[order.run] = run
        if self.draining:
            return self._refuse(run, "the client is shutting down", now)
        if cpus > self.cpus:
            return self._refuse(run, f"it needs {cpus} CPUs, the client offers {self.cpus}", now)
        return [Keep(order)]

    def misordered(self, run_id: str, reason: str, now: float) -> list[Instruction]:
        """A start order came that cannot be carried out, or a kill order for a run that was never here."""
        if run_id in self.runs or run_id in self._seen:
            return []
        run = self.runs[run_id] = Run(run_id, 0, 0, 0.0, None, since=now)
        return self._refuse(run, reason, now)

    def kill_ordered(self, run_id: str, reason: str, now: float) -> list[Instruction]:
        """The server wants the run ended, perhaps not for the first time."""
        run = self.runs.get(run_id)
        if run is None and run_id in self._seen:
            # It ended, and the server waits to hear so.
            return self._refuse(
                self.runs.setdefault(run_id, Run(run_id, 0, 0, 0.0, None)), "nothing of it is left", now
            )
        if run is None:
            return self.misordered(run_id, "it was to end before its order had come", now)
        run.kill_ordered = run.kill_ordered or run.status is not Status.OVER
        return self._end(run, reason, now)

    def unwanted(self, run_id: str, now: float) -> list[Instruction]:
        """The server knows nothing of the run, or does not count it any more."""
        run = self.runs.get(run_id)
        if run is None or run.unwanted:
            return []
        run.unwanted = True
        if run.status is Status.OVER:
            return self._settle(run)
        if run.status is Status.QUEUED:
            self._drop(run)
            return [Discard(run_id)]
        return self._end(run, "the server does not count this run any more", now)

    def answered(self, report_id: str, verdict: str, now: float) -> list[Instruction]:
        """The server has said what it did with a report."""
        run_id, _, kind = report_id.partition(":")
        run = self.runs.get(run_id)
        if run is None:
            return []
        if kind == "started":
            run.start_known = True
            return [] if verdict == APPLIED or run.status is Status.OVER else self.unwanted(run_id, now)
        if run.report is None or run.report["id"] != report_id:
            return []
        run.unwanted = run.unwanted or verdict != APPLIED
        return self._settle(run)

    # What became of the instructions

    def kept(self, run_id: str, now: float) -> list[Instruction]:
        """The order is on disk."""
        run = self._in(run_id, Status.ACCEPTING)
        if run is None:
            return []
        if run.unwanted:
            self._drop(run)
            return [Discard(run_id)]
        if run.kill_reason is not None:
            return self._refuse(run, run.kill_reason, now)
        if self.draining:
            return self._refuse(run, "the client is shutting down", now)
        run.status, run.since = Status.QUEUED, now
        return self._start_what_fits(now)

    def not_kept(self, run_id: str, reason: str, now: float) -> list[Instruction]:
        """The order could not be written down, so the run must not be started."""
        run = self._in(run_id, Status.ACCEPTING)
        return [] if run is None else self._fall_sick(run, reason, now)

    def not_launched(self, run_id: str, reason: str, now: float) -> list[Instruction]:
        """The run could not be started, and it is certain that it never will be."""
        run = self._in(run_id, Status.STARTING)
        return [] if run is None else self._fall_sick(run, reason, now) + self._start_what_fits(now)

    def started(self, run_id: str, now: float) -> list[Instruction]:
        """The run's command has begun."""
        run = self._in(run_id, Status.STARTING)
        if run is not None:
            run.status, run.since = Status.RUNNING, now
        return []

    def ended(self, run_id: str, record: ExitRecord, now: float) -> list[Instruction]:
        """The run has ended, and nothing of it is alive."""
        run = self.runs.get(run_id)
        if run is None or run.status not in (Status.STARTING, Status.RUNNING):
            return []
        self.spare_gauge.ended(now - run.since, now)
        run.status, run.since, run.force_at = Status.OVER, now, _NEVER
        run.report = ended_report(run_id, record)
        # A kill is confirmed to whoever ordered it, though the run's result may not count any more.
        news = self._settle(run) if run.unwanted and not run.kill_ordered else [Send(run.report)]
        return [*news, *self._start_what_fits(now)]

    def report_kept(self, report_id: str) -> None:
        """The report is on disk and may be sent."""
        run = self.runs.get(report_id.partition(":")[0])
        if run is not None:
            run.report_is_kept = True

    # What the daemon finds at start, and its end

    def found_report(self, report: Report) -> None:
        """The outbox holds a report that the server has not acknowledged."""
        run = Run(str(report["run"]), 0, 0, 0.0, None, Status.OVER, report=report, report_is_kept=True)
        run.kill_ordered = bool(report.get("killed"))
        self.runs[run.run] = run

    def found_folder(self, order: StartOrder, age_seconds: float, now: float) -> None:
        """An earlier daemon started this run; `follow` it, and `ended` comes, perhaps at once."""
        cpus = order.cpus or self.cpus
        since = now - age_seconds
        self.runs[order.run] = Run(
            order.run, order.job, cpus, order.kill_grace_seconds, order, Status.RUNNING, since=since
        )

    def drain(self, now: float) -> list[Instruction]:
        """Take no new runs, and hand back those that wait."""
        self.draining = True
        waiting = [run for run in self.runs.values() if run.status is Status.QUEUED]
        return [step for run in waiting for step in self._refuse(run, "the client is shutting down", now)]

    def kill_all(self, reason: str, now: float) -> list[Instruction]:
        """End every run there is."""
        return [step for run in list(self.runs.values()) for step in self._end(run, reason, now)]

    # Time

    def tick(self, now: float) -> list[Instruction]:
        """Do what has fallen due; call it at `due_at`."""
        steps: list[Instruction] = []
        for run in list(self.runs.values()):
            if now >= run.force_at:
                run.force_at = now + KILL_MARGIN_SECONDS
                steps.append(ForceKill(run.run))
            elif run.status is Status.QUEUED and now >= self._hand_back_at(run):
                self.spare_gauge.handed_back(now)
                steps += self._refuse(run, "no CPU became free in time", now)
        return steps

    def due_at(self) -> float:
        """When `tick` wants to be called, or a started report becomes due; infinity for never."""
        due = _NEVER
        for run in self.runs.values():
            due = min(due, run.force_at)
            if run.status is Status.QUEUED:
                due = min(due, self._hand_back_at(run))
            elif run.status is Status.RUNNING and not run.start_known:
                due = min(due, run.since + STARTED_DELAY_SECONDS)
        return due

    # What a beat says

    def reports(self, now: float) -> list[Report]:
        """Every report that may be sent now, oldest run first."""
        found = []
        for run in self.runs.values():
            if run.report is not None and run.report_is_kept:
                found.append(run.report)
            elif run.status is Status.RUNNING and not run.start_known and not run.unwanted:
                age_seconds = now - run.since
                if age_seconds >= STARTED_DELAY_SECONDS:
                    found.append(started_report(run.run, age_seconds))
        return found

    def unreported(self, sent: Iterable[str]) -> list[str]:
        """The runs of which the server has heard nothing yet and hears nothing now; `sent` are the runs it
        does."""
        said = set(sent)
        return [run.run for run in self.runs.values() if not run.start_known and run.run not in said]

    def spare(self, now: float) -> int:
        """How many runs may wait here beyond those that have CPUs, those that wait already included."""
        busy = [(run.cpus, now - run.since) for run in self._active()]
        return 0 if self.draining else self.spare_gauge.spare(busy, now)

    def accepting(self, now: float) -> bool:
        """Whether new runs are welcome."""
        return not self.draining and now >= self._sick_until

    def waiting(self) -> int:
        """How many runs wait for CPUs."""
        return sum(run.status is Status.QUEUED for run in self.runs.values())

    def live(self) -> list[Run]:
        """The runs whose command runs, or is about to."""
        return list(self._active())

    # The parts

    def _active(self) -> Iterable[Run]:
        return (run for run in self.runs.values() if run.status in (Status.STARTING, Status.RUNNING))

    def _start_what_fits(self, now: float) -> list[Instruction]:
        """Start waiting runs in order; one that needs less may pass one that needs more than is free."""
        free = self.cpus - sum(run.cpus for run in self._active())
        steps: list[Instruction] = []
        for run in self.runs.values():
            if free <= 0:
                break
            if run.status is Status.QUEUED and run.cpus <= free and run.order is not None:
                run.status, run.since = Status.STARTING, now
                free -= run.cpus
                steps.append(Launch(run.order))
        return steps

    def _end(self, run: Run, reason: str, now: float) -> list[Instruction]:
        if run.status is Status.OVER or run.kill_reason is not None:
            return []
        run.kill_reason = reason
        if run.status is Status.ACCEPTING:
            return []  # `kept` will see it
        if run.status is Status.QUEUED:
            return self._refuse(run, reason, now)
        run.force_at = now + run.kill_grace_seconds + KILL_MARGIN_SECONDS
        return [Kill(run.run, reason)]

    def _refuse(self, run: Run, reason: str, now: float) -> list[Instruction]:
        run.status, run.since = Status.OVER, now
        run.report = refused_report(run.run, reason)
        return [Send(run.report)]

    def _fall_sick(self, run: Run, reason: str, now: float) -> list[Instruction]:
        """Refuse the run, and take no other for a while: it would come straight back and fail the same
        way."""
        self._sick_until = now + _SICK_SECONDS
        if run.unwanted:
            self._drop(run)
            return [Discard(run.run)]
        return self._refuse(run, reason, now)

    def _settle(self, run: Run) -> list[Instruction]:
        self._drop(run)
        ended = run.report is not None and run.report["kind"] == "ended"
        return [Orphan(run.run) if run.unwanted and ended and not run.kill_ordered else Discard(run.run)]

    def _drop(self, run: Run) -> None:
        del self.runs[run.run]
        self._remember(run.run)

    def _remember(self, run: str) -> None:
        if run in self._seen:
            return
        if len(self._settled) == _REMEMBERED:
            self._seen.discard(self._settled[0])
        self._settled.append(run)
        self._seen.add(run)

    def _in(self, run_id: str, status: Status) -> Run | None:
        run = self.runs.get(run_id)
        return run if run is not None and run.status is status else None

    def _hand_back_at(self, run: Run) -> float:
        return max(run.since + QUEUE_PATIENCE_SECONDS, self.spare_gauge.moves_until)
