"""Finding and ending every process of a run (PROMISES 5).

A command's processes may leave its group, its session and their parents. Three marks find them again:
descent from the runner (which adopts orphans on Linux), the command's session, and the run's id in their
environment. A process that clears its environment *and* leaves the session *and* outlives its runner bears
none of them; only a cgroup would hold it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
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


def carriers(run_id: str) -> list[psutil.Process]:
    """The living processes that were started with the run's token in their environment, as far as we may
    read it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(RUN_TOKEN) == run_id:
                found.append(process)
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


def strike_until_gone(find: Callable[[], list[psutil.Process]], patience_seconds: float) -> tuple[int, list[int]]:
    """Strike what `find` finds until it finds nothing twice, or patience ends.

    Returns how many different processes were struck, and the pids that are still there.
    """
    struck: set[int] = set()
    deadline = time.monotonic() + patience_seconds
    empty_looks = 0
    left: list[psutil.Process] = []
    pause_seconds = 0.005
    while empty_looks < 2:
        left = find()
        if not left:
            empty_looks += 1
            continue
        if time.monotonic() > deadline:
            break
        empty_looks = 0
        struck.update(process.pid for process in left)
        strike(left)
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, 0.1)
    return len(struck), [process.pid for process in left]


def kill_run_tree(
    run_id: str, command: ProcessId | None = None, patience_seconds: float = 5.0
) -> tuple[int, list[int]]:
    """End what is left of a run whose runner is dead. It blocks: call it off the event loop.

    Returns how many processes were struck, and the pids that could not be ended within `patience_seconds`.
    """

    def find() -> list[psutil.Process]:
        own = [] if command is None or not command.exists() else union(session_of(command), descendants(command.pid))
        marked = carriers(run_id)
        return union(own, marked, *(descendants(process.pid) for process in marked))

    return strike_until_gone(find, patience_seconds)
