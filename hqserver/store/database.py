"""The database: one writing connection with group commit, read-only readers (PROMISES 1.3, 1.4 and 4)."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from hqserver.domain.crash import crash_point
from hqserver.domain.errors import Busy, DiskFull

from . import calls
from .checkpoints import Checkpoints
from .idfloor import IdFloor
from .opening import StoreDamaged, StoreUnusable, open_reader, open_writer, wal_of
from .room import Room
from .transaction import Transaction
from .trouble import explained, is_fatal, is_full

__all__ = ["Database", "StoreDamaged", "StoreUnusable", "Transaction"]

_LOG = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_MOST_IN_A_GROUP = 256
_MOST_READERS_KEPT = 16
_COPIED_PAGES, _BETWEEN_COPIES_SECONDS = 256, 0.002
_EX_TEMPFAIL = 75


class _Operation(Generic[_Result]):
    __slots__ = ("done", "error", "function", "is_new_work", "result", "transaction")

    def __init__(self, function: Callable[[Transaction], _Result], is_new_work: bool):
        self.function = function
        self.is_new_work = is_new_work
        self.done = False
        self.result: _Result | None = None
        self.error: BaseException | None = None
        self.transaction: Transaction | None = None

    def fail(self, error: BaseException) -> None:
        self.error, self.done = error, True


class Database:
    """The farm's database file.

    `write` runs a function in a transaction that is on disk (`synchronous=FULL`) when it returns. Callers that wait
    at the same time share one transaction and one fsync; each has its own savepoint, so one that fails takes back
    only its own changes.
    """

    def __init__(self, path: Path, *, on_lost: Callable[[str], None] | None = None, room: Room | None = None):
        """Open, check and migrate the file. `on_lost` is called when a commit's outcome is unknown; it must end the
        process.

        Raises `StoreDamaged` for a file that is damaged or gone, `StoreUnusable` for one that is of a newer version
        or cannot be opened.
        """
        self.path = path
        self.room = room or Room()
        self._on_lost = on_lost or _end_process
        self._waiting: deque[_Operation[Any]] = deque()
        self._leader = threading.Lock()
        self._copying = threading.Lock()
        self._readers: deque[sqlite3.Connection] = deque()
        self._closed = False
        self._ids = IdFloor(path.with_name("id.floor"))
        if self._ids.path.exists() and not (path.is_file() and path.stat().st_size):
            raise StoreDamaged(
                f"the database {path} is gone, and {self._ids.path.name} beside it says that there was one; restore a "
                "copy or name another --data folder"
            )
        self._writer = open_writer(path)
        self._checkpoints = Checkpoints(path)
        try:
            self._ids.settle(self._writer)
        except (sqlite3.Error, OSError) as problem:
            self._writer.close()
            raise StoreUnusable(f"the database {path} cannot be written: {problem}") from None

    def write(self, function: Callable[[Transaction], _Result], *, repeatable: bool = False) -> _Result:
        """Run `function` in a transaction; its result once that is on disk.

        The first transaction of a call that must not be done twice is recognised (`calls`); `repeatable`: this is not
        yet that one, for doing it twice changes nothing. Raises what the function raised, `DiskFull` when there was no
        room (nothing was changed), `Busy` after `close`.
        """
        call = None if repeatable else calls.CURRENT.get()
        if call is not None:
            calls.CURRENT.set(None)
            function = calls.once(call, function)
            if self.room.full:
                raise DiskFull("the server's disk is full; nothing new is taken until there is room")
        operation = _Operation(function, call is not None)
        self._waiting.append(operation)
        # Whoever gets the lock commits for all who wait; the others find their operation done when they get it.
        with self._leader:
            while not operation.done:
                if self._closed:
                    operation.fail(Busy("the server is shutting down"))
                else:
                    self._commit_waiting()
        if operation.error is not None:
            raise operation.error
        return operation.result  # type: ignore[return-value]

    def _commit_waiting(self) -> None:
        group: list[_Operation[Any]] = []
        while self._waiting and len(group) < _MOST_IN_A_GROUP:
            group.append(self._waiting.popleft())
        problem = self._commit(group)
        if problem is None:
            return
        full = is_full(problem)
        if full:
            # What clients report goes into the room that the ballast leaves.
            self.room.run_out()
        for operation in group:
            # Each alone, since one that is too large, or breaks a rule that only a commit checks, fails for itself.
            refused = is_fatal(problem) or (operation.is_new_work if full else len(group) == 1)
            again = problem if refused else self._commit([operation])
            if again is not None:
                operation.fail(explained(again))

    def _commit(self, group: list[_Operation[Any]]) -> Exception | None:
        """Carry out a group in one transaction; the error that took all of it back, None when it is on disk."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for operation in group:
                self._attempt(operation, alone=len(group) == 1)
            self._ids.reserve(self._writer)
            crash_point("before_commit")
            self._writer.execute("COMMIT")
        except (sqlite3.Error, OSError) as problem:
            if is_fatal(problem):
                # A commit that failed on fsync may still be there after a restart: nobody may be told it is not.
                self._on_lost(f"the database {self.path} failed: {problem}")
            self._roll_back()
            return problem
        crash_point("after_commit")
        for operation in group:
            if operation.error is None and operation.transaction is not None:
                operation.transaction.committed()
            operation.done = True
        try:
            self._checkpoints.after_commit(self._writer)
        except (sqlite3.Error, OSError) as problem:
            if is_fatal(problem):
                self._on_lost(f"the database {self.path} failed after a commit: {problem}")
            _LOG.warning("the write-ahead log could not be folded in: %s", problem)
        return None

    def _attempt(self, operation: _Operation[Any], *, alone: bool) -> None:
        connection = self._writer
        operation.transaction, operation.error = Transaction(connection), None
        if not alone:
            connection.execute("SAVEPOINT operation")
        try:
            operation.result = operation.function(operation.transaction)
        except BaseException as problem:
            # Either SQLite rolled all of it back, or there is no room for the rest, or the file cannot be trusted.
            in_database = isinstance(problem, sqlite3.Error)
            if not connection.in_transaction or (in_database and (is_fatal(problem) or is_full(problem))):
                raise problem if in_database else sqlite3.DatabaseError(str(problem)) from None
            operation.error = explained(problem)
            connection.execute("ROLLBACK" if alone else "ROLLBACK TO operation")
            if alone:
                connection.execute("BEGIN IMMEDIATE")
        if not alone:
            connection.execute("RELEASE operation")

    def _roll_back(self) -> None:
        for _ in range(2):
            if not self._writer.in_transaction:
                return
            try:
                self._writer.execute("ROLLBACK")
            except sqlite3.Error as problem:
                _LOG.error("a transaction could not be taken back: %s", problem)
        if self._writer.in_transaction:
            self._on_lost(f"the database {self.path} cannot take back a transaction")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A read-only connection with one consistent picture of the farm for the length of the block.

        Errors of the database within the block are raised as `Busy` where trying again may help.
        """
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = open_reader(self.path)
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as problem:
            if is_fatal(problem):
                self._on_lost(f"the database {self.path} cannot be read: {problem}")
            raise explained(problem) from None
        finally:
            self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            return
        if self._closed or len(self._readers) > _MOST_READERS_KEPT:
            connection.close()
        else:
            self._readers.append(connection)

    def copy(self, target: sqlite3.Connection, may_go_on: Callable[[], bool]) -> None:
        """Copy all to another database, a few pages at a time, and let writers in between.

        SQLite carries what this connection writes meanwhile over to the copy, which is thus of the moment at which it
        ends. `may_go_on` is asked between the pieces. Raises `Busy` where it says no, `sqlite3.Error` where the copy
        cannot be written.
        """

        def let_others_in(_: int, remaining: int, total: int) -> None:
            self._leader.release()
            try:
                time.sleep(_BETWEEN_COPIES_SECONDS)
            finally:
                self._leader.acquire()
            if remaining:
                crash_point("copy_half_made")
            if self._closed or not may_go_on():
                raise Busy("the server is shutting down; the copy was not finished")

        with self._copying, self._leader:
            if self._closed:
                raise Busy("the server is shutting down")
            self._writer.backup(target, pages=_COPIED_PAGES, progress=let_others_in)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def size(self) -> int:
        """Bytes on the disk, the write-ahead log included."""
        return sum(file.stat().st_size for file in (self.path, wal_of(self.path)) if file.exists())

    def fold_log_in(self) -> bool:
        """Fold the write-ahead log into the file; False where a reader needs it at this moment. Raises `Busy`."""
        with self._leader:
            if self._closed:
                raise Busy("the server is shutting down")
            try:
                return self._checkpoints.fold_all_in(self._writer)
            except (sqlite3.Error, OSError) as problem:
                if is_fatal(problem):
                    self._on_lost(f"the database {self.path} failed: {problem}")
                raise explained(problem) from None

    def close(self) -> None:
        """Finish what is being written, checkpoint and close. Later calls of `write` raise `Busy`."""
        with self._leader:
            if self._closed:
                return
            self._closed = True
        with self._copying, self._leader:  # a copy that is being made has noticed
            while self._readers:
                self._readers.pop().close()
            try:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._ids.give_back(self._writer)
            except (sqlite3.Error, OSError) as problem:
                _LOG.warning("the write-ahead log could not be folded in at the end: %s", problem)
            self._writer.close()


def _end_process(reason: str) -> None:
    _LOG.critical("%s; ending so that a restart finds out what is on disk", reason)
    logging.shutdown()
    os._exit(_EX_TEMPFAIL)
