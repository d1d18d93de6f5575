"""What each beat says, and what its answer means (PROTOCOL.md, clientBeat)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from hqserver.domain.declining import Declining
from hqserver.domain.run import Stream

from .caution import Caution
from .host_os import utc_offset_minutes
from .instructions import Instruction
from .load import LoadSampler
from .protocol import (
    OFFSET_KEYS,
    Answer,
    BadOrder,
    ClientOrder,
    EndOrder,
    KillOrder,
    PauseOrder,
    Registration,
    RestartOrder,
    ResumeOrder,
    StartOrder,
    UpgradeOrder,
)
from .reports import ENDED, Report, for_wire, log_sizes
from .runs.runfolder import RunFolder
from .shipping import Live, Shipment, Shipping
from .work import Status, Work

_log = logging.getLogger(__name__)

_BUSY_SECONDS = 0.02


def _leave_out(order: ClientOrder) -> None:
    _log.warning("this client cannot do what the server wants of it: %s", order)


class Beats:
    """`BeatSource` over the daemon's work."""

    def __init__(
        self,
        work: Work,
        sampler: LoadSampler,
        folder: Callable[[str], RunFolder],
        do: Callable[[Iterable[Instruction]], None],
        minimum_disk: int,
        told: Callable[[ClientOrder], None] = _leave_out,
    ) -> None:
        """`folder` gives a run's folder, `do` carries instructions out, `minimum_disk` is in bytes.

        `told` hears what the server wants of the client itself, again in each answer until it is done.
        """
        self._work = work
        self._sampler = sampler
        self._folder = folder
        self._do = do
        self._told = told
        self._minimum_disk_kb = minimum_disk / 1024
        self._disk_is_low = False
        self._shipping = Shipping()
        self._shipment = Shipment()
        self._said_something = False
        self._caution = Caution()
        self._highest_job = 0

    def has_news(self) -> bool:
        """Whether a live run has printed, or come further, and it is time to say so."""
        return self._shipping.has_news(self._live_logs(), time.monotonic())

    def held_runs(self) -> list[str]:
        """Every run the daemon holds in any form, but for those that died with the machine."""
        return [run.run for run in self._work.runs.values() if not run.died_with_machine]

    def highest_job(self) -> int:
        """The highest id of a job that the daemon has had in hand."""
        self._highest_job = max(self._highest_job, *(run.job for run in self._work.runs.values()), 0)
        return self._highest_job

    def registered(self, registration: Registration) -> None:
        """The server named the runs that it does not count. What it has of the logs of all others is to be seen."""
        now = time.monotonic()
        self._shipping.doubt(self._work.runs)
        for run in registration.stop:
            self._do(self._work.unwanted(run, now))

    def pause_seconds(self) -> float:
        """A moment while enough runs wait here to keep the CPUs busy: fewer beats then say the same."""
        return _BUSY_SECONDS if len(self._work.queue.waiting()) >= 2 * self._work.cpus else 0.0

    async def compose(self) -> dict[str, Any]:
        """The next beat, but for session and sequence."""
        load = await self._sampler.sample()
        self._watch_disk(load.disk_free_kb)
        now = time.monotonic()
        reports = self._caution.choose(self._work.reports(now), now)
        live = {} if self._caution.is_careful else self._live_logs()
        ended = {
            report["run"]: (self._folder(report["run"]), log_sizes(report))
            for report in reports
            if report["kind"] == ENDED
        }
        self._shipment = self._shipping.next_shipment(ended, live, now)
        sent = [each for each in reports if each["kind"] != ENDED or each["run"] in self._shipment.complete]
        self._said_something = bool(sent or self._shipment.pieces)
        declining = self._work.declining(now) or (Declining.DISK if self._disk_is_low else None)
        return {
            "load": load.load,
            "memoryFree": load.memory_free_kb,
            "diskFree": load.disk_free_kb,
            "idleTime": load.idle_minutes,
            "utcOffset": utc_offset_minutes(),
            "highestJob": self.highest_job(),
            "spare": self._work.spare(now),
            "accepting": declining is None,
            "declining": declining or "",
            "queued": self._work.unreported(report["run"] for report in sent),
            "progress": self._shipment.progress,
            **self._pieces(),
            "reports": [self._for_wire(report) for report in sent],
        }

    def answered(self, answer: Answer, took_seconds: float, sent_at: float) -> bool:
        """Follow the answer; returns False when something was said and nothing of it arrived."""
        self._caution.taken()
        self._work.spare_gauge.beat_took(took_seconds)
        now = time.monotonic()
        shipped = self._shipping.answered(self._shipment, answer.offsets, stderr_is_known=answer.knows_stderr)
        steps: list[Instruction] = []
        told: list[ClientOrder] = []
        for report_id, verdict in answer.verdicts.items():
            steps += self._work.answered(report_id, verdict, now)
        for order in answer.orders:
            match order:
                case StartOrder():
                    steps += self._work.ordered(order, now)
                case KillOrder(run, reason):
                    steps += self._work.kill_ordered(run, reason, now)
                case PauseOrder(run):
                    steps += self._work.pause_ordered(run, now)
                case ResumeOrder(run):
                    steps += self._work.resume_ordered(run, now)
                case BadOrder(run, reason):
                    steps += self._work.misordered(run, reason, now)
                case UpgradeOrder() | RestartOrder() | EndOrder():
                    told.append(order)
        # Last, so that no run is given more time that is told to end.
        self._do([*steps, *self._work.heard(sent_at)])
        self._shipping.keep_only(self._work.runs)
        for client_order in told:
            self._told(client_order)
        return bool(shipped or answer.verdicts or not self._said_something)

    def refused(self) -> bool:
        """The server did not take the beat; returns whether the next one says something else."""
        return self._caution.refused(time.monotonic())

    def _for_wire(self, report: Report) -> Report:
        wire = for_wire(report)
        if report["kind"] == ENDED:
            sent = self._shipment.complete[report["run"]]
            wire["logSent"] = sent[Stream.STDOUT]
            if Stream.STDERR in sent:
                wire["stderrSent"] = sent[Stream.STDERR]
        return wire

    def _pieces(self) -> dict[str, list[dict[str, Any]]]:
        """The pieces of logs by the keys that have them; that of stderr is left out where there are none."""
        found: dict[str, list[dict[str, Any]]] = {OFFSET_KEYS[Stream.STDOUT]: []}
        for piece in self._shipment.pieces:
            pieces = found.setdefault(OFFSET_KEYS[piece.stream], [])
            pieces.append({"run": piece.run, "offset": piece.offset, "data": piece.data})
        return found

    def _live_logs(self) -> dict[str, Live]:
        return {
            run.run: (self._folder(run.run), run.streams)
            for run in self._work.live()
            if run.status is Status.RUNNING and not run.unwanted
        }

    def _watch_disk(self, free_kb: float) -> None:
        low = free_kb < self._minimum_disk_kb
        if low != self._disk_is_low:
            self._disk_is_low = low
            _log.warning("the disk is low: no new runs are taken" if low else "there is room on the disk again")
