"""Stopping a tree of processes in place, and letting it go on."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Protocol

import psutil

from .process_tree import wake

_STOPPED = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.001, 0.05


class Tree(Protocol):
    """The processes to stop."""

    def look(self) -> list[psutil.Process]:
        """Everything that is to be stopped, and what has just ended, for it may have forked another before."""

    def owns_group_of(self, process: psutil.Process) -> bool:
        """Whether everybody in the group of that process belongs to the tree."""

    def count_ended(self) -> int:
        """A number that grows when a process of the tree has ended, as far as that can be told."""


def halt(tree: Tree, patience_seconds: float) -> list[int]:
    """Stop the tree (SIGSTOP) until two looks find nobody running, or patience ends.

    Two, because what is forked behind the back of one look is found by the next. A process that forks another and
    ends before it is looked at could hide from both: so no look counts during which a process has ended.
    Returns the pids that still run.
    """
    deadline = time.monotonic() + patience_seconds
    quiet_looks = ended = 0
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        running = [process.pid for process in tree.look() if not _stop(process, tree.owns_group_of(process))]
        before, ended = ended, tree.count_ended()
        quiet_looks = 0 if running or ended != before else quiet_looks + 1
        if quiet_looks == 2:
            return []
        if time.monotonic() > deadline:
            return running
        if running:
            time.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)


def let_go(find: Callable[[], list[psutil.Process]]) -> None:
    """Let everything that `find` finds go on, and look again until nobody is found stopped who was not woken."""
    woken = set(find())
    wake(woken)
    while stopped := [process for process in find() if process not in woken and _is_stopped(process)]:
        wake(stopped)
        woken.update(stopped)


def _stop(process: psutil.Process, with_group: bool) -> bool:
    """Stop the process, unless it is stopped: Windows counts, and one stopped twice has to be woken twice.

    Returns whether it was stopped already, or is as good as that: one that waits inside the kernel, for a disk or
    for a child to take off, stops before it does anything of its own again.
    """
    try:
        status = process.status()
        if status in _STOPPED:
            return True
        if with_group:
            _stop_group(process.pid)
        process.suspend()
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OSError):
        return False  # it changed its user, perhaps: it runs on, and that has to be said
    return bool(status == psutil.STATUS_DISK_SLEEP)


def _stop_group(pid: int) -> None:
    """Stop all of a process's group at once: not even a fork slips through, and a process that ended shows the way."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.killpg(os.getpgid(pid), signal.SIGSTOP)


def _is_stopped(process: psutil.Process) -> bool:
    try:
        return process.status() in _STOPPED
    except psutil.Error:
        return False
