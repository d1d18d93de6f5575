"""Opening the database's file: SQLite's rules, what is checked before anything is served, the tables (PROMISES 4)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from sqlite_utils import Database as SchemaTools

from . import compaction
from .migrations import MIGRATIONS

_DAMAGED = (
    "the database {path} is damaged or not a database of this farm ({problem}); "
    "restore a copy or name another --data folder"
)
_WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")


class StoreUnusable(Exception):
    """The database cannot be served; one sentence says why and what to do."""


class StoreDamaged(StoreUnusable):
    """The database's file is damaged, or gone: only a copy helps."""


def wal_of(path: Path) -> Path:
    """The write-ahead log that belongs to the database `path`."""
    return path.with_name(f"{path.name}-wal")


def has_wal_reset_race(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite can damage a file to which two connections write or checkpoint at once (PROMISES 1.3)."""
    repaired = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7)}
    return version < repaired.get(version[:2], (3, 51, 3))


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes, to a file that was checked and has the tables of this version.

    Raises `StoreDamaged` for a file that is damaged, `StoreUnusable` for one that cannot be opened, is of a newer
    version, or for an SQLite that cannot do what is needed.
    """
    _check_files(path)
    try:
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=512)
    except sqlite3.Error as problem:
        raise StoreUnusable(f"the database {path} cannot be opened: {problem}") from None
    try:
        _prepare(connection, path)
    except sqlite3.Error as problem:
        connection.close()
        raise StoreDamaged(_DAMAGED.format(path=path, problem=problem)) from None
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read and never checkpoints."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    connection.row_factory = sqlite3.Row
    for pragma in ("query_only=ON", "wal_autocheckpoint=0", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def check(connection: sqlite3.Connection, *, thorough: bool = False) -> None:
    """Raise `sqlite3.DatabaseError` where the file is damaged or a row refers to one that is not there.

    `thorough` also holds every index against its table.
    """
    found = connection.execute(f"PRAGMA {'integrity_check' if thorough else 'quick_check'}(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))
    stray = connection.execute("PRAGMA foreign_key_check").fetchone()
    if stray is not None:
        raise sqlite3.DatabaseError(f"row {stray[1]} of {stray[0]} refers to a row of {stray[2]} that is not there")


def applied_migrations(connection: sqlite3.Connection) -> set[str]:
    """Names of the migrations that made the tables; empty where there are none. Raises `sqlite3.Error`."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone()
    if not known:
        return set()
    rows = connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ?", [MIGRATIONS.name])
    return {name for (name,) in rows}


def unknown_migrations(connection: sqlite3.Connection) -> set[str]:
    """Names of migrations that only a newer server knows. Raises `sqlite3.Error`."""
    return applied_migrations(connection) - _known_migrations()


@cache
def _known_migrations() -> frozenset[str]:
    with closing(sqlite3.connect(":memory:")) as empty:
        return frozenset(migration.name for migration in MIGRATIONS.pending(SchemaTools(empty)))


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    compaction.prepare(connection)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA journal_size_limit=67108864")
    connection.execute("PRAGMA cache_size=-65536")
    # SQLite keeps to itself that the checkpoint of a commit failed; `Checkpoints` makes them where that is heard.
    connection.execute("PRAGMA wal_autocheckpoint=0")
    if connection.execute("PRAGMA foreign_keys").fetchone()[0] != 1:
        raise StoreUnusable("this SQLite was built without foreign keys; the farm needs them")
    check(connection)
    unknown = unknown_migrations(connection)
    if unknown:
        raise StoreUnusable(f"the database {path} was written by a newer hqserver ({min(unknown)})")
    if applied_migrations(connection) != _known_migrations():
        MIGRATIONS.apply(SchemaTools(connection))
    try:
        compaction.let_shrink(connection, path)
    except sqlite3.Error as problem:
        raise StoreUnusable(f"the database {path} cannot be written anew, which is done once: {problem}") from None


def _check_files(path: Path) -> None:
    """Find what SQLite takes for granted: the bytes that it does not see missing would be wrong data."""
    log, head = _first_bytes(wal_of(path)), _first_bytes(path)
    # Of a log that is none, SQLite would leave out what was acknowledged last. Zeros are what a machine that lost
    # power may leave in place of a log that was just begun and never committed to.
    if log[:4] not in _WAL_MAGIC and log.strip(b"\0"):
        raise StoreDamaged(_DAMAGED.format(path=path, problem=f"{path.name}-wal is not its write-ahead log"))
    # SQLite reads zeros beyond the end of the file. With a log, the last page may still have to come from there.
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    if page and not log and path.stat().st_size % page:
        raise StoreDamaged(_DAMAGED.format(path=path, problem="its last page was cut"))


def _first_bytes(path: Path) -> bytes:
    """The first 32 bytes, fewer of a shorter file, none of one that is not there: opening it says what is wrong."""
    try:
        with path.open("rb") as file:
            return file.read(32)
    except OSError:
        return b""
