"""The outbox: an append-only file of what must survive the daemon, written and synced in groups.

It answers two questions after a crash: which run ids were ever accepted (each is started at most once), and
which reports has the server not acknowledged. Each line is a CRC-32 and a JSON array; a line that does not
match, such as the torn last one of a crash, is left out. Writing happens on one thread of its own: what
arrives while it waits for the disk goes into the next group (PROMISES 2.3).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Report = dict[str, Any]
"""A report as it is kept: JSON values only; `id`, `run` and `kind` are always there."""

_log = logging.getLogger(__name__)

_REMEMBERED = 10_000
_SLACK_LINES = 4_096


@dataclass(frozen=True)
class Accepted:
    """The run's start order has arrived: from now on the id is never started a second time."""

    run: str


@dataclass(frozen=True)
class Queued:
    """The report waits for the server."""

    report: Report


@dataclass(frozen=True)
class Settled:
    """The server has the run's report or does not want it; the id is only remembered among the last ones."""

    run: str


Entry = Accepted | Queued | Settled


@dataclass
class Ledger:
    """What the entries add up to: the runs not settled, the last ones that are, and the reports that wait.

    All in order; a run has one report at most, for its `started` is not kept.
    """

    held: dict[str, None] = field(default_factory=dict)
    settled: dict[str, None] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)

    def apply(self, entry: Entry) -> None:
        """Take one entry in. Any order and any repetition is fine."""
        match entry:
            case Accepted(run):
                if run not in self.settled:
                    self.held[run] = None
            case Queued(report):
                self.reports[str(report["run"])] = report
            case Settled(run):
                self.held.pop(run, None)
                self.reports.pop(run, None)
                self.settled[run] = None
                while len(self.settled) > _REMEMBERED:
                    del self.settled[next(iter(self.settled))]

    def entries(self) -> list[Entry]:
        """The shortest list of entries that adds up to this ledger."""
        return [
            *(Settled(run) for run in self.settled),
            *(Accepted(run) for run in self.held),
            *(Queued(report) for report in self.reports.values()),
        ]


class Outbox:
    """One daemon's outbox. Open it, read `ledger` once, then `write`; all from one event loop."""

    def __init__(self, path: Path) -> None:
        """Read the file at `path`, or begin one. Raises `OSError`."""
        self.ledger = Ledger()
        self._path = path
        self._lines = 0
        self._size = 0
        damaged = self._read()
        self._descriptor = _open(path)
        if damaged or self._is_mostly_dead():
            self._compact()
        self._waiting: list[tuple[Sequence[Entry], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")

    async def write(self, *entries: Entry) -> None:
        """Return once the entries are on disk. Raises `OSError` when they cannot be written: then none of
        them is."""
        done = self.post(*entries)
        await done

    def post(self, *entries: Entry) -> asyncio.Future[None]:
        """Have the entries written with the next group; the future ends when they are on disk."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((entries, done))
        if self._writer is None:
            self._writer = loop.create_task(self._write_groups())
        return done

    async def close(self) -> None:
        """Write what waits, then close the file."""
        while self._writer is not None:
            await self._writer
        self._thread.shutdown()
        os.close(self._descriptor)

    async def _write_groups(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                entries = [entry for some, _ in group for entry in some]
                problem: OSError | None = None
                try:
                    await loop.run_in_executor(self._thread, self._append, entries)
                except OSError as error:
                    problem = error
                for _, done in group:
                    if done.cancelled():
                        continue
                    if problem is None:
                        done.set_result(None)
                    else:
                        done.set_exception(problem)
        finally:
            self._writer = None

    def _append(self, entries: Sequence[Entry]) -> None:
        lines = _lines(entries)
        try:
            _write_synced(self._descriptor, lines)
        except OSError:
            self._take_back()
            raise
        self._size += len(lines)
        self._lines += len(entries)
        for entry in entries:
            self.ledger.apply(entry)
        if self._is_mostly_dead():
            self._compact()

    def _take_back(self) -> None:
        """Cut off what a failed write may have left, so that the next line starts on a line of its own."""
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            pass  # the line stays torn and its CRC tells; the next start compacts it away

    def _is_mostly_dead(self) -> bool:
        live = len(self.ledger.held) + len(self.ledger.settled) + len(self.ledger.reports)
        return self._lines > 2 * live + _SLACK_LINES

    def _compact(self) -> None:
        """Put a new file with nothing but the ledger in the old one's place.

        A failure, such as a full disk, leaves the old file in use: it is longer and says the same.
        """
        entries = self.ledger.entries()
        lines = _lines(entries)
        fresh = self._path.with_suffix(".new")
        try:
            descriptor = _open(fresh, os.O_TRUNC)
            try:
                _write_synced(descriptor, lines)
            finally:
                os.close(descriptor)
            os.close(self._descriptor)  # Windows replaces no open file
            try:
                fresh.replace(self._path)
                _sync_folder(self._path.parent)
                self._size, self._lines = len(lines), len(entries)
            finally:
                self._descriptor = _open(self._path)
        except OSError:
            _log.warning("the outbox could not be compacted", exc_info=True)

    def _read(self) -> bool:
        """Fill the ledger from the file; true when some of it could not be read."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return False
        self._size = len(content)
        damaged = bool(content) and not content.endswith(b"\n")
        for line in content.split(b"\n"):
            if not line:
                continue
            entry = _parse(line)
            if entry is None:
                damaged = True
                continue
            self._lines += 1
            self.ledger.apply(entry)
        return damaged


def _lines(entries: Iterable[Entry]) -> bytes:
    return b"".join(_line(entry) for entry in entries)


def _line(entry: Entry) -> bytes:
    match entry:
        case Accepted(run):
            content: list[object] = ["accepted", run]
        case Queued(report):
            content = ["report", report]
        case Settled(run):
            content = ["settled", run]
    text = json.dumps(content, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parse(line: bytes) -> Entry | None:
    crc, _, text = line.partition(b" ")
    if crc != b"%08x" % zlib.crc32(text):
        return None
    match json.loads(text):
        case ["accepted", str(run)]:
            return Accepted(run)
        case ["report", {"id": str(), "run": str(), "kind": str(), **_rest} as report]:
            return Queued(report)
        case ["settled", str(run)]:
            return Settled(run)
    return None


def _open(path: Path, extra: int = 0) -> int:
    """A descriptor that appends to `path`, which only its owner may read."""
    existed = path.exists()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags | extra, 0o600)
    if not existed:
        _sync_folder(path.parent)
    return descriptor


def _write_synced(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    getattr(os, "fdatasync", os.fsync)(descriptor)  # macOS and Windows have no fdatasync


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # Windows cannot open a folder; NTFS journals the rename itself
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
