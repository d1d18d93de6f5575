"""The runner: the process that carries out one run, and needs neither daemon nor server to do so.

It holds the run folder's lock for its whole life and leaves the exit record there. `python -m
hqclient.daemon.runs.runner FOLDER` is one such process; where processes can fork, the launcher makes them faster.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ..host_os import Moment
from .command import Command
from .kill_request import KillRequest
from .process_tree import ProcessId, kill_run_tree
from .runfolder import ExitRecord, RunFolder

if sys.platform == "win32":
    from .windows_run import CommandRun, prepare_process
else:
    from .posix_run import CommandRun, prepare_process

__all__ = ["prepare_process", "run"]

_FARM_FAILED = 126
_SIGTERM = 15


def run(path: Path, wake: int, on_start: Callable[[], None] = lambda: None) -> bool:
    """Carry out the run whose folder is `path`; returns once nothing of it is left and its record is on disk.

    `wake` is what `prepare_process` returned. `on_start` is called once the command runs, or has failed to.
    Returns False when another runner has claimed the run, or it was forbidden: then nothing was started.
    Raises what went wrong in the runner itself, the record written: such a process must not run another.
    """
    folder = RunFolder(path)
    lock = folder.claim(ProcessId.own())
    if lock is None:
        return False
    started_at = Moment.now()
    try:
        kill = folder.kill_request()
        if kill is None:
            command = Command.of_order(folder.read_order() or {})
            record = CommandRun(folder, command, wake).execute(on_start)
        else:
            record = _record_without_command(folder, started_at, kill.reason, kill)
        folder.write_exit_record(record)
    except Exception as problem:  # without a record the run would count as lost, and nobody would know why
        kill_run_tree(folder.run_id)
        reason = f"the runner failed: {type(problem).__name__}: {problem}"
        folder.write_exit_record(_record_without_command(folder, started_at, reason, None))
        raise
    finally:
        os.close(lock)
    return True


def _record_without_command(folder: RunFolder, started_at: Moment, reason: str, kill: KillRequest | None) -> ExitRecord:
    log = folder.read_log(0, folder.log_size())
    return ExitRecord(
        exit_code=_FARM_FAILED if kill is None else 128 + _SIGTERM,
        signal=0 if kill is None else _SIGTERM,
        killed=kill is not None,
        reason=reason,
        limit="" if kill is None else kill.limit,
        started_at=started_at,
        ended_at=Moment.now(),
        log_size=len(log),
        log_hash=hashlib.sha256(log).hexdigest(),
        log_truncated=bool(log),
        progress=folder.progress(),
        cpu_seconds=0.0,
        max_memory_kb=0,
    )


def main() -> int:
    """Run the one folder named on the command line."""
    return 0 if run(Path(sys.argv[1]), prepare_process()) else 1


if __name__ == "__main__":
    sys.exit(main())
