"""What is said of a run whose runner died without a word."""

from __future__ import annotations

import hashlib

from hqserver.domain.run import Stream

from ..host_os import Moment
from .exit_record import ExitRecord, LogSummary
from .kill_request import KillRequest
from .runfolder import RunFolder

_SIGKILL = 9
_READ_BYTES = 1 << 20


def record_of_lost(folder: RunFolder, kill: KillRequest | None) -> ExitRecord:
    """What the dead runner would have written, as far as the folder and the daemon know it. It blocks.

    `kill` is what the daemon has asked for, where the disk was too full to hold it; None when it asked for nothing.
    """
    log = _summary(folder, Stream.STDOUT)
    split = Stream.STDERR in folder.streams()
    request = kill or folder.kill_request()
    pids = folder.pids()
    return ExitRecord(
        exit_code=1 if request is None else 128 + _SIGKILL,
        signal=0 if request is None else _SIGKILL,
        killed=request is not None,
        reason="the runner died" if request is None else request.reason or "killed",
        limit="" if request is None else request.limit,
        started_at=Moment.now() if pids is None else pids.started_at,
        ended_at=Moment.now(),
        log_size=log.size,
        log_hash=log.sha256,
        log_truncated=log.truncated,
        stderr=_summary(folder, Stream.STDERR) if split else None,
        progress=folder.progress(),
        cpu_seconds=0.0,
        max_memory_kb=0,
    )


def _summary(folder: RunFolder, stream: Stream) -> LogSummary:
    """Of a log that nobody has closed: the command may have printed more."""
    digest, size = hashlib.sha256(), 0
    while data := folder.read_log(size, _READ_BYTES, stream):
        digest.update(data)
        size += len(data)
    return LogSummary(size, digest.hexdigest(), truncated=True)
