"""Carries out what `work` decides: run folders, the launcher, the outbox; and tells it what came of that.

On one event loop; whatever may block for long, such as ending processes or removing folders, happens on
threads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from hqserver.domain.crash import crash_point

from .host_os import boot_id
from .identity import DataFolder
from .instructions import Discard, ForceKill, Instruction, Keep, Kill, Launch, Orphan, Pause, Renew, Resume, Send
from .outbox import Accepted, Entry, Outbox, Queued, Settled
from .protocol import ProtocolError, StartOrder, read_start_order
from .runs import killing, pausing
from .runs.kill_request import KillRequest
from .runs.launcher import new_launcher
from .runs.lease import write_lease
from .runs.lost import record_of_lost
from .runs.pauses import Pauses, read_pauses
from .runs.runfolder import ExitRecord, RunFolder, Standing
from .runs.runfolders import RunFolders
from .settlement import Settlement
from .work import Run, Work

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_SWEEP_SECONDS = 5.0
_MOST_THREADS = 8

Environment = Callable[[Mapping[str, str]], dict[str, str]]
"""From an order's environment to that of its command."""


class Execution:
    """The hands of one daemon. `start` it, `do` things, `close` it."""

    def __init__(
        self, work: Work, data: DataFolder, outbox: Outbox, environment: Environment, changed: Callable[[], None]
    ) -> None:
        """`changed` is called after anything that may have changed what a beat says. Raises `OSError`."""
        self._work = work
        self._outbox = outbox
        self._environment = environment
        self._changed = changed
        self._folders = RunFolders(data.runs)
        self._launcher = new_launcher(self._started, self._ended)
        self._settlement = Settlement(self._folders, data.orphans)
        # Apart from what the beats need: a tree that does not die, or stop, must not hold them up.
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="runs")
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: set[str] = set()
        self._taken = asyncio.Event()

    async def start(self) -> None:
        """Begin, and take up again what an earlier daemon left. Raises `OSError` when nothing can be
        started."""
        await self._launcher.start()
        ledger = self._outbox.ledger
        now = time.monotonic()
        for report in ledger.reports.values():
            self._work.found_report(report)
        for folder in self._folders:
            if folder.run_id in ledger.settled:
                self._settlement.remove(folder)
            elif folder.run_id not in self._work.runs:
                self._take_up(folder, now)
        for run in list(ledger.held):
            if run not in self._work.runs:
                # Accepted, but the daemon ended before it made a folder.
                self.do(self._work.misordered(run, "the client was stopped before it could start the run", now))

    def do(self, steps: Iterable[Instruction]) -> None:
        """Carry out instructions of `work`, in their order."""
        for step in steps:
            match step:
                case Launch(order):
                    self._launch(order)
                case Keep(order):
                    crash_point("order_before_kept")
                    self._write(Accepted(order.run), partial(self._kept, order.run))
                case Renew(run, ends_at):
                    self._renew(run, ends_at)
                case Send(report):
                    crash_point("report_before_kept")
                    self._write(Queued(report), partial(self._report_kept, report["id"]))
                case Kill(run, request):
                    self._kill(run, request)
                case ForceKill(run):
                    self._spawn(self._force_kill(run))
                case Pause(run):
                    self._spawn(self._pause(self._work.runs[run]))
                case Resume(run):
                    self._spawn(self._resume(self._work.runs[run]))
                case Discard(run):
                    crash_point("report_acknowledged")
                    self._write(Settled(run), lambda _: crash_point("run_settled"))
                    self._settlement.remove(self.folder(run))
                case Orphan(run):
                    self._write(Settled(run), lambda _: None)
                    self._settlement.keep(self.folder(run))
        self._changed()

    def folder(self, run: str) -> RunFolder:
        """The run's folder, whether there is one or not."""
        return self._folders.get(run)

    def taken(self) -> None:
        """The server takes this daemon for the client: what its data folder says is its own."""
        self._taken.set()

    async def close(self) -> None:
        """Stop. Commands go on under their runners; what was to be written is written."""
        await self._launcher.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)
        await self._settlement.close()
        await self._outbox.close()

    # Taking up what is there

    def _take_up(self, folder: RunFolder, now: float) -> None:
        standing = folder.standing()
        try:
            order = read_start_order(folder.read_order())
        except ProtocolError:
            order = None
        if order is None or (standing in (Standing.WAITING, Standing.FORBIDDEN) and folder.forbid_start()):
            self.do(self._work.misordered(folder.run_id, "the client was stopped before it could start the run", now))
            return
        pids = folder.pids()
        age_seconds = 0.0 if pids is None else pids.started_at.age_seconds()
        # One that is to end is never stopped again: it has to hear that.
        pauses = Pauses() if folder.kill_request() is not None else read_pauses(folder)
        steps = self._work.found_folder(order, age_seconds, pauses, now)
        _log.info("Adopting job %d, run %s", order.job, order.run)
        if folder.is_alive():
            self._launcher.follow(folder)
            self.do(steps)
        elif standing is Standing.LOST and pids is not None and pids.started_at.boot_id != boot_id():
            self._work.runs[folder.run_id].died_with_machine = True
            self._ended(folder.run_id)
        else:
            self._ended(folder.run_id)

    # Starting

    def _kept(self, run: str, problem: BaseException | None) -> None:
        now = time.monotonic()
        if problem is None:
            crash_point("order_kept")
            self.do(self._work.kept(run, now))
        else:
            _log.error("run %s is refused: %s", run, problem)
            self.do(self._work.not_kept(run, f"the client cannot write to its disk: {problem}", now))

    def _launch(self, order: StartOrder) -> None:
        try:
            folder = self._folders.create(order.as_struct(self._environment(order.environment)))
            self._begin_lease(order, folder)
        except (OSError, ValueError) as problem:
            _log.error("run %s of job %d cannot be started: %s", order.run, order.job, problem)
            reason = f"the client cannot make the run's folder: {problem}"
            self.do(self._work.not_launched(order.run, reason, time.monotonic()))
            return
        crash_point("folder_made")
        self._launcher.launch(folder)
        crash_point("launcher_told")
        _log.info("Running %sjob %d, run %s", order.hook and f"{order.hook} of ", order.job, order.run)

    def _begin_lease(self, order: StartOrder, folder: RunFolder) -> None:
        """Raises `OSError`, the folder gone: without its lease written down the run must not begin."""
        if order.limits.lease_seconds:
            try:
                write_lease(folder, order.limits.lease_end(self._work.heard_at))
            except OSError:
                self._folders.remove(folder)
                raise

    def _renew(self, run: str, ends_at: float) -> None:
        try:
            write_lease(self.folder(run), ends_at)
        except OSError as problem:
            # Its runner ends it when the time has come: what is not certain does not count.
            _log.error("run %s: its lease cannot be renewed: %s", run, problem)
        crash_point("lease_renewed")

    def _started(self, run: str) -> None:
        self.do(self._work.started(run, time.monotonic()))

    # Ending

    def _ended(self, run: str) -> None:
        """The launcher says so; the folder says how."""
        folder = self.folder(run)
        held = self._work.runs.get(run)
        if held is None or run in self._ending:
            return
        record = folder.exit_record()
        if record is not None:
            crash_point("end_noticed")
            self._over(held, record)
            return
        standing = folder.standing()
        if standing is Standing.RUNNING:
            self._launcher.follow(folder)
        elif standing is Standing.LOST or not folder.forbid_start():
            self._ending.add(run)
            self._spawn(self._bury(held, folder))
        else:
            self.do(self._work.not_launched(run, "no runner could be started", time.monotonic()))

    def _over(self, run: Run, record: ExitRecord) -> None:
        how = f"signal {record.signal}" if record.signal else f"exit code {record.exit_code}"
        _log.info("Finished job %d, run %s: %s %s", run.job, run.run, how, record.reason)
        self.do(self._work.ended(run.run, record, time.monotonic()))

    async def _bury(self, run: Run, folder: RunFolder) -> None:
        """The runner died without a record: see that nothing of the run is alive, then say so in its
        place."""
        if await self._blocking(killing.is_elsewhere, folder):
            # This data folder may be a copy whose runs are another daemon's: the server knows whether that one lives.
            await self._taken.wait()
        while (await self._blocking(killing.clean_up, folder))[1]:
            _log.warning("job %d, run %s: parts of it cannot be ended yet", run.job, run.run)
            await asyncio.sleep(_SWEEP_SECONDS)
        record = await self._blocking(partial(record_of_lost, kill=run.kill), folder)
        self._ending.discard(run.run)
        self._over(run, record)

    def _kill(self, run: str, request: KillRequest) -> None:
        _log.info("Cancelling job %d, run %s: %s", self._work.runs[run].job, run, request.reason)
        crash_point("kill_before_requested")
        try:
            self.folder(run).request_kill(request)
            crash_point("kill_requested")
        except OSError as problem:
            _log.error("run %s: its runner cannot be asked to end it: %s", run, problem)
            self._spawn(self._force_kill(run))

    async def _force_kill(self, run: str) -> None:
        folder = self.folder(run)
        _log.warning("run %s did not end when asked: ending it by force", run)
        _, left = await self._blocking(killing.force_kill, folder)
        if left:
            _log.error("run %s: processes %s cannot be ended", run, left)
        elif not folder.is_alive():
            self._ended(run)

    # Pausing

    async def _pause(self, run: Run) -> None:
        folder = self.folder(run.run)
        _log.info("Pausing job %d, run %s", run.job, run.run)
        while (left := await self._blocking(pausing.pause, folder)) and run.pause.wanted:
            _log.warning("job %d, run %s: processes %s cannot be stopped yet", run.job, run.run, left)
            await asyncio.sleep(_SWEEP_SECONDS)
        if folder.is_alive():  # otherwise it has just ended, and that is all there is to say
            self.do(self._work.paused(run.run, time.monotonic()))

    async def _resume(self, run: Run) -> None:
        folder = self.folder(run.run)
        _log.info("Resuming job %d, run %s", run.job, run.run)
        await self._blocking(pausing.resume, folder)
        if folder.is_alive():
            self.do(self._work.resumed(run.run, time.monotonic()))

    # Writing down

    def _report_kept(self, report_id: str, problem: BaseException | None) -> None:
        if problem is not None:
            # Sent all the same: the exit record has its own room on the disk, and tells it again after a
            # crash.
            _log.error("report %s could not be written down: %s", report_id, problem)
        crash_point("report_kept")
        self._work.report_kept(report_id)
        self._changed()

    def _write(self, entry: Entry, then: Callable[[BaseException | None], None]) -> None:
        self._outbox.post(entry).add_done_callback(lambda done: None if done.cancelled() else then(done.exception()))

    async def _blocking(self, function: Callable[[RunFolder], _T], folder: RunFolder) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, folder)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("a task of the daemon failed", exc_info=problem)
