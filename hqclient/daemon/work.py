"""The daemon's decisions: events in, instructions out. No I/O, no clock: each method takes the time it
happens at, in monotonic seconds.

`execution` carries the instructions out and tells what came of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import count

from hqserver.domain.declining import Declining

from .cpu_queue import CpuQueue
from .held import KILL_MARGIN_SECONDS, Run, Status
from .instructions import Discard, ForceKill, Instruction, Keep, Launch, Orphan, Renew, Send
from .protocol import APPLIED, StartOrder
from .reports import ENDED, PAUSED, RESUMED, STARTED, Report, ended_report
from .runs.kill_request import KillRequest
from .runs.pauses import Pauses
from .runs.runfolder import ExitRecord
from .settled import SettledRuns
from .spare import SpareGauge

__all__ = ["Run", "Status", "Work"]

_SICK_SECONDS = 30.0


class Work:
    """Every run of one daemon, from order to settlement."""

    def __init__(self, cpus: int, seen: Iterable[str] = ()) -> None:
        """`cpus` are offered to jobs; `seen` are ids of earlier runs, none of which is ever started again."""
        self.cpus = cpus
        self.runs: dict[str, Run] = {}
        self.draining = False
        self.heard_at = -math.inf
        """When the last beat that was answered had been sent (`host_os.uptime_seconds`): leases count from then."""
        self.spare_gauge = SpareGauge(cpus)
        self.queue = CpuQueue(cpus, self.runs, self.spare_gauge)
        self._seen = SettledRuns(seen)
        self._sick_until = -math.inf
        self._pause_reports = count(1)

    # What the server says

    def ordered(self, order: StartOrder, now: float) -> list[Instruction]:
        """A start order came, perhaps not for the first time."""
        if order.run in self.runs or order.run in self._seen:
            return []
        run = self.runs[order.run] = Run.of_order(order, order.cpus or self.cpus, Status.ACCEPTING, now)
        if self.draining and not order.hook:
            return run.refuse("the client is shutting down", now)
        if run.cpus > self.cpus:
            return run.refuse(f"it needs {run.cpus} CPUs, the client offers {self.cpus}", now)
        return [Keep(order)]

    def misordered(self, run_id: str, reason: str, now: float) -> list[Instruction]:
        """A start order came that cannot be carried out."""
        return [] if run_id in self.runs or run_id in self._seen else self._deny(run_id, reason, now)

    def kill_ordered(self, run_id: str, reason: str, now: float) -> list[Instruction]:
        """The server wants the run ended, perhaps not for the first time."""
        run = self.runs.get(run_id)
        if run is None:
            return self._deny(run_id, "it was to end before its order had come", now)
        run.kill_ordered = run.kill_ordered or run.status is not Status.OVER
        return run.end(KillRequest(reason), now)

    def pause_ordered(self, run_id: str, now: float) -> list[Instruction]:
        """The server wants the run stopped in place, perhaps not for the first time. One that has not begun goes
        back to it instead."""
        reason = "paused before it started"
        run = self.runs.get(run_id)
        if run is None:
            return self._deny(run_id, reason, now)
        if run.status in (Status.ACCEPTING, Status.QUEUED):
            return run.end(KillRequest(reason), now)
        return run.carry_out_pause(now) if run.pause.ordered(True) else []

    def resume_ordered(self, run_id: str, now: float) -> list[Instruction]:
        """The server wants the run to go on, perhaps not for the first time."""
        run = self.runs.get(run_id)
        if run is None:
            return self._deny(run_id, "it was to go on before its order had come", now)
        return run.carry_out_pause(now) if run.pause.ordered(False) else []

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
        return run.end(KillRequest("the server does not count this run any more"), now)

    def answered(self, report_id: str, verdict: str, now: float) -> list[Instruction]:
        """The server has said what it did with a report."""
        run_id, kind, *_ = [*report_id.split(":"), ""]
        run = self.runs.get(run_id)
        if run is None:
            return []
        if kind in (STARTED, PAUSED, RESUMED):
            run.start_known = run.start_known or kind == STARTED
            run.pause.answered(report_id)
            return [] if verdict == APPLIED or run.status is Status.OVER else self.unwanted(run_id, now)
        if run.report is None or run.report["id"] != report_id:
            return []
        run.unwanted = run.unwanted or verdict != APPLIED
        return self._settle(run)

    def heard(self, sent_at: float) -> list[Instruction]:
        """The server has answered a beat that was sent then (`host_os.uptime_seconds`): every lease begins anew."""
        self.heard_at = sent_at
        leased = [run for run in self.live() if run.limits.lease_seconds and run.kill is None]
        return [Renew(run.run, run.limits.lease_end(sent_at)) for run in leased]

    # What became of the instructions

    def kept(self, run_id: str, now: float) -> list[Instruction]:
        """The order is on disk."""
        run = self._in(run_id, Status.ACCEPTING)
        if run is None:
            return []
        if run.unwanted:
            self._drop(run)
            return [Discard(run_id)]
        if run.kill is not None:
            return run.refuse(run.kill.reason, now)
        if self.draining and not (run.order and run.order.hook):
            return run.refuse("the client is shutting down", now)
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
        if run is None:
            return []
        run.status, run.since = Status.RUNNING, now
        return run.carry_out_pause(now) if run.pause.wanted else []

    def paused(self, run_id: str, now: float) -> list[Instruction]:
        """Every process of the run is stopped, or the attempt is given up because it is to go on."""
        run = self._in(run_id, Status.RUNNING)
        return [] if run is None else run.pause_carried_out(True, next(self._pause_reports), now)

    def resumed(self, run_id: str, now: float) -> list[Instruction]:
        """Every process of the run goes on."""
        run = self._in(run_id, Status.RUNNING)
        return [] if run is None else run.pause_carried_out(False, next(self._pause_reports), now)

    def ended(self, run_id: str, record: ExitRecord, now: float) -> list[Instruction]:
        """The run has ended, and nothing of it is alive."""
        run = self.runs.get(run_id)
        if run is None or run.status not in (Status.STARTING, Status.RUNNING):
            return []
        self.spare_gauge.ended(run.ran_seconds(now), now)
        run.status, run.since, run.force_at = Status.OVER, now, math.inf
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
        run = Run(str(report["run"]), status=Status.OVER, report=report, report_is_kept=True)
        run.kill_ordered = bool(report.get("killed"))
        self.runs[run.run] = run

    def found_folder(self, order: StartOrder, age_seconds: float, pauses: Pauses, now: float) -> list[Instruction]:
        """An earlier daemon started this run; `follow` it, and `ended` comes, perhaps at once.

        One that it was pausing, or had paused, is paused whole, and that is reported.
        """
        run = Run.of_order(order, order.cpus or self.cpus, Status.RUNNING, now - age_seconds)
        run.pause.found(pauses.ended_seconds, None if pauses.since is None else now - pauses.since.age_seconds())
        self.runs[order.run] = run
        return run.carry_out_pause(now) if run.pause.wanted else []

    def drain(self, now: float) -> list[Instruction]:
        """Take no new runs, and hand back those that wait, but for hooks: they end what was begun here (9.13)."""
        self.draining = True
        waiting = [run for run in self.queue.waiting() if not (run.order and run.order.hook)]
        return [step for run in waiting for step in run.refuse("the client is shutting down", now)]

    def kill_all(self, reason: str, now: float) -> list[Instruction]:
        """End every run there is."""
        return [step for run in list(self.runs.values()) for step in run.end(KillRequest(reason), now)]

    def end_paused(self, reason: str, now: float) -> list[Instruction]:
        """End every run that is paused or about to be: HQueue's `terminate()` cancels those (CONTRACT 1.4)."""
        paused = [run for run in self.runs.values() if run.pause.wanted]
        return [step for run in paused for step in run.end(KillRequest(reason), now)]

    # Time

    def tick(self, now: float) -> list[Instruction]:
        """Do what has fallen due; call it at `due_at`."""
        steps: list[Instruction] = []
        for run in list(self.runs.values()):
            if now >= run.force_at:
                run.force_at = now + KILL_MARGIN_SECONDS
                steps.append(ForceKill(run.run))
            elif now >= run.time_is_over_at():
                steps += run.end(run.limits.time_is_over(), now)
            elif now >= run.started_due_at():
                run.start_is_due = True
            elif run.status is Status.QUEUED and now >= self.queue.hand_back_at(run):
                self.spare_gauge.handed_back(now)
                steps += run.refuse("no CPU became free in time", now)
        return steps

    def due_at(self) -> float:
        """When `tick` wants to be called, or a started report becomes due; infinity for never."""
        due = math.inf
        for run in self.runs.values():
            due = min(due, run.force_at, run.time_is_over_at(), run.started_due_at())
            if run.status is Status.QUEUED:
                due = min(due, self.queue.hand_back_at(run))
        return due

    # What a beat says

    def reports(self, now: float) -> list[Report]:
        """Every report that may be sent now, oldest run first."""
        return [report for run in self.runs.values() if (report := run.report_due(now)) is not None]

    def unreported(self, sent: Iterable[str]) -> list[str]:
        """The runs of which the server has heard nothing yet and hears nothing now; `sent` are the runs it
        does."""
        said = set(sent)
        return [run.run for run in self.runs.values() if not run.start_known and run.run not in said]

    def spare(self, now: float) -> int:
        """How many runs may wait here beyond those that have CPUs, those that wait already included."""
        return 0 if self.draining else self.queue.spare(now)

    def declining(self, now: float) -> Declining | None:
        """Why new runs are not welcome, None where they are."""
        if self.draining:
            return Declining.DRAINING
        return Declining.TROUBLE if now < self._sick_until else None

    def live(self) -> list[Run]:
        """The runs whose command runs, or is about to."""
        return list(self.queue.active())

    # The parts

    def _start_what_fits(self, now: float) -> list[Instruction]:
        steps: list[Instruction] = []
        for run in self.queue.next_to_start():
            if run.order is not None:
                run.status, run.since = Status.STARTING, now
                steps.append(Launch(run.order))
        return steps

    def _deny(self, run_id: str, reason: str, now: float) -> list[Instruction]:
        """Something is to be done with a run that is not here. It will not be: the server waits to hear so."""
        run = self.runs[run_id] = Run(run_id, since=now)
        return run.refuse("nothing of it is left" if run_id in self._seen else reason, now)

    def _fall_sick(self, run: Run, reason: str, now: float) -> list[Instruction]:
        """Refuse the run, and take no other for a while: it would come straight back and fail the same
        way."""
        self._sick_until = now + _SICK_SECONDS
        if run.unwanted:
            self._drop(run)
            return [Discard(run.run)]
        return run.refuse(reason, now)

    def _settle(self, run: Run) -> list[Instruction]:
        self._drop(run)
        ended = run.report is not None and run.report["kind"] == ENDED
        return [Orphan(run.run) if run.unwanted and ended and not run.kill_ordered else Discard(run.run)]

    def _drop(self, run: Run) -> None:
        del self.runs[run.run]
        self._seen.add(run.run)

    def _in(self, run_id: str, status: Status) -> Run | None:
        run = self.runs.get(run_id)
        return run if run is not None and run.status is status else None
