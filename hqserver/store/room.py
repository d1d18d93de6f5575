"""Room on the disk, and the ballast that is thrown out when there is none (PROMISES P12).

A full disk refuses new work and nothing else: what clients report is written into the room that the ballast leaves.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from .trouble import is_full

_LOG = logging.getLogger(__name__)
BALLAST_BYTES = 16 * 1024 * 1024
_LEAST_TO_START = 4 * 1024 * 1024
_SMALL_LOG = 256 * 1024


class Room:
    """A file of so many bytes in the data folder, there as long as the disk is not full.

    Without a `ballast` nothing is kept in reserve, and every write finds out for itself.
    """

    def __init__(self, ballast: Path | None = None, size: int = BALLAST_BYTES):
        self._ballast = ballast
        self._size = size
        self.full = False
        """Whether new work is refused, because there was no room and there has been none since."""

    def prepare(self) -> None:
        """Before the database is opened: make the ballast, or throw it out where not even opening has room.

        Raises `OSError` where the disk fails.
        """
        if self._ballast is None:
            return
        if shutil.disk_usage(self._ballast.parent).free < _LEAST_TO_START:
            self.run_out()
        elif not self._make():
            self.full = True
            _LOG.error("the server's disk is nearly full: no new jobs are taken until there is room")

    def run_out(self) -> None:
        """The disk is full: throw out the ballast and take no new work."""
        if self._ballast is None:
            return
        if not self.full:
            self.full = True
            _LOG.error("the server's disk is full: no new jobs are taken until there is room")
        self._ballast.unlink(missing_ok=True)

    def left_for_log(self, size: int) -> bool:
        """Whether a log may grow to `size` bytes. On a full disk a large one leaves half of the ballast's room, a small
        one a quarter: a job that prints much keeps no other from ending, and logs keep no report out of the database.
        Raises `OSError`.
        """
        if self._ballast is None or not self.full:
            return True
        kept = self._size // (2 if size > _SMALL_LOG else 4)
        return shutil.disk_usage(self._ballast.parent).free > kept

    def look(self) -> None:
        """Take new work again where there is room for the ballast and as much more. Raises `OSError`."""
        if self._ballast is None or not (self.full or not self._ballast.exists()):
            return
        if shutil.disk_usage(self._ballast.parent).free >= 2 * self._size and self._make() and self.full:
            self.full = False
            _LOG.warning("there is room on the server's disk again: new jobs are taken")

    def _make(self) -> bool:
        assert self._ballast is not None
        if self._ballast.exists() and self._ballast.stat().st_size == self._size:
            return True
        try:
            with self._ballast.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, self._size)
                else:
                    for _ in range(self._size // (1024 * 1024)):
                        file.write(bytes(1024 * 1024))
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            self._ballast.unlink(missing_ok=True)
            if not is_full(problem):
                raise
            return False
        return True
