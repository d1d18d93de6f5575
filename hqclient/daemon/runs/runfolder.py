"""The folder of one run: what it needs and what is known of it outlives daemon and runner here.

order.json   the start order, environment complete
record       who runs the command, and the exit record; its runner keeps it locked for its whole life
log          standard output and error of the command, append only
stderr       standard error, where the order wants it apart from `log` (`splitOutput`), append only
progress     0.000000 .. 1.000000, rewritten in place
kill         there when the run is to be ended; says why
pauses       there once the run has been paused; says how long, and since when it is (`pauses`)
lease        there for a run with a strict lease; says until when it may live, rewritten in place (`lease`)
cwd/         where the command runs; goes with the folder

`record` has its room on the disk from the start, so that a full disk can lose neither half of it: 4 KB that say who has
claimed the run (all zero while nobody has), and 4 KB for the exit record. Both name the run, because a folder is used
again and a power failure could bring back what an earlier run wrote.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any, NamedTuple

from hqserver.domain.crash import crash_point
from hqserver.domain.run import Stream

from .. import host_os
from ..host_os import Moment
from .exit_record import EXIT_RECORD_SIZE, ExitRecord
from .kill_request import KillRequest
from .process_tree import ProcessId

__all__ = ["ExitRecord", "Pids", "RunFolder", "Standing"]

_CLAIM_SIZE = 4096
_RECORD_SIZE = _CLAIM_SIZE + EXIT_RECORD_SIZE
_FORBIDDEN = "forbidden"
_REUSABLE = {"order.json", "record", "log", "stderr", "progress", "cwd"}


class Standing(Enum):
    """What can be said of a run from its folder alone."""

    WAITING = auto()
    """Never started, and may be."""
    FORBIDDEN = auto()
    """Never started, and never will be."""
    RUNNING = auto()
    """Its runner is alive."""
    ENDED = auto()
    """It ended and left an exit record."""
    LOST = auto()
    """It was started, but its runner died without an exit record. Parts of its tree may be alive."""


class Pids(NamedTuple):
    """The processes of a started run, and when it started; `command` is None when it could not be started.

    `cgroup` is the path of its control group, "" when it has none.
    """

    runner: ProcessId
    command: ProcessId | None
    started_at: Moment
    cgroup: str = ""


class RunFolder:
    """One run's folder. It holds nothing in memory: any process may make its own object of the same folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id = path.name
        # Plain text: objects of this class are made by the thousand, and joining Paths is slow.
        inside = str(path) + os.sep
        self.log_path = inside + "log"
        self.stderr_path = inside + "stderr"
        self.working_directory = inside + "cwd"
        self._order_path = inside + "order.json"
        self._record_path = inside + "record"
        self.pauses_path = inside + "pauses"
        self.lease_path = inside + "lease"
        self._kill_path = inside + "kill"
        self._progress_path = inside + "progress"

    def prepare(self, order: Mapping[str, Any]) -> None:
        """For `RunFolders`: write the order and take the room for the record. The folder is there, new or recycled."""
        with _opened(self._record_path, os.O_CREAT | os.O_RDWR) as descriptor:
            if os.fstat(descriptor).st_size != _RECORD_SIZE:
                host_os.preallocate(descriptor, _RECORD_SIZE)
        with contextlib.suppress(FileExistsError):
            Path(self.working_directory).mkdir(mode=0o700)
        text = json.dumps(order).encode("ascii")
        with _opened(self._order_path, os.O_CREAT | os.O_WRONLY) as descriptor:
            rest = text
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            # Cut at the end, not at the beginning: ext4 flushes a file that was emptied before it was written.
            os.ftruncate(descriptor, len(text))

    def recycle(self) -> bool:
        """For `RunFolders`: make the folder as good as new. False when it holds anything that is not ours.

        A new file is dear on ext4 once thousands have been deleted in the last minutes, as a farm of short runs does
        (0.3 ms each, measured); a used one is not.
        """
        try:
            with _opened(self._record_path, os.O_RDWR) as descriptor:
                if not host_os.lock(descriptor, wait=False):
                    return False
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, bytes(_RECORD_SIZE))
            for path in (self._kill_path, self.pauses_path, self.lease_path):
                Path(path).unlink(missing_ok=True)
            names = {path.name for path in self.path.iterdir()}
            for path in (self.log_path, self.stderr_path, self._progress_path):
                if Path(path).name in names and Path(path).stat().st_size:
                    os.truncate(path, 0)
            working_directory = Path(self.working_directory)
            untouched = stat.S_IMODE(working_directory.stat().st_mode) == 0o700
            untouched = untouched and not any(working_directory.iterdir())
            return untouched and names <= _REUSABLE
        except OSError:
            return False

    def read_order(self) -> dict[str, Any] | None:
        """The start order, None when a crash kept it from being written whole: then the run was never started."""
        try:
            with _opened(self._order_path, os.O_RDONLY) as descriptor:
                order = json.loads(os.read(descriptor, os.fstat(descriptor).st_size))
        except (OSError, ValueError):
            return None
        return order if isinstance(order, dict) and order.get("run") == self.run_id else None

    def standing(self) -> Standing:
        """What the folder says of the run now."""
        # In this order: a runner claims under the lock, and writes the exit record before it lets go of it.
        claim = self._read_claim()
        if self.is_alive():
            return Standing.RUNNING
        if not claim:
            return Standing.WAITING
        if claim == [_FORBIDDEN]:
            return Standing.FORBIDDEN
        return Standing.LOST if self.exit_record() is None else Standing.ENDED

    def is_alive(self) -> bool:
        """Whether the run's runner lives."""
        try:
            with _opened(self._record_path, os.O_RDWR) as descriptor:
                return host_os.is_locked(descriptor)
        except FileNotFoundError:
            return False

    def claim(self, runner: ProcessId, cgroup: str = "") -> int | None:
        """For the runner: take the run. Returns the locked descriptor to keep open, None when it was claimed before.

        A run is started at most once, because what one wrote here under the lock the next one finds.
        """
        descriptor = os.open(self._record_path, os.O_RDWR)
        try:
            host_os.lock(descriptor, wait=True)
            if self._read_claim():
                os.close(descriptor)
                return None
            self.write_pids(Pids(runner, None, Moment.now(), cgroup))
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def forbid_start(self) -> bool:
        """Make sure that no runner can start the run any more. False when one has started it already."""
        with _opened(self._record_path, os.O_CREAT | os.O_RDWR) as descriptor:
            while not host_os.lock(descriptor, wait=False):
                if self._read_claim():
                    return False
                time.sleep(0.001)  # somebody looks, or claims it at this very moment
            claim = self._read_claim()
            if not claim:
                self._write_claim([_FORBIDDEN])
            return not claim or claim == [_FORBIDDEN]

    def write_pids(self, pids: Pids) -> None:
        """For the runner: say who runs the command."""
        processes = (pids.runner, pids.command)
        claim = [None if process is None else [process.pid, process.start] for process in processes]
        self._write_claim([*claim, list(pids.started_at), pids.cgroup])

    def pids(self) -> Pids | None:
        """Who runs the command, None before that is known."""
        try:
            runner, command, started_at, *cgroup = self._read_claim()
            known = None if command is None else ProcessId(*command)
            return Pids(ProcessId(*runner), known, Moment(*started_at), *map(str, cgroup))
        except (ValueError, TypeError):
            return None

    def write_exit_record(self, record: ExitRecord) -> None:
        """For the runner: write the exit record into the room made for it, and to the disk."""
        with _opened(self._record_path, os.O_RDWR) as descriptor:
            os.lseek(descriptor, _CLAIM_SIZE, os.SEEK_SET)
            os.write(descriptor, record.encode(self.run_id))
            crash_point("exit_record_written")
            os.fsync(descriptor)
        crash_point("exit_record_synced")

    def exit_record(self) -> ExitRecord | None:
        """How the run ended, None while no whole record is there."""
        return ExitRecord.decode(self._read_record(_CLAIM_SIZE, EXIT_RECORD_SIZE), self.run_id)

    def _read_claim(self) -> list[Any]:
        """What the one who claimed this run wrote, [] while nobody has."""
        try:
            run_id, *claim = json.loads(self._read_record(0, _CLAIM_SIZE).rstrip(b"\0"))
        except (ValueError, TypeError):
            return []
        return claim if run_id == self.run_id else []

    def _write_claim(self, claim: list[Any]) -> None:
        with _opened(self._record_path, os.O_WRONLY) as descriptor:
            os.write(descriptor, json.dumps([self.run_id, *claim]).encode("ascii").ljust(_CLAIM_SIZE, b"\0"))

    def _read_record(self, offset: int, size: int) -> bytes:
        try:
            with _opened(self._record_path, os.O_RDONLY) as descriptor:
                os.lseek(descriptor, offset, os.SEEK_SET)
                return os.read(descriptor, size)
        except FileNotFoundError:
            return b""

    def request_kill(self, request: KillRequest) -> None:
        """Have the runner end the whole tree. The request outlives the daemon; asking again changes nothing.

        The signal says only "look": a runner that serves another run by now looks into that run's folder.
        (On Windows, where such a signal would be the end of it, the runner looks by itself.)
        Raises `OSError` when the disk is too full even for an empty file.
        """
        with _opened(self._kill_path, os.O_CREAT | os.O_WRONLY) as descriptor:
            if os.fstat(descriptor).st_size == 0:
                with contextlib.suppress(OSError):
                    os.write(descriptor, request.encode())
        pids = self.pids()
        if pids is not None and self.is_alive() and not host_os.WINDOWS:
            pids.runner.send(signal.SIGTERM)

    def kill_request(self) -> KillRequest | None:
        """Why the run is to be ended, None when it is not."""
        try:
            with _opened(self._kill_path, os.O_RDONLY) as descriptor:
                return KillRequest.decode(os.read(descriptor, os.fstat(descriptor).st_size))
        except FileNotFoundError:
            return None

    def streams(self) -> tuple[Stream, ...]:
        """The streams that have a log of their own here."""
        order = self.read_order()
        return tuple(Stream) if order and order.get("splitOutput") else (Stream.STDOUT,)

    def log_size(self, stream: Stream = Stream.STDOUT) -> int:
        """Bytes of the stream's log so far."""
        try:
            return Path(self.path_of(stream)).stat().st_size
        except FileNotFoundError:
            return 0

    def read_log(self, offset: int, limit: int, stream: Stream = Stream.STDOUT) -> bytes:
        """At most `limit` bytes of the stream's log from `offset`, b"" at its end."""
        try:
            with _opened(self.path_of(stream), os.O_RDONLY) as descriptor:
                os.lseek(descriptor, offset, os.SEEK_SET)
                return os.read(descriptor, limit)
        except FileNotFoundError:
            return b""

    def path_of(self, stream: Stream) -> str:
        """Where the stream's log is, where it has one."""
        return self.log_path if stream is Stream.STDOUT else self.stderr_path

    def write_progress(self, progress: float) -> None:
        """For the runner: the new progress. It has a fixed width, so that a reader never meets half a number."""
        with (
            contextlib.suppress(OSError),
            _opened(self._progress_path, os.O_CREAT | os.O_WRONLY) as descriptor,
        ):
            os.write(descriptor, b"%.6f\n" % progress)

    def progress(self) -> float:
        """How far the command says it is, 0.0 .. 1.0."""
        try:
            with _opened(self._progress_path, os.O_RDONLY) as descriptor:
                return float(os.read(descriptor, 16))
        except (OSError, ValueError):
            return 0.0


@contextlib.contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
