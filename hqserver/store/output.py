"""Logs of runs: one file each, two where stderr is kept apart, appended by offset (PROMISES 2.6).

A file is found by the numbers of its job and run, never by a path from outside. It exists only once there is output.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hqserver.domain.crash import crash_point
from hqserver.domain.run import Stream

from .room import Room
from .trouble import is_full

_LOG = logging.getLogger(__name__)
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_JOBS_A_FOLDER = 1000
_ENDINGS = {Stream.STDOUT: "log", Stream.STDERR: "stderr.log"}
_STRIPES = 64


class OutputFiles:
    """The folder of logs. `room` is that of their disk, where its ballast is on the same one."""

    def __init__(self, folder: Path, room: Room | None = None):
        self.folder = folder
        self._room = room or Room()
        # Two beats of one client may overlap when the first timed out: an append is a check and a write.
        self._locks = tuple(threading.RLock() for _ in range(_STRIPES))

    def path(self, job_id: int, run_id: str, stream: Stream = Stream.STDOUT) -> Path:
        """Where the log of the run's stream is. Raises `ValueError` for anything that is not a run id."""
        if not _RUN_ID.fullmatch(run_id):
            raise ValueError(f"{run_id!r} is not the id of a run")
        return self.folder / str(job_id // _JOBS_A_FOLDER) / f"{job_id}-{run_id}.{_ENDINGS[stream]}"

    @contextmanager
    def alone(self, run_id: str) -> Iterator[None]:
        """Nobody else writes a log of the run for the length of the block. Not to be asked for in a transaction: who is
        in the block may wait for one."""
        with self._locks[int(run_id[:8], 16) % _STRIPES]:
            yield

    def append(self, job_id: int, run_id: str, offset: int, data: bytes, stream: Stream = Stream.STDOUT) -> int:
        """Append `data` if the log ends at `offset`; the offset at which the next piece is wanted.

        A piece that is there already, or that leaves a gap, changes nothing: the sender goes on where the answer says.
        Raises `OSError` where nothing of it could be written; of a part, the answer tells.
        """
        path = self.path(job_id, run_id, stream)
        with self.alone(run_id):
            size = self.size(job_id, run_id, stream)
            if offset != size or not data:
                return size
            crash_point("log_before_appended")
            if not self._room.left_for_log(size + len(data)):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            try:
                written = _append(path, data)
            except OSError as problem:
                if not is_full(problem):
                    raise
                self._room.run_out()
                written = _append(path, data)
            crash_point("log_appended")
            return size + written

    def put(self, job_id: int, run_id: str, data: bytes) -> None:
        """Make `data` the whole log of a run that gives it at once. Raises `OSError` where there is no room: then a
        part of it may be there, and nothing of what was before."""
        with self.alone(run_id):
            self.path(job_id, run_id).unlink(missing_ok=True)
            if self.append(job_id, run_id, 0, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def drop(self, job_id: int, run_id: str, stream: Stream) -> bool:
        """Forget what is stored of a log, which is to come again from its beginning; False where it cannot go."""
        try:
            with self.alone(run_id):
                self.path(job_id, run_id, stream).unlink(missing_ok=True)
        except OSError as problem:
            _LOG.error("the log of run %s of job %d cannot be removed: %s", run_id, job_id, problem)
            return False
        return True

    def sha256(self, job_id: int, run_id: str, stream: Stream) -> str:
        """The hash of the log as it is stored, in hex; "" where it cannot be read."""
        try:
            with self.path(job_id, run_id, stream).open("rb") as log:
                return hashlib.file_digest(log, "sha256").hexdigest()
        except OSError as problem:
            _LOG.error("the log of run %s of job %d cannot be read: %s", run_id, job_id, problem)
            return ""

    def remove(self, job_id: int, run_ids: Iterable[str]) -> None:
        """Remove these logs of a job that is gone. A log that is not there, or cannot go, is left alone."""
        for run_id in run_ids:
            try:
                for stream in Stream:
                    self.path(job_id, run_id, stream).unlink(missing_ok=True)
            except OSError as problem:
                _LOG.warning("the log of run %s of job %d, which is deleted, stays: %s", run_id, job_id, problem)

    def size(self, job_id: int, run_id: str, stream: Stream = Stream.STDOUT) -> int:
        """Bytes of the log that are here; 0 where nobody can say, which reading it logs."""
        try:
            return self.path(job_id, run_id, stream).stat().st_size
        except OSError:
            return 0

    def read(
        self, job_id: int, run_id: str, offset: int = 0, limit: int | None = None, stream: Stream = Stream.STDOUT
    ) -> bytes:
        """The log from `offset`; at most `limit` bytes, and none of a log that is gone or cannot be read."""
        try:
            with self.path(job_id, run_id, stream).open("rb") as log:
                log.seek(offset)
                return log.read() if limit is None else log.read(limit)
        except FileNotFoundError:
            return b""
        except OSError as problem:
            _LOG.error("the log of run %s of job %d cannot be read: %s", run_id, job_id, problem)
            return b""


def _append(path: Path, data: bytes) -> int:
    """How many bytes were appended: fewer where the disk became full."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o600)
    try:
        return os.write(descriptor, data)
    finally:
        os.close(descriptor)
