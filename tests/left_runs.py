"""Ending the runs that a test left: they outlive daemons, launchers and servers, for that is what runs are made for."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hqclient.daemon.runs.killing import force_kill
from hqclient.daemon.runs.runfolder import RunFolder


def end_left_runs(folder: Path) -> None:
    """End every run whose folder is in `folder`, or in a daemon's data folder at most two levels below it."""
    for pattern in ("runs/*", "*/runs/*", "*/*/runs/*"):
        for path in folder.glob(pattern):
            run = RunFolder(path)
            with contextlib.suppress(OSError):  # no run's folder, whatever its name
                if run.pids() is not None and run.exit_record() is None:
                    force_kill(run)
