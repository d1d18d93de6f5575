"""Stopping a run's whole tree in place and letting it go on (CONTRACT 3.5). All of it blocks.

It is the daemon's work and not the runner's: the runner goes on reading what the command has printed.
"""

from __future__ import annotations

import logging

import psutil

from hqserver.domain.crash import crash_point

from .. import host_os
from . import process_tree
from .halting import halt, let_go
from .pauses import note_pause, note_resume
from .runfolder import RunFolder

_log = logging.getLogger(__name__)


def pause(folder: RunFolder, patience_seconds: float = 5.0) -> list[int]:
    """Stop every process of the run. Returns the pids that could not be stopped in time: call again later.

    A run that has ended, or is to end, is left alone.
    """
    if folder.kill_request() is not None or not folder.is_alive():
        return []
    try:
        note_pause(folder)
    except OSError as problem:
        # Only the time it is paused is lost, should the daemon end before the run goes on.
        _log.error("run %s: that it is paused cannot be written down: %s", folder.run_id, problem)
    crash_point("pause_marked")
    tree = _RunTree(folder)
    left = halt(tree, patience_seconds)
    crash_point("pause_stopped")
    if folder.kill_request() is not None:
        # It came meanwhile: what was stopped after it needs to go on, or its handlers of SIGTERM could not run.
        let_go(tree.members)
        return []
    return left


def resume(folder: RunFolder) -> None:
    """Let every process of the run go on, whether it was paused or not."""
    let_go(_RunTree(folder).members)
    crash_point("resume_woken")
    try:
        note_resume(folder)
        crash_point("resume_marked")
    except OSError as problem:
        _log.error("run %s: that it goes on cannot be written down: %s", folder.run_id, problem)


class _RunTree:
    """`halting.Tree` of one run."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._pids = folder.pids()
        self._descendants: set[psutil.Process] = set()

    def look(self) -> list[psutil.Process]:
        """Nobody, once the run is to end: those who are to stop and those who are to hear that would be the same."""
        if self._pids is None or self._pids.command is None or self._folder.kill_request() is not None:
            return []
        members = self.members()
        # After the living: whoever ended before he was looked at is here, or counted as buried.
        ended = process_tree.unburied(self._pids.runner.pid)
        if not self._folder.is_alive():
            return []
        self._descendants.update(ended)
        return process_tree.union(members, ended)

    def owns_group_of(self, process: psutil.Process) -> bool:
        """A command begins a session of its own: whoever descends from it is among his like."""
        return process in self._descendants

    def count_ended(self) -> int:
        """Processes that lose their parent come to the runner (on Linux), which buries them."""
        return 0 if self._pids is None else host_os.buried(self._pids.runner.pid)

    def members(self) -> list[psutil.Process]:
        """The living of the tree, none once its runner does not serve the run any more."""
        if self._pids is None:
            return []
        self._descendants = set(process_tree.descendants(self._pids.runner.pid))
        found = process_tree.union(
            self._descendants,
            [] if self._pids.command is None else process_tree.session_of(self._pids.command),
            process_tree.carriers(self._folder.run_id),
        )
        # Looked at last: a runner that has let go of this run may have begun another, whose processes these would be.
        return found if self._folder.is_alive() else []
