"""Giving the space of deleted rows back to the disk, a little in each transaction (CONTRACT 10, Keeping).

`VACUUM` would hold the writer for as long as it takes to write the whole file anew. A file with `auto_vacuum` of
`INCREMENTAL` knows who refers to each page, so that a few pages from its end can be moved into free places, and the
end be cut off, between two commits.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from pathlib import Path

from .room import BALLAST_BYTES
from .trouble import is_full

_LOG = logging.getLogger(__name__)
_NO_ROOM = "the database cannot give space back: there is too little room for writing its %d MB anew, once"
_INCREMENTAL = 2
_PAGES_AT_ONCE, _PAGES_A_SLICE = 16, 512
_TEXT_PAGES_AT_ONCE = 16


def prepare(connection: sqlite3.Connection) -> None:
    """Before anything else is done to the file: one that is still empty keeps from its first page on what giving
    space back needs. Does nothing to another."""
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")


def can_shrink(connection: sqlite3.Connection) -> bool:
    """Whether the file keeps what giving space back needs."""
    return int(connection.execute("PRAGMA auto_vacuum").fetchone()[0]) == _INCREMENTAL


def let_shrink(connection: sqlite3.Connection, path: Path) -> None:
    """Before anything is served: write the file of a server that did not `prepare` it anew, once.

    Where there is too little room for that, it stays as it is and is served all the same. Cut short, nothing of it was
    done. Raises `sqlite3.Error`.
    """
    if can_shrink(connection):
        return
    size = _pragma(connection, "page_count") * _pragma(connection, "page_size")
    # Once as a temporary file, which may be on another disk, and once as the write-ahead log.
    if shutil.disk_usage(path.parent).free < 2 * size + 2 * BALLAST_BYTES:
        _LOG.warning(_NO_ROOM, size >> 20)
        return
    _LOG.info("the database of %d MB is written anew, once, so that it can give space back", size >> 20)
    prepare(connection)
    try:
        connection.execute("VACUUM")
    except sqlite3.Error as problem:
        if not is_full(problem):
            raise
        _LOG.warning(_NO_ROOM, size >> 20)
        return
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def free_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of pages that hold nothing any more."""
    return _pragma(connection, "freelist_count") * _pragma(connection, "page_size")


def begin_merging(connection: sqlite3.Connection) -> None:
    """Have the index of texts become one segment again, by `merge`: each deleted row has left something in it."""
    connection.execute("INSERT INTO job_text (job_text, rank) VALUES ('merge', ?)", (-_TEXT_PAGES_AT_ONCE,))


def merge(connection: sqlite3.Connection, seconds: float) -> bool:
    """Go on with that for about so long; whether there is more to do."""
    began = time.monotonic()
    while True:
        before = connection.total_changes
        connection.execute("INSERT INTO job_text (job_text, rank) VALUES ('merge', ?)", (_TEXT_PAGES_AT_ONCE,))
        if connection.total_changes - before < 2:  # SQLite's own way to tell (fts5.html, the merge command)
            return False
        if time.monotonic() - began >= seconds:
            return True


def give_back(connection: sqlite3.Connection, seconds: float) -> bool:
    """Cut some free pages off the file, for at most about so long; whether there are more. The disk has them when the
    write-ahead log is folded in."""
    began, cut = time.monotonic(), 0
    while _pragma(connection, "freelist_count"):
        if cut >= _PAGES_A_SLICE or (cut and time.monotonic() - began >= seconds):
            return True
        for _ in range(_PAGES_AT_ONCE):
            # One by one: of a statement that gives no columns Python takes a single step, and a step is a page.
            connection.execute("PRAGMA incremental_vacuum(1)").close()
        cut += _PAGES_AT_ONCE
    return False


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
