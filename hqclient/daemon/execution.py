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

from .identity import DataFolder
from .instructions import Discard, ForceKill, Instruction, Keep, Kill, Launch, Orphan, Pause, Resume, Send
from .orphans import keep_orphan
from .outbox import Accepted, Entry, Outbox, Queued, Settled
from .protocol import ProtocolError, StartOrder, read_start_order
from .runs import killing, pausing
from .runs.kill_request import KillRequest
from .runs.launcher import new_launcher
from .runs.lost import record_of_lost
from .runs.pauses import Pauses, read_pauses
from .runs.runfolder import ExitRecord, RunFolder, Standing
from .runs.runfolders import RunFolders
from .work import Run, Work

_log = logging.getLogger(__name__)

_SWEEP_SECONDS = 5.0

Environment = Callable[[Mapping[str, str]], dict[str, str]]
"""From an order's environment to that of its command."""


class Execution:
    """The hands of one daemon. `start` it, `do` things, `close` it."""

    def __init__(
        self, work: Work, data: DataFolder, outbox: Outbox, environment: Environment, changed: Callable[[], None]
    ) -> None:
        """`changed` is called after anything that may have changed what a beat says. Raises `OSError`."""
        self._work = work
        self._data = data
        self._outbox = outbox
        self._environment = environment
        self._changed = changed
        self._folders = RunFolders(data.runs)
        self._launcher = new_launcher(self._started, self._ended)
        self._chores = ThreadPoolExecutor(1, thread_name_prefix="chores")
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: set[str] = set()

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
                self._chores.submit(self._remove, folder, None)
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
                    self._write(Accepted(order.run), partial(self._kept, order.run))
                case Send(report):
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
                    self._settle(run, None)
                case Orphan(run):
                    self._settle(run, self._keep_orphan)
        self._changed()

    def folder(self, run: str) -> RunFolder:
        """The run's folder, whether there is one or not."""
        return self._folders.get(run)

    async def close(self) -> None:
        """Stop. Commands go on under their runners; what was to be written is written."""
        await self._launcher.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._chores.shutdown)
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
        else:
            self._ended(folder.run_id)

    # Starting

    def _kept(self, run: str, problem: BaseException | None) -> None:
        now = time.monotonic()
        if problem is None:
            self.do(self._work.kept(run, now))
        else:
            _log.error("run %s is refused: %s", run, problem)
            self.do(self._work.not_kept(run, f"the client cannot write to its disk: {problem}", now))

    def _launch(self, order: StartOrder) -> None:
        try:
            folder = self._folders.create(order.as_struct(self._environment(order.environment)))
        except (OSError, ValueError) as problem:
            _log.error("run %s of job %d cannot be started: %s", order.run, order.job, problem)
            reason = f"the client cannot make the run's folder: {problem}"
            self.do(self._work.not_launched(order.run, reason, time.monotonic()))
            return
        self._launcher.launch(folder)
        _log.info("Running %sjob %d, run %s", order.hook and f"{order.hook} of ", order.job, order.run)

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
        while (await asyncio.to_thread(killing.clean_up, folder))[1]:
            _log.warning("job %d, run %s: parts of it cannot be ended yet", run.job, run.run)
            await asyncio.sleep(_SWEEP_SECONDS)
        record = await asyncio.to_thread(record_of_lost, folder, run.kill)
        self._ending.discard(run.run)
        self._over(run, record)

    def _kill(self, run: str, request: KillRequest) -> None:
        _log.info("Cancelling job %d, run %s: %s", self._work.runs[run].job, run, request.reason)
        try:
            self.folder(run).request_kill(request)
        except OSError as problem:
            _log.error("run %s: its runner cannot be asked to end it: %s", run, problem)
            self._spawn(self._force_kill(run))

    async def _force_kill(self, run: str) -> None:
        folder = self.folder(run)
        _log.warning("run %s did not end when asked: ending it by force", run)
        _, left = await asyncio.to_thread(killing.force_kill, folder)
        if left:
            _log.error("run %s: processes %s cannot be ended", run, left)
        elif not folder.is_alive():
            self._ended(run)

    # Pausing

    async def _pause(self, run: Run) -> None:
        folder = self.folder(run.run)
        _log.info("Pausing job %d, run %s", run.job, run.run)
        while (left := await asyncio.to_thread(pausing.pause, folder)) and run.pause.wanted:
            _log.warning("job %d, run %s: processes %s cannot be stopped yet", run.job, run.run, left)
            await asyncio.sleep(_SWEEP_SECONDS)
        if folder.is_alive():  # otherwise it has just ended, and that is all there is to say
            self.do(self._work.paused(run.run, time.monotonic()))

    async def _resume(self, run: Run) -> None:
        folder = self.folder(run.run)
        _log.info("Resuming job %d, run %s", run.job, run.run)
        await asyncio.to_thread(pausing.resume, folder)
        if folder.is_alive():
            self.do(self._work.resumed(run.run, time.monotonic()))

    # Settling

    def _settle(self, run: str, before: Callable[[RunFolder], None] | None) -> None:
        self._write(Settled(run), lambda _: None)
        self._chores.submit(self._remove, self.folder(run), before)

    def _keep_orphan(self, folder: RunFolder) -> None:
        _log.warning("the server did not want run %s: its log is kept in %s", folder.run_id, self._data.orphans)
        keep_orphan(folder, self._data.orphans)

    def _remove(self, folder: RunFolder, before: Callable[[RunFolder], None] | None) -> None:
        try:
            if before is not None:
                before(folder)
            self._folders.remove(folder)
        except OSError as problem:
            _log.warning("run %s: its folder cannot be removed: %s", folder.run_id, problem)

    # Writing down

    def _report_kept(self, report_id: str, problem: BaseException | None) -> None:
        if problem is not None:
            # Sent all the same: the exit record has its own room on the disk, and tells it again after a
            # crash.
            _log.error("report %s could not be written down: %s", report_id, problem)
        self._work.report_kept(report_id)
        self._changed()

    def _write(self, entry: Entry, then: Callable[[BaseException | None], None]) -> None:
        self._outbox.post(entry).add_done_callback(lambda done: None if done.cancelled() else then(done.exception()))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("a task of the daemon failed", exc_info=problem)
