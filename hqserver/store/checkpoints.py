"""When the write-ahead log is folded into the database's file.

SQLite would do so by itself within a commit and keep to itself that it failed. After an I/O error the server must end
(PROMISES 1.4), so the writer does it here, where the error is heard.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from .opening import wal_of

_LOG = logging.getLogger(__name__)
_COMMITS, _GROWTH = 256, 4 * 1024 * 1024
_ALARM = 64 * 1024 * 1024
"""Bytes beyond which somebody must be reading for too long."""


class Checkpoints:
    """Counts commits; after so many, or when the log has grown by so much, it is folded in."""

    def __init__(self, path: Path):
        self._log = wal_of(path)
        self._commits = 0
        self._size = 0
        self._alarmed = False

    def after_commit(self, writer: sqlite3.Connection) -> None:
        """Fold the log in if it is time to. Raises `sqlite3.Error`. Called by the writer alone."""
        self._commits += 1
        if self._commits < _COMMITS and self._log.stat().st_size < self._size + _GROWTH:
            return
        self._commits = 0
        _, pages, folded = writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._size = self._log.stat().st_size
        held = self._size > _ALARM and folded < pages
        if held and not self._alarmed:
            _LOG.error("the database's write-ahead log has %d MB: something reads for too long", self._size >> 20)
        self._alarmed = held

    def fold_all_in(self, writer: sqlite3.Connection) -> bool:
        """Fold the whole log in and cut it to nothing; False where somebody reads what is only there at this moment.

        Raises `sqlite3.Error`. Called by the writer alone, which does not wait for readers.
        """
        waits = writer.execute("PRAGMA busy_timeout").fetchone()[0]
        writer.execute("PRAGMA busy_timeout=0")
        try:
            busy = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            writer.execute(f"PRAGMA busy_timeout={waits}")
        self._size = self._log.stat().st_size
        return not busy
