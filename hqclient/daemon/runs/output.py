"""What a command prints: into logs of limited size, and past the patterns of progress and failure."""

from __future__ import annotations

import hashlib
import mmap
import os
import time

from hqserver.domain.run import Stream

from .exit_record import LogSummary
from .failures import Failure, FailurePattern, FailureScanner
from .progress import ProgressScanner
from .runfolder import RunFolder

MIN_LOG_LIMIT = 1024
_MAX_TAIL = 32 << 20
_MARKER_ROOM = 256
_SCAN_INTERVAL_SECONDS = 0.25


class BoundedLog:
    """An append-only log file of at most `limit` bytes (PROMISES 2.6).

    The first half goes to the file as it comes, so that it can be shipped while the command runs. Of what
    follows, the last half (at most 32 MB) is kept in memory and appended at the end, after a line that says how
    much was left out in between. A disk that refuses a write counts like a reached limit: the command goes on.
    """

    def __init__(self, path: str, limit: int) -> None:
        self._limit = max(limit, MIN_LOG_LIMIT)
        self._tail = _Tail(min((self._limit - _MARKER_ROOM) // 2, _MAX_TAIL))
        self._head_room = self._limit - _MARKER_ROOM - self._tail.capacity
        self._hash = hashlib.sha256()
        self._size = 0
        self._problem = ""
        self._descriptor = -1
        try:
            flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as problem:
            self._give_up(problem)

    def write(self, data: bytes) -> None:
        """Take what the command printed. Never raises, never waits for anything but the disk."""
        if self._head_room > 0:
            piece = data[: self._head_room]
            written = self._append(piece)
            self._head_room = 0 if self._problem else self._head_room - written
            data = data[written:]
        if data:
            self._tail.write(data)

    def close(self) -> LogSummary:
        """Append the tail, close the file, and say what is in it."""
        tail, dropped = self._tail.take()
        truncated = dropped > 0
        if truncated:
            tail = self._marker(dropped) + tail
        if tail and self._append(tail) < len(tail):
            truncated = True
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        return LogSummary(self._size, self._hash.hexdigest(), truncated)

    def _marker(self, dropped: int) -> bytes:
        why = self._problem or f"the log is limited to {self._limit} bytes"
        return f"\n[hqclient: {dropped} bytes of output are left out here: {why}]\n".encode()

    def _append(self, data: bytes) -> int:
        """Write to the file; returns how many bytes the disk took."""
        done = 0
        view = memoryview(data)
        while done < len(data) and self._descriptor >= 0:
            try:
                count = os.write(self._descriptor, view[done:])
            except OSError as problem:
                self._give_up(problem)
                break
            self._hash.update(view[done : done + count])
            done += count
        self._size += done
        return done

    def _give_up(self, problem: OSError) -> None:
        self._problem = f"they could not be written ({problem.strerror})"[: _MARKER_ROOM // 2]


class _Tail:
    """The last `capacity` bytes of a stream. Memory is taken as it fills."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._ring: mmap.mmap | None = None
        self._total = 0

    def write(self, data: bytes) -> None:
        if self._ring is None:
            self._ring = mmap.mmap(-1, self.capacity)
        self._total += len(data)
        kept = memoryview(data)[-self.capacity :]
        start = (self._total - len(kept)) % self.capacity
        first = min(len(kept), self.capacity - start)
        self._ring[start : start + first] = kept[:first]
        self._ring[: len(kept) - first] = kept[first:]

    def take(self) -> tuple[bytes, int]:
        """The bytes in order, and how many came before them and are gone. Empties the ring."""
        if self._ring is None:
            return b"", 0
        if self._total <= self.capacity:
            content = self._ring[: self._total]
        else:
            start = self._total % self.capacity
            content = self._ring[start:] + self._ring[:start]
        self._ring.close()
        self._ring = None
        return content, max(0, self._total - self.capacity)


class RunOutput:
    """Takes all a command prints: logs it, and a few times a second looks for progress and failures in it.

    Where its streams are split, each has a log, and each log the whole limit.
    """

    def __init__(
        self,
        folder: RunFolder,
        log_limit: int,
        patterns: tuple[str, ...],
        failure_patterns: tuple[FailurePattern, ...] = (),
        *,
        split: bool = False,
    ) -> None:
        self._folder = folder
        self._log = BoundedLog(folder.log_path, log_limit)
        self._stderr = BoundedLog(folder.stderr_path, log_limit) if split else None
        self._scanner = ProgressScanner(patterns)
        self._failures = FailureScanner(failure_patterns)
        self._next_scan_at = 0.0
        self.progress = 0.0

    def feed(self, data: bytes, stream: Stream = Stream.STDOUT) -> None:
        """Take a piece of output as it came through the stream's pipe."""
        log = self._stderr if stream is Stream.STDERR and self._stderr is not None else self._log
        log.write(data)
        self._scanner.feed(data, stream)
        self._failures.feed(data, stream)
        if time.monotonic() >= self._next_scan_at:
            self.scan()

    @property
    def failure(self) -> Failure | None:
        """The failure that was found in the output so far."""
        return self._failures.found

    @property
    def _pending(self) -> bool:
        return self._scanner.pending or self._failures.pending

    def say(self, sentence: str) -> None:
        """Add a line of the farm's own to the log of stdout."""
        self._log.write(f"{sentence}\n".encode("utf-8", "replace"))

    def seconds_to_scan(self) -> float | None:
        """When `scan` should be called at the latest, None when there is nothing to look at."""
        return max(0.0, self._next_scan_at - time.monotonic()) if self._pending else None

    def scan(self) -> None:
        """Look for progress and failures in what has come since the last look."""
        if not self._pending:
            return
        self._next_scan_at = time.monotonic() + _SCAN_INTERVAL_SECONDS
        found = self._scanner.scan()
        if self._failures.pending:
            self._failures.scan()
        for complaint in (*self._scanner.complaints(), *self._failures.complaints()):
            self.say(f"[hqclient: {complaint}]")
        if found is not None and found != self.progress:
            self.progress = found
            self._folder.write_progress(found)

    def close(self) -> tuple[LogSummary, LogSummary | None]:
        """The last look at the output, then the end of the log, and of that of stderr where it has one."""
        self._scanner.end_line()
        self._failures.end_line()
        self.scan()
        return self._log.close(), None if self._stderr is None else self._stderr.close()
