"""Ending every process of a run by force (PROMISES 5): stopped first, by whole groups, and killed then.

A process that forks its successor and ends is gone before a signal meant for it arrives. Its group is not: one member
that is seen, be it dead by now, is enough to stop all of them at once, those included that are being forked.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable

import psutil

from . import process_tree
from .process_tree import ProcessId

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.005, 0.1
_GLIMPSE_SECONDS = 1.0
"""How long to go on looking when nobody is found but processes vanish while they are looked at: strangers of a busy
machine, perhaps, or the links of a chain."""


class Catch:
    """What one sweep has found and stopped. Groups that are not the run's are never signalled."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        """The living that were found."""
        self.missed = False
        """Whether somebody ended before he was looked at: he may have forked another."""
        self._processes: list[psutil.Process] = []
        self._groups: set[int] = set()

    def marked(self, run_id: str) -> None:
        """Stop whoever bears the run's token, the youngest first: they live shortest."""
        mark = process_tree.mark_of(run_id)
        for pid in sorted(psutil.pids(), reverse=True):
            try:
                if pid != os.getpid() and process_tree.bears(pid, mark):
                    self._seize(pid, lambda leader: process_tree.bears(leader, mark))
            except ProcessLookupError:
                self.missed = True

    def descending(self, pid: int, buried: set[int] | None = None) -> None:
        """Stop all descendants of a process, itself not. Those that have ended show their groups.

        `buried` are those of the ended that earlier sweeps of a parent that waits for none have seen.
        """
        known = set() if buried is None else buried
        try:
            found = psutil.Process(pid).children(recursive=True)
        except psutil.Error:
            return
        for process in found:
            with contextlib.suppress(ProcessLookupError, psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    self._seize(process.pid, lambda leader: True, not_of=pid)
                elif process.pid not in known:
                    known.add(process.pid)
                    self.missed = True
                    self._stop_group(process.pid, lambda leader: True, not_of=pid)

    def session(self, leader: ProcessId) -> None:
        """Stop what is left in a command's session and below it; nobody once the command itself is gone."""
        if leader.exists():
            self.descending(leader.pid)
            self.all_of(process_tree.session_of(leader))

    def all_of(self, processes: Iterable[psutil.Process]) -> None:
        """Stop these, all of them the run's, and with them their groups."""
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                self._seize(process.pid, lambda leader: True)

    def kill(self) -> None:
        """SIGKILL to everything that was stopped."""
        for process in self._processes:
            with contextlib.suppress(psutil.Error, OSError):
                process.kill()
        for group in self._groups:
            _signal_group(group, "SIGKILL")

    def _seize(self, pid: int, is_ours: Callable[[int], bool], not_of: int = 0) -> None:
        """Raises `ProcessLookupError` when it has gone; its group, if it had shown it, is stopped all the same."""
        self._stop_group(pid, is_ours, not_of)
        try:
            process = psutil.Process(pid)
            self.pids.add(pid)
            self._processes.append(process)
            process.suspend()
        except psutil.NoSuchProcess:
            raise ProcessLookupError from None
        except (psutil.Error, OSError):
            pass  # another user's, perhaps: it stays in `pids`, and that is what is said of it

    def _stop_group(self, pid: int, is_ours: Callable[[int], bool], not_of: int = 0) -> None:
        """Stop the group of the process, if it is the run's: its leader is gone, or is one of the run."""
        if sys.platform == "win32":
            return
        group = os.getpgid(pid)
        if group in self._groups or group in (os.getpgid(0), not_of and os.getpgid(not_of)):
            return
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            dead = psutil.Process(group).status() == psutil.STATUS_ZOMBIE
            if group != pid and not dead and not is_ours(group):
                return
        if _signal_group(group, "SIGSTOP"):
            self._groups.add(group)


def _signal_group(group: int, name: str) -> bool:
    if sys.platform == "win32":
        return False
    try:
        os.killpg(group, signal.Signals[name])
    except OSError:
        return False
    return True


def strike_until_gone(sweep: Callable[[Catch], None], patience_seconds: float) -> tuple[int, list[int]]:
    """Kill what `sweep` catches until two sweeps in a row find nobody, or patience ends.

    Returns how many different processes were struck, and the pids that are still there.
    """
    struck: set[int] = set()
    begun_at = time.monotonic()
    empty_sweeps = 0
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        catch = Catch()
        sweep(catch)
        catch.kill()
        passed_seconds = time.monotonic() - begun_at
        if not catch.pids and (not catch.missed or passed_seconds > _GLIMPSE_SECONDS):
            empty_sweeps += 1
            if empty_sweeps == 2:
                return len(struck), []
            continue
        if passed_seconds > patience_seconds:
            return len(struck | catch.pids), sorted(catch.pids)
        empty_sweeps = 0
        if catch.pids - struck or catch.missed:
            pause_seconds = _FIRST_PAUSE_SECONDS  # somebody new: there may be more where he came from
        struck |= catch.pids
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)


def kill_run_tree(
    run_id: str, command: ProcessId | None = None, patience_seconds: float = 5.0
) -> tuple[int, list[int]]:
    """End what is left of a run whose runner is dead. It blocks: call it off the event loop.

    Returns how many processes were struck, and the pids that could not be ended within `patience_seconds`.
    """

    def sweep(catch: Catch) -> None:
        if command is not None:
            catch.session(command)
        catch.marked(run_id)
        for pid in tuple(catch.pids):
            catch.descending(pid)

    return strike_until_gone(sweep, patience_seconds)
