"""Large bodies and answers, which wait on the disk: memory is for what is worked on (PROMISES P10, 6.1).

A file of a spool has no name and is gone with the process. One spool holds no more than so many bytes and files,
however many connections it serves.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PIECE = 64 * 1024
"""Bytes that are read at a time."""


class NoRoom(Exception):
    """Others hold all that may be held at once: to be tried again."""


class Spool:
    """Files for at most `most_bytes` in all, `most_files` at once, in `folder` (None: where temporary files are)."""

    def __init__(self, folder: Path | None = None, *, most_bytes: int, most_files: int = 128) -> None:
        self.folder = folder
        self._most_bytes, self._most_files = most_bytes, most_files
        self._bytes = self._files = 0
        self._lock = threading.Lock()  # bodies come in on the event loop, answers are written by workers

    @property
    def held(self) -> int:
        """Bytes that are held now."""
        return self._bytes

    def open(self) -> Spooled:
        """An empty file. Raises `NoRoom`, and `OSError` where the disk makes none."""
        with self._lock:
            if self._files >= self._most_files:
                raise NoRoom
            self._files += 1
        try:
            file = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115  # `Spooled` closes it
        except BaseException:
            self._give_back(0)
            raise
        return Spooled(self, file)

    def _take(self, count: int) -> None:
        with self._lock:
            if self._bytes + count > self._most_bytes:
                raise NoRoom
            self._bytes += count

    def _give_back(self, count: int) -> None:
        with self._lock:
            self._files -= 1
            self._bytes -= count


class Spooled:
    """Bytes in a file: written once from the front, then read in pieces, from any thread."""

    def __init__(self, spool: Spool, file: BinaryIO) -> None:
        self.spool = spool
        self._file = file
        self._size = self._taken = 0

    def __len__(self) -> int:
        return self._size

    def write(self, data: bytes) -> None:
        """Append. Raises `NoRoom` where others hold too much, `OSError` where the disk does not take it all; then it
        has what it had before."""
        self.spool._take(len(data))
        self._taken += len(data)
        done = 0
        while done < len(data):
            done += os.pwrite(self._file.fileno(), memoryview(data)[done:], self._size + done)
        self._size += done

    def pieces(self) -> Iterator[bytes]:
        """All of it, from the front, in pieces of at most `PIECE` bytes."""
        for start in range(0, self._size, PIECE):
            yield os.pread(self._file.fileno(), PIECE, start)

    def close(self) -> None:
        """Give file and room back. Closing twice does no harm."""
        if not self._file.closed:
            self._file.close()
            self.spool._give_back(self._taken)

    def __del__(self) -> None:
        self.close()  # what a task that was cancelled leaves behind


class Growing:
    """Bytes that come piece by piece: in memory up to `in_memory` of them, beyond that in a file of the spool.

    Without a `spool` they stay in memory.
    """

    def __init__(self, spool: Spool | None, in_memory: int) -> None:
        self._spool, self._in_memory = spool, in_memory
        self._pieces: list[bytes] = []
        self._size = 0
        self._file: Spooled | None = None

    def write(self, data: bytes) -> None:
        """Append. Raises `NoRoom` and `OSError`, and then has what it had before."""
        if self._file is None and self._spool is not None and self._size + len(data) > self._in_memory:
            self._file = self._spool.open()
            self._file.write(b"".join(self._pieces))
            self._pieces.clear()
        if self._file is not None:
            self._file.write(data)
        else:
            self._pieces.append(data)
        self._size += len(data)

    def stay_in_memory(self) -> None:
        """Take back from the file what is there, and use it no more."""
        if self._file is not None:
            if not self._pieces:
                self._pieces = list(self._file.pieces())
            self._file.close()
        self._file = self._spool = None

    def drop(self) -> None:
        """Forget everything."""
        if self._file is not None:
            self._file.close()
        self._file, self._size = None, 0
        self._pieces.clear()

    def take(self) -> bytes | Spooled:
        """All of it."""
        return self._file if self._file is not None else b"".join(self._pieces)


def in_pieces(data: bytes | Spooled) -> Iterator[bytes]:
    """The bytes, wherever they are, in pieces of at most `PIECE`."""
    if isinstance(data, Spooled):
        yield from data.pieces()
    else:
        for start in range(0, len(data), PIECE):
            yield data[start : start + PIECE]
