"""The database: one writing connection with group commit, read-only readers (PROMISES 1.3, 1.4 and 4)."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlite_utils import Database as SchemaTools

from hqserver.domain.errors import Busy, DiskFull

from .migrations import MIGRATIONS

_LOG = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_MOST_IN_A_GROUP = 256
_EX_TEMPFAIL = 75


class StoreUnusable(Exception):
    """The database cannot be served; one sentence says why and what to do."""


class Transaction:
    """What an operation on the writing connection works with.

    Nothing is visible to anybody before the group has been committed; `after_commit` is for what must only then be
    seen or heard of: waking the dispatcher, moving a value in memory.
    """

    __slots__ = ("_after", "connection")

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection
        self._after: list[Callable[[], None]] = []

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do this once the transaction is on disk; never when it is not."""
        self._after.append(action)

    def committed(self) -> None:
        """Carry out what waited for the commit. Called by the writer alone."""
        for action in self._after:
            try:
                action()
            except Exception:
                # What is on disk is true all the same, and others wait for the one who commits for them.
                _LOG.exception("something that follows a commit failed")


class _Operation(Generic[_Result]):
    __slots__ = ("done", "error", "function", "result", "transaction")

    def __init__(self, function: Callable[[Transaction], _Result]):
        self.function = function
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

    def __init__(self, path: Path, *, on_lost: Callable[[str], None] | None = None):
        """Open and migrate the file. `on_lost` is called when a commit's outcome is unknown; it must end the process.

        Raises `StoreUnusable` for a file that is damaged, of a newer version, or cannot be opened.
        """
        self.path = path
        self._on_lost = on_lost or _end_process
        self._waiting: deque[_Operation[Any]] = deque()
        self._leader = threading.Lock()
        self._readers: deque[sqlite3.Connection] = deque()
        self._closed = False
        try:
            self._writer = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=512)
        except sqlite3.Error as problem:
            raise StoreUnusable(f"the database {path} cannot be opened: {problem}") from None
        try:
            self._prepare()
        except sqlite3.Error as problem:
            self._writer.close()
            raise StoreUnusable(
                f"the database {path} is damaged or not a database of this farm ({problem}); "
                "restore a copy or name another --data folder"
            ) from None
        except BaseException:
            self._writer.close()
            raise

    def _prepare(self) -> None:
        connection = self._writer
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA journal_size_limit=67108864")
        connection.execute("PRAGMA cache_size=-65536")
        if connection.execute("PRAGMA foreign_keys").fetchone()[0] != 1:
            raise StoreUnusable("this SQLite was built without foreign keys; the farm needs them")
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(" ".join(found.split()))
        tools = SchemaTools(connection)
        unknown = self._applied() - _known_migrations()
        if unknown:
            raise StoreUnusable(f"the database {self.path} was written by a newer hqserver ({min(unknown)})")
        MIGRATIONS.apply(tools)

    def _applied(self) -> set[str]:
        known = self._writer.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone()
        if not known:
            return set()
        rows = self._writer.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ?", [MIGRATIONS.name])
        return {name for (name,) in rows}

    def write(self, function: Callable[[Transaction], _Result]) -> _Result:
        """Run `function` in a transaction; its result once that is on disk.

        Raises what the function raised, `DiskFull` when there was no room (nothing was changed), `Busy` after `close`.
        """
        operation = _Operation(function)
        self._waiting.append(operation)
        # Whoever gets the lock commits for all who wait; the others find their operation done when they get it.
        with self._leader:
            if not operation.done:
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
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for operation in group:
                self._attempt(operation, alone=len(group) == 1)
            self._writer.execute("COMMIT")
        except sqlite3.Error as problem:
            self._abort(group, problem)
            return
        for operation in group:
            if operation.error is None and operation.transaction is not None:
                operation.transaction.committed()
            operation.done = True

    def _attempt(self, operation: _Operation[Any], *, alone: bool) -> None:
        connection = self._writer
        operation.transaction = Transaction(connection)
        if not alone:
            connection.execute("SAVEPOINT operation")
        try:
            operation.result = operation.function(operation.transaction)
        except BaseException as problem:
            # Either SQLite rolled all of it back (disk full, no memory), or the file cannot be trusted any more.
            if not connection.in_transaction or _is_fatal(problem):
                raise problem if isinstance(problem, sqlite3.Error) else sqlite3.DatabaseError(str(problem)) from None
            operation.error = _explained(problem)
            connection.execute("ROLLBACK" if alone else "ROLLBACK TO operation")
            if alone:
                connection.execute("BEGIN IMMEDIATE")
        if not alone:
            connection.execute("RELEASE operation")

    def _abort(self, group: list[_Operation[Any]], problem: sqlite3.Error) -> None:
        if _is_fatal(problem):
            # A commit that failed on fsync may still be there after a restart: nobody may be told it is not.
            self._on_lost(f"the database {self.path} failed: {problem}")
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")
        for operation in group:
            operation.fail(_explained(problem))

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A read-only connection with one consistent picture of the farm for the length of the block."""
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._open_reader()
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.execute("ROLLBACK")
            self._give_back(connection)

    def _open_reader(self) -> sqlite3.Connection:
        uri = f"{self.path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        connection.row_factory = sqlite3.Row
        for pragma in ("query_only=ON", "wal_autocheckpoint=0", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed or len(self._readers) > 16:
            connection.close()
        else:
            self._readers.append(connection)

    def close(self) -> None:
        """Finish what is being written, checkpoint and close. Later calls of `write` raise `Busy`."""
        with self._leader:
            if self._closed:
                return
            self._closed = True
            while self._readers:
                self._readers.pop().close()
            try:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as problem:
                _LOG.warning("the write-ahead log could not be folded in at the end: %s", problem)
            self._writer.close()


def _known_migrations() -> set[str]:
    with closing(sqlite3.connect(":memory:")) as empty:
        return {migration.name for migration in MIGRATIONS.pending(SchemaTools(empty))}


def _is_fatal(problem: BaseException) -> bool:
    code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _explained(problem: BaseException) -> BaseException:
    if isinstance(problem, sqlite3.Error):
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return DiskFull("the server's disk is full; nothing was stored")
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM):
            return Busy(f"the database did not answer ({problem}); try again")
    return problem


def _end_process(reason: str) -> None:
    _LOG.critical("%s; ending so that a restart finds out what is on disk", reason)
    logging.shutdown()
    os._exit(_EX_TEMPFAIL)
