"""One command on Windows, from its start until nothing of its tree is left.

Windows has neither sessions nor signals nor orphans that come home: the tree is found by descent and by the run's
token, a thread reads each pipe, and the kill request is looked for on the disk.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO

import psutil

from hqserver.domain.run import Stream

from ..host_os import Moment
from ..limits import MIN_TIME
from . import process_tree
from .command import CannotStart, Command, program_and_arguments
from .ending import Action, Ending
from .failures import Failure
from .kill_request import KillRequest
from .output import RunOutput
from .process_tree import ProcessId
from .runfolder import ExitRecord, Pids, RunFolder
from .watchdog import Watchdog

_LOOK_SECONDS = 0.1
_READ_SIZE = 64 << 10


def prepare_process() -> int:
    """Nothing to prepare: a runner on Windows is a process of its own from the start. Returns no descriptor."""
    return -1


class CommandRun:
    """One run, with the interface of `posix_run.CommandRun`; there are no control groups here."""

    def __init__(self, folder: RunFolder, command: Command, wake: int, cgroup: str = "") -> None:
        self._folder = folder
        self._command = command
        self._output = RunOutput(
            *(folder, command.log_limit, command.progress_patterns, command.failure_patterns),
            split=command.split_output,
        )
        self._watchdog = Watchdog(folder, command.limits, self._members)
        self._own_request: KillRequest | None = None
        self._output_lock = threading.Lock()
        self._ending = Ending(command.kill_grace_seconds)
        self._left_behind = 0
        self._known: dict[int, psutil.Process] = {}
        self._max_memory_kb = 0
        self._cpu_seconds = 0.0
        self._ran_seconds = 0.0

    def execute(self, on_start: Callable[[], None]) -> ExitRecord:
        """Run the command; `on_start` is called once it has started."""
        started_at = Moment.now()
        try:
            process = self._start()
        except CannotStart as problem:
            on_start()
            self._output.say(f"ERROR: Could not run command: {problem}")
            return self._record(started_at, problem.exit_code, f"could not run command: {problem}")
        self._folder.write_pids(Pids(ProcessId.own(), ProcessId.of(process.pid), started_at))
        on_start()
        pipes = [(process.stdout, Stream.STDOUT), (process.stderr, Stream.STDERR)]
        readers = [threading.Thread(target=self._read, args=pair, daemon=True) for pair in pipes if pair[0] is not None]
        for reader in readers:
            reader.start()
        self._until_nothing_is_left(process)
        # Somebody outside the tree may hold a pipe: what the dead left in it is read by then.
        for reader in readers:
            reader.join(timeout=1.0)
        with self._output_lock:
            if self._left_behind:
                self._output.say(f"[hqclient: the command left {self._left_behind} processes behind; ended]")
            kill = (self._folder.kill_request() or self._own_request) if self._ending.killed else None
            reason, limit = ("", "") if kill is None else (kill.reason or "killed", kill.limit)
            code = _signed(process.returncode)
            too_soon = self._command.limits.ended_too_soon(self._ran_seconds)
            if code == 0 and not self._ending.killed and too_soon:
                code, limit, reason = 1, MIN_TIME, too_soon
            return self._record(started_at, code, reason, limit)

    def _start(self) -> subprocess.Popen[bytes]:
        program, *arguments = program_and_arguments(self._command)
        line: str | list[str] = [program, *arguments]
        if arguments[-2:-1] == ["/c"]:
            # cmd.exe takes everything between the outer quotes as it stands; Popen's own quoting would change it.
            line = f'"{program}" {" ".join(arguments[:-1])} "{arguments[-1]}"'
        try:
            return subprocess.Popen(
                line,
                cwd=self._folder.working_directory,
                env=dict(self._command.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if self._command.split_output else subprocess.STDOUT,
                bufsize=0,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except (OSError, ValueError) as problem:
            raise CannotStart.because(problem) from problem

    def _read(self, pipe: IO[bytes], stream: Stream) -> None:
        with pipe:
            while data := pipe.read(_READ_SIZE):
                with self._output_lock:
                    self._output.feed(data, stream)
                self._watchdog.printed()

    def _until_nothing_is_left(self, process: subprocess.Popen[bytes]) -> None:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
            ended = process.returncode is not None
            if not ended:
                self._ran_seconds = self._watchdog.ran_seconds()
            members = self._members()
            self._measure(members)
            if time.monotonic() >= self._watchdog.due_at and (request := self._watchdog.look()) is not None:
                self._own_request = request
                with contextlib.suppress(OSError):  # the disk may be too full for it
                    self._folder.request_kill(request)
                self._ending.request_kill()
            if self._folder.kill_request() is not None:
                self._ending.request_kill()
            with self._output_lock:
                self._output.scan()
            action = self._ending.step(time.monotonic(), command_ended=ended, anything_left=bool(members))
            if action is Action.FINISH:
                return
            if action is Action.ASK:
                if not self._ending.killed:
                    self._left_behind = len(members)
                self._ask_to_end(process, members)
            elif action is Action.STRIKE:
                process_tree.strike(members)

    def _members(self) -> list[psutil.Process]:
        """The living of the tree. Descent is lost with a parent, so everybody once seen stays known."""
        seen = process_tree.descendants(os.getpid())
        if self._ending.begun:
            seen += process_tree.carriers(self._command.run)
        self._known.update((process.pid, process) for process in seen)
        for process in list(self._known.values()):
            seen += process_tree.descendants(process.pid)
        self._known = {process.pid: process for process in [*self._known.values(), *seen] if process.is_running()}
        return list(self._known.values())

    def _measure(self, members: list[psutil.Process]) -> None:
        cpu_seconds = 0.0
        for process in members:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                cpu_seconds += times.user + times.system
                self._max_memory_kb = max(self._max_memory_kb, process.memory_info().rss // 1024)
        self._cpu_seconds = max(self._cpu_seconds, cpu_seconds)

    def _ask_to_end(self, process: subprocess.Popen[bytes], members: list[psutil.Process]) -> None:
        """Ctrl-Break to the command's group: TerminateProcess would leave it no time to clean up.

        Those that are paused go on, or they would not hear it.
        """
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                process.send_signal(signal.CTRL_BREAK_EVENT)
        process_tree.wake(members)

    def _record(self, started_at: Moment, exit_code: int, reason: str, limit: str = "") -> ExitRecord:
        log, stderr = self._output.close()
        failure = self._output.failure or Failure("", "")
        return ExitRecord(
            exit_code=exit_code,
            signal=0,
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


def _signed(code: int) -> int:
    """Windows' 32 bits as a number that XML-RPC can carry: 0xC0000005, an access violation, is -1073741819."""
    return (code + (1 << 31)) % (1 << 32) - (1 << 31)
