"""One command on Linux and macOS, from its start until nothing of its tree is left."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable

import psutil

from hqserver.domain.crash import crash_point
from hqserver.domain.run import Stream

from .. import host_os
from ..host_os import Moment
from ..limits import MIN_TIME
from . import process_tree
from .command import CannotStart, Command, program_and_arguments
from .ending import Action, Ending
from .failures import Failure
from .kill_request import KillRequest
from .output import RunOutput
from .posix_process import spawn
from .process_tree import ProcessId
from .runfolder import ExitRecord, Pids, RunFolder
from .striking import Catch
from .watchdog import Watchdog

assert sys.platform != "win32"

_READ_SIZE = 64 << 10
_READS_IN_A_ROW = 16


class CommandRun:
    """One run. `wake` is what `prepare_process` returned, `cgroup` the path of the runner's control group, if it has
    one."""

    def __init__(self, folder: RunFolder, command: Command, wake: int, cgroup: str = "") -> None:
        self._folder = folder
        self._command = command
        self._wake = wake
        self._cgroup = cgroup
        self._output = RunOutput(
            *(folder, command.log_limit, command.progress_patterns, command.failure_patterns),
            split=command.split_output,
        )
        self._ending = Ending(command.kill_grace_seconds)
        self._watchdog = Watchdog(folder, command.limits, lambda: process_tree.descendants(os.getpid()))
        self._ran_seconds = 0.0
        self._poll = select.poll()
        self._pipes: dict[int, Stream] = {}
        self._pid = 0
        self._exit_code: int | None = None
        self._has_children = True
        self._left_behind = 0
        self._stuck: list[int] = []
        self._own_request: KillRequest | None = None
        self._cpu_seconds = 0.0
        self._max_memory_kb = 0

    def execute(self, on_start: Callable[[], None]) -> ExitRecord:
        """Run the command; `on_start` is called once it has started."""
        started_at = Moment.now()
        try:
            self._start()
        except CannotStart as problem:
            on_start()
            self._output.say(f"ERROR: Could not run command: {problem}")
            self._exit_code = problem.exit_code
            return self._record(started_at, f"could not run command: {problem}")
        crash_point("command_started")
        self._folder.write_pids(Pids(ProcessId.own(), ProcessId.of(self._pid), started_at, self._cgroup))
        crash_point("command_known")
        on_start()
        self._look_for_kill()  # one that came before anybody knew whom to signal
        try:
            self._until_nothing_is_left()
            self._drain()
        finally:
            self._close_pipes()
        crash_point("command_ended")
        if self._left_behind:
            ended = f"{self._left_behind} process{'es' if self._left_behind > 1 else ''}"
            self._output.say(f"[hqclient: the command left {ended} behind, which had to be ended]")
        return self._record(started_at, self._reason())

    def _start(self) -> None:
        arguments = program_and_arguments(self._command)
        output = self._open_pipe(Stream.STDOUT)
        errors = self._open_pipe(Stream.STDERR) if self._command.split_output else output
        try:
            os.chdir(self._folder.working_directory)
            self._pid = spawn(arguments, dict(self._command.environment), output, errors)
        except (OSError, ValueError) as problem:
            self._close_pipes()
            raise CannotStart.because(problem) from problem
        finally:
            for descriptor in {output, errors}:
                os.close(descriptor)
            os.chdir("/")
        for descriptor in (*self._pipes, self._wake):
            self._poll.register(descriptor, select.POLLIN)

    def _open_pipe(self, stream: Stream) -> int:
        """Make the pipe of a stream; the end that the command writes to."""
        pipe, end = os.pipe()
        os.set_blocking(pipe, False)
        self._pipes[pipe] = stream
        return end

    def _close_pipes(self) -> None:
        for pipe in self._pipes:
            os.close(pipe)

    def _until_nothing_is_left(self) -> None:
        while True:
            for descriptor, _ in self._poll.poll(self._patience_milliseconds()):
                if descriptor in self._pipes:
                    self._read(descriptor)
                elif signal.SIGTERM in os.read(self._wake, 4096):
                    self._look_for_kill()
            self._reap()
            if self._output.seconds_to_scan() == 0:
                self._output.scan()
            now = time.monotonic()
            if now >= self._watchdog.due_at:
                self._watch()
            action = self._ending.step(
                now, command_ended=self._exit_code is not None, anything_left=self._anything_left()
            )
            if action is Action.FINISH:
                return
            if action is Action.ASK:
                self._ask_to_end()
            elif action is Action.STRIKE:
                self._strike(now)

    def _patience_milliseconds(self) -> int | None:
        seconds = min(self._ending.due_at, self._watchdog.due_at) - time.monotonic()
        to_scan = self._output.seconds_to_scan()
        if to_scan is not None:
            seconds = min(seconds, to_scan)
        return None if seconds == math.inf else max(0, math.ceil(seconds * 1000))

    def _read(self, pipe: int) -> None:
        """Take what the pipe holds, but come back to everything else after a megabyte."""
        for _ in range(_READS_IN_A_ROW):
            try:
                data = os.read(pipe, _READ_SIZE)
            except BlockingIOError:
                return
            if not data:
                self._poll.unregister(pipe)
                return
            self._output.feed(data, self._pipes[pipe])
            self._watchdog.printed()

    def _drain(self) -> None:
        """Take what the dead have left in the pipes; whoever else may hold them open is not waited for."""
        for pipe, stream in self._pipes.items():
            with contextlib.suppress(BlockingIOError):
                while data := os.read(pipe, _READ_SIZE):
                    self._output.feed(data, stream)

    def _reap(self) -> None:
        while self._has_children:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self._has_children = False
                return
            if pid == 0:
                return
            self._cpu_seconds += usage.ru_utime + usage.ru_stime
            self._max_memory_kb = max(self._max_memory_kb, host_os.memory_kb(usage.ru_maxrss))
            if pid == self._pid:
                self._exit_code = os.waitstatus_to_exitcode(status)
                self._ran_seconds = self._watchdog.ran_seconds()

    def _look_for_kill(self) -> None:
        if self._folder.kill_request() is not None:
            self._ending.request_kill()

    def _watch(self) -> None:
        """End the run if it has used up a limit, as if the daemon had asked for it."""
        if (request := self._watchdog.look()) is not None:
            self._own_request = request
            with contextlib.suppress(OSError):  # the disk may be too full for it
                self._folder.request_kill(request)
            self._ending.request_kill()

    def _anything_left(self) -> bool:
        """Whether anything of the tree is alive. Where orphans come to us, no child means no descendant."""
        if self._has_children:
            return True
        if self._ending.begun:
            return bool(self._members())
        return not host_os.LINUX and _group_exists(self._pid)

    def _members(self) -> list[psutil.Process]:
        return process_tree.union(
            process_tree.descendants(os.getpid()),
            [] if host_os.LINUX else process_tree.session_numbered(self._pid),
            process_tree.carriers(self._command.run),
        )

    def _ask_to_end(self) -> None:
        members = self._members()
        if not self._ending.killed:
            self._left_behind = len(members)
        if self._exit_code is None:
            with contextlib.suppress(OSError):
                os.killpg(self._pid, signal.SIGTERM)
        process_tree.ask_to_end(members)

    def _strike(self, now: float) -> None:
        catch = Catch()
        # The children that have ended and that nobody has waited for yet show the groups of those they forked.
        catch.descending(os.getpid())
        catch.marked(self._command.run)
        if not host_os.LINUX:
            catch.all_of(process_tree.session_numbered(self._pid))
        catch.kill()
        if self._ending.is_stuck(now) and not self._stuck:
            self._stuck = sorted(catch.pids)
            self._output.say(f"[hqclient: {self._stuck_sentence()}; waiting for them]")

    def _stuck_sentence(self) -> str:
        return f"processes {', '.join(map(str, self._stuck))} did not end on SIGKILL for a minute"

    def _killed_for(self) -> KillRequest | None:
        """What ended the command, None when it ended by itself."""
        return (self._folder.kill_request() or self._own_request) if self._ending.killed else None

    def _reason(self) -> str:
        reasons = [self._stuck_sentence()] if self._stuck else []
        if (kill := self._killed_for()) is not None:
            reasons.insert(0, kill.reason or "killed")
        elif self._exit_code is not None and self._exit_code < 0:
            reasons.insert(0, f"ended by signal {-self._exit_code} ({signal.strsignal(-self._exit_code)})")
        return "; ".join(reasons)

    def _record(self, started_at: Moment, reason: str) -> ExitRecord:
        code = self._exit_code or 0
        kill = self._killed_for()
        limit = "" if kill is None else kill.limit
        too_soon = self._command.limits.ended_too_soon(self._ran_seconds)
        if code == 0 and not self._ending.killed and too_soon:
            code, limit, reason = 1, MIN_TIME, too_soon
        log, stderr = self._output.close()
        failure = self._output.failure or Failure("", "")
        return ExitRecord(
            exit_code=code if code >= 0 else 128 - code,
            signal=max(0, -code),
            killed=self._ending.killed,
            reason=reason,
            limit=limit,
            failure=failure.action,
            failure_line=failure.line,
            started_at=started_at,
            ended_at=Moment.now(),
            log_size=log.size,
            log_hash=log.sha256,
            log_truncated=log.truncated,
            stderr=stderr,
            progress=self._output.progress,
            cpu_seconds=self._cpu_seconds,
            max_memory_kb=self._max_memory_kb,
        )


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # macOS says so of a group of zombies, and of one that changed its user
    return True
