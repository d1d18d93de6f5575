"""Finding and ending every process of a run (PROMISES 5).

A command's processes may leave its group, its session and their parents. Three marks find them again:
descent from the runner (which adopts orphans on Linux), the command's session, and the run's id in their
environment. A process that clears its environment *and* leaves the session *and* outlives its runner bears
none of them; only a cgroup holds it (`cgroups`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import psutil

from .. import host_os

RUN_TOKEN = "HQ_RUN_TOKEN"
"""The variable that holds the run's id in the environment of its command."""


@dataclass(frozen=True)
class ProcessId:
    """A process that cannot be mistaken for a later one with the same pid. `start` is
    `host_os.process_start`'s text."""

    pid: int
    start: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The identity of the process that has this pid now, None without one."""
        start = host_os.process_start(pid)
        return None if start is None else cls(pid, start)

    @classmethod
    def own(cls) -> ProcessId:
        """The identity of this process."""
        return _identity_of_own(os.getpid())

    def exists(self) -> bool:
        """Whether that very process still has its entry in the process table (a zombie has)."""
        return host_os.process_start(self.pid) == self.start

    def process(self) -> psutil.Process | None:
        """A handle on that very process, which psutil never lets reach another one. None when it is gone."""
        try:
            process = psutil.Process(self.pid)
        except psutil.Error:
            return None
        return process if self.exists() else None

    def send(self, number: int) -> bool:
        """Send a POSIX signal to that very process; False when it is gone or belongs to somebody else."""
        try:
            if sys.platform == "linux":
                # The handle pins the process before its identity is compared, so that no stranger can slip
                # in between.
                handle = os.pidfd_open(self.pid)
                try:
                    if not self.exists():
                        return False
                    signal.pidfd_send_signal(handle, number)
                finally:
                    os.close(handle)
            else:
                if not self.exists():
                    return False
                os.kill(self.pid, number)
        except OSError:
            return False
        return True


@cache
def _identity_of_own(pid: int) -> ProcessId:
    own = ProcessId.of(pid)
    assert own is not None
    return own


def descendants(pid: int) -> list[psutil.Process]:
    """The living descendants of a process; zombies are not alive."""
    try:
        return _alive(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


def unburied(pid: int) -> list[psutil.Process]:
    """The children of a process that have ended and that it has not waited for yet."""
    try:
        children = psutil.Process(pid).children()
    except psutil.Error:
        return []
    living = _alive(children)
    return [child for child in children if child not in living]


def mark_of(run_id: str) -> bytes:
    """What the environment of a run's processes holds, as the operating system shows it."""
    return f"{RUN_TOKEN}={run_id}".encode("ascii")


def bears(pid: int, mark: bytes) -> bool:
    """Whether the process was started with that mark in its environment, as far as we may read it.

    Raises `ProcessLookupError` when it is gone.
    """
    environment = host_os.environment(pid)
    return mark in environment and mark in environment.split(b"\0")


def carriers(run_id: str) -> list[psutil.Process]:
    """The living processes that were started with the run's token in their environment, as far as we may
    read it."""
    mark, found = mark_of(run_id), []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if pid != os.getpid() and bears(pid, mark):
                found.append(psutil.Process(pid))
    return _alive(found)


def session_of(leader: ProcessId) -> list[psutil.Process]:
    """The living processes of the session or group that `leader` leads; none once the leader is gone, for
    then its number may be a stranger's."""
    return session_numbered(leader.pid) if leader.exists() else []


def session_numbered(number: int) -> list[psutil.Process]:
    """The living processes of the session or group of that number; for those who know that it is still theirs."""
    if sys.platform == "win32":
        return []
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if number in (os.getsid(process.pid), os.getpgid(process.pid)):
                found.append(process)
    return _alive(found)


def _alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    living = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
    return living


def union(*groups: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Each process once."""
    return list({process.pid: process for group in groups for process in group}.values())


def wake(processes: Iterable[psutil.Process]) -> None:
    """Let each go on that is stopped (SIGCONT)."""
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            process.resume()


def ask_to_end(processes: Iterable[psutil.Process]) -> None:
    """SIGTERM to each, and SIGCONT, because a stopped process does not hear anything else."""
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            process.terminate()
            process.resume()


def strike(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL to each. All are stopped first, so that none can fork while the others die."""
    listed = list(processes)
    for process in listed:
        with contextlib.suppress(psutil.Error, OSError):
            process.suspend()
    for process in listed:
        with contextlib.suppress(psutil.Error, OSError):
            process.kill()
