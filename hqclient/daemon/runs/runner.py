"""The runner: the process that carries out one run, and needs neither daemon nor server to do so.

It holds the run folder's lock for its whole life and leaves the exit record there. `python -m
hqclient.daemon.runs.runner FOLDER [CGROUP]` is one such process; where processes can fork, the launcher makes them
faster.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from hqserver.domain.crash import crash_point
from hqserver.domain.run import Stream

from ..host_os import Moment
from ..limits import Limits
from .cgroups import Cgroup
from .command import Command
from .exit_record import LogSummary
from .kill_request import KillRequest
from .process_tree import ProcessId
from .runfolder import ExitRecord, RunFolder
from .striking import kill_run_tree
from .watchdog import lease_left_seconds

if sys.platform == "win32":
    from .windows_run import CommandRun, prepare_process
else:
    from .posix_process import prepare_process
    from .posix_run import CommandRun

__all__ = ["prepare_process", "run"]

_FARM_FAILED = 126
_SIGTERM = 15


def run(path: Path, wake: int, on_start: Callable[[], None] = lambda: None, cgroup: str = "") -> bool:
    """Carry out the run whose folder is `path`; returns once nothing of it is left and its record is on disk.

    `wake` is what `prepare_process` returned. `on_start` is called once the command runs, or has failed to.
    `cgroup` is the path of the control group that this process lives in alone, "" when it has none of its own.
    Returns False when another runner has claimed the run, or it was forbidden: then nothing was started.
    Raises what went wrong in the runner itself, the record written: such a process must not run another.
    """
    folder = RunFolder(path)
    lock = folder.claim(ProcessId.own(), cgroup)
    if lock is None:
        return False
    crash_point("run_claimed")
    started_at = Moment.now()
    try:
        kill = folder.kill_request() or _lease_is_over(folder)
        if kill is None:
            command = Command.of_order(folder.read_order() or {})
            record = CommandRun(folder, command, wake, cgroup).execute(on_start)
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


def _lease_is_over(folder: RunFolder) -> KillRequest | None:
    """Why the run must not begin any more, None when it may."""
    limits = Limits.of_order(folder.read_order() or {})
    return limits.lease_is_over() if lease_left_seconds(folder, limits.lease_seconds)[0] <= 0 else None


def _record_without_command(folder: RunFolder, started_at: Moment, reason: str, kill: KillRequest | None) -> ExitRecord:
    logs = {stream: _summary(folder, stream) for stream in folder.streams()}
    log = logs[Stream.STDOUT]
    return ExitRecord(
        exit_code=_FARM_FAILED if kill is None else 128 + _SIGTERM,
        signal=0 if kill is None else _SIGTERM,
        killed=kill is not None,
        reason=reason,
        limit="" if kill is None else kill.limit,
        started_at=started_at,
        ended_at=Moment.now(),
        log_size=log.size,
        log_hash=log.sha256,
        log_truncated=log.truncated,
        stderr=logs.get(Stream.STDERR),
        progress=folder.progress(),
        cpu_seconds=0.0,
        max_memory_kb=0,
    )


def _summary(folder: RunFolder, stream: Stream) -> LogSummary:
    log = folder.read_log(0, folder.log_size(stream), stream)
    return LogSummary(len(log), hashlib.sha256(log).hexdigest(), truncated=bool(log))


def main() -> int:
    """Run the one folder named on the command line, in the control group that may be named after it."""
    folder, *cgroup = sys.argv[1:]
    if cgroup:
        Cgroup(Path(*cgroup)).enter()
    return 0 if run(Path(folder), prepare_process(), cgroup="".join(cgroup)) else 1


if __name__ == "__main__":
    sys.exit(main())
