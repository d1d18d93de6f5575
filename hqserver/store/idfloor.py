"""Ids that never repeat, a restored copy included (PROMISES 2.5, I10).

The database counts its ids itself, so that a copy that is restored would give out again what was given out since. The
file `id.floor` beside it holds for each kind of id the end of a block that may have been given out; a new block is on
disk before its first id is. When the server ends in order, the file holds the last ids themselves.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import uuid
from pathlib import Path

from hqserver.domain.crash import crash_point

from .files import write_whole

_LOG = logging.getLogger(__name__)

TABLES = ("job", "client", "note_thread", "note", "client_group", "resource", "error", "event", "callback")
"""The tables whose ids are told to others."""

BLOCK = 100
"""Ids that are reserved at once: so many may be left out where the server does not end in order."""

EVENTS_BLOCK = 10_000
"""The same of events, of which every change of anything takes one."""

JUMP = 1_000_000
"""Ids that are left out where the file is lost and nobody can say which were given out."""

MOST_BELIEVED = 2**30
"""A job's id above this is none that a farm has given out, whatever a client says."""

_TIMELINE = "timeline"


class IdFloor:
    """The file `id.floor`, and the counters of the database that it stands for."""

    def __init__(self, path: Path):
        self.path = path
        self._ends: dict[str, int] = {}

    def read(self) -> dict[str, int] | None:
        """The end of each table's block; None where there is no such file, or none that can be read."""
        try:
            ends = json.loads(self.path.read_text("utf-8"))
            return {table: int(ends.get(table, 0)) for table in TABLES}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError) as problem:
            _LOG.error("%s cannot be read: %s", self.path, problem)
            return None

    def settle(self, connection: sqlite3.Connection, *, forked: bool = False) -> None:
        """At start: let the database's counters go on where the file says, in a transaction of its own.

        Where the file is gone though there was one, ids go on 1,000,000 higher. A new timeline says that history has
        `forked`: a copy was restored, or nobody knows. Raises `sqlite3.Error` and `OSError`.
        """
        found, counted = self.read(), _counters(connection)
        known = connection.execute("SELECT value FROM farm WHERE key = ?", (_TIMELINE,)).fetchone()
        lost = found is None and (forked or known is not None)
        if lost:
            _LOG.error("%s is gone: new ids leave out %d, so that none is given twice", self.path, JUMP)
        ends = {table: max(counted[table] + JUMP * lost, (found or {}).get(table, 0)) for table in TABLES}
        self._ends = found or {}
        self._write(ends)
        connection.execute("BEGIN IMMEDIATE")
        try:
            for table in TABLES:
                if ends[table] > counted[table]:
                    _set_counter(connection, table, ends[table])
            if known is None or lost or forked:
                connection.execute("INSERT OR REPLACE INTO farm VALUES (?, ?)", (_TIMELINE, str(uuid.uuid4())))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def reserve(self, connection: sqlite3.Connection) -> None:
        """Before a commit: have a block on disk for each id that it gives out. Raises `OSError`."""
        counted = _counters(connection)
        if all(counted[table] <= self._ends[table] for table in TABLES):
            return
        crash_point("ids_before_reserved")
        self._write({table: _block_end(table, counted[table], self._ends[table]) for table in TABLES})
        crash_point("ids_reserved")

    def give_back(self, connection: sqlite3.Connection) -> None:
        """At an end in order: what is left of the blocks was not given out. Raises `OSError`."""
        self._write(_counters(connection))

    def _write(self, ends: dict[str, int]) -> None:
        if ends != self._ends:
            write_whole(self.path, json.dumps(ends, indent=1).encode() + b"\n")
            self._ends = ends


def last_job(connection: sqlite3.Connection) -> int:
    """The last id that was given to a job, as far as this database knows; ids that were left out count."""
    return _counters(connection)["job"]


def leave_out(connection: sqlite3.Connection, highest_job: int) -> bool:
    """Somebody knows a job of this farm by an id that this database has not given out: database and `id.floor` are
    older than that. Go on 1,000,000 above it, begin a new timeline; within the caller's transaction.

    False where the id is known by now.
    """
    counted = _counters(connection)
    if highest_job <= counted["job"]:
        return False
    for table in TABLES:
        _set_counter(connection, table, max(counted[table], highest_job if table == "job" else 0) + JUMP)
    connection.execute("INSERT OR REPLACE INTO farm VALUES (?, ?)", (_TIMELINE, str(uuid.uuid4())))
    return True


def _block_end(table: str, given: int, end: int) -> int:
    block = EVENTS_BLOCK if table == "event" else BLOCK
    return end if given <= end else given + block


def _counters(connection: sqlite3.Connection) -> dict[str, int]:
    counted = dict.fromkeys(TABLES, 0)
    for name, last in connection.execute("SELECT name, seq FROM sqlite_sequence"):
        if name in counted:
            counted[name] = last
    return counted


def _set_counter(connection: sqlite3.Connection, table: str, last: int) -> None:
    changed = connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (last, table)).rowcount
    if not changed:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last))
