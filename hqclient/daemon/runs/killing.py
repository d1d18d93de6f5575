"""What the daemon does about a run that its runner does not end: the runner is dead, or deaf. All of it blocks."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import psutil

from .cgroups import Cgroup
from .process_tree import ProcessId
from .runfolder import RunFolder
from .striking import kill_run_tree, strike_until_gone

_STOP_PATIENCE_SECONDS = 1.0


def clean_up(folder: RunFolder, patience_seconds: float = 5.0) -> tuple[int, list[int]]:
    """End what is left of a run without a runner (`Standing.LOST`).

    Returns how many processes were struck, and the pids that could not be ended in time: call again later.
    """
    pids = folder.pids()
    if pids is None:
        return kill_run_tree(folder.run_id, None, patience_seconds)
    struck, left = 0, list[int]()
    if pids.cgroup and not _is_alive(pids.runner):  # otherwise it serves another run by now
        struck, left = Cgroup(Path(pids.cgroup)).kill_until_gone(patience_seconds)
    more, others = kill_run_tree(folder.run_id, pids.command, patience_seconds)
    return struck + more, sorted({*left, *others})


def force_kill(folder: RunFolder, patience_seconds: float = 5.0) -> tuple[int, list[int]]:
    """End a run whose runner does not react, runner and all; it leaves no exit record, which is the daemon's to say.

    Returns as `clean_up` does. The runner is stopped first and only killed if it still holds this run's lock:
    the same process may serve another run by now.
    """
    pids = folder.pids()
    if pids is None or not folder.is_alive():
        return clean_up(folder, patience_seconds)
    runner = pids.runner.process()
    struck = 0
    if runner is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            _stop(runner)
            if folder.is_alive() and pids.cgroup:
                Cgroup(Path(pids.cgroup)).kill()
                runner.kill()
                deadline = time.monotonic() + patience_seconds
                while _is_alive(pids.runner) and time.monotonic() < deadline:
                    time.sleep(0.002)
            elif folder.is_alive():
                # While it lives, even those without a mark are found: on Linux they are all its descendants.
                buried: set[int] = set()
                struck, _ = strike_until_gone(lambda catch: catch.descending(runner.pid, buried), patience_seconds)
                runner.kill()
            else:
                runner.resume()
    more, left = clean_up(folder, patience_seconds)
    return struck + more, left


def is_elsewhere(folder: RunFolder) -> bool:
    """Whether the runner that the folder names is alive without holding its lock.

    Then the folder is a copy, or the runner lost it and serves another run by now.
    """
    pids = folder.pids()
    return pids is not None and not folder.is_alive() and _is_alive(pids.runner)


def _is_alive(runner: ProcessId) -> bool:
    try:
        process = runner.process()
        return process is not None and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _stop(process: psutil.Process) -> None:
    process.suspend()
    deadline = time.monotonic() + _STOP_PATIENCE_SECONDS
    while process.status() != psutil.STATUS_STOPPED and time.monotonic() < deadline:
        time.sleep(0.001)
