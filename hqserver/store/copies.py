"""Copies of the database: made while it is in use, checked, kept; and put back in its place (PROMISES 4 and 2.5)."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hqserver.domain.crash import crash_point

from .database import Database
from .files import sync_file, sync_folder
from .idfloor import IdFloor
from .opening import StoreUnusable, applied_migrations, check, unknown_migrations, wal_of
from .room import BALLAST_BYTES


class CopyFailed(Exception):
    """A copy could not be made or put back; one sentence says why."""


def make_copy(database: Database, target: Path, may_go_on: Callable[[], bool] = lambda: True) -> None:
    """Copy the database, which may be in use, to `target`: whole, checked and on disk, or not there at all.

    What is in the way is not overwritten. Raises `CopyFailed`, and `Busy` where `may_go_on` said no.
    """
    if target.exists():
        raise CopyFailed(f"{target} is there already")
    partial = target.with_name(f"{target.name}.partial")
    try:
        size = database.path.stat().st_size
        if shutil.disk_usage(target.parent).free < size + 2 * BALLAST_BYTES:
            raise CopyFailed(f"{target} cannot be made: there is too little room for {max(size >> 20, 1)} MB more")
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)  # it holds what every job runs, and the hashes of secrets
        with closing(sqlite3.connect(partial, isolation_level=None, check_same_thread=False)) as copy:
            copy.execute("PRAGMA synchronous=OFF")  # it is synced once, when it is whole
            database.copy(copy, may_go_on)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file that needs no other
            check(copy, thorough=True)
        crash_point("copy_checked")
        sync_file(partial)
        partial.replace(target)
        sync_folder(target.parent)
        crash_point("copy_renamed")
    except (sqlite3.Error, OSError) as problem:
        raise CopyFailed(f"{target} cannot be made: {problem}") from None
    finally:
        partial.unlink(missing_ok=True)


def check_copy(path: Path, *, thorough: bool = True) -> None:
    """Raise `CopyFailed` where the file is no whole copy of a farm's database that this server can read."""
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as copy:
            check(copy, thorough=thorough)
            applied, unknown = applied_migrations(copy), unknown_migrations(copy)
    except sqlite3.Error as problem:
        raise CopyFailed(f"{path} is damaged or no database ({problem})") from None
    if not applied:
        raise CopyFailed(f"{path} is not the database of a farm")
    if unknown:
        raise CopyFailed(f"{path} was written by a newer hqserver ({min(unknown)})")


def put_back(copy: Path, database: Path, aside: Path) -> None:
    """Put a copy in the place of the database, which must not be in use and is moved to `aside`.

    Ids go on where the file `id.floor` says, and the copy begins a new timeline. When this is cut short, the server
    does not start until it is done again. Raises `CopyFailed`.
    """
    check_copy(copy)
    prepared = database.with_name(f"{database.name}.restoring")
    try:
        for leftover in (prepared, wal_of(prepared)):
            leftover.unlink(missing_ok=True)
        uri = f"{copy.resolve().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(uri, uri=True)) as source,
            closing(sqlite3.connect(prepared, isolation_level=None)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
            # Clients hold runs that the copy has never heard of: without their session they register anew, say what
            # they hold, and are told what to end.
            target.execute("UPDATE client SET session = ''")
            IdFloor(database.with_name("id.floor")).settle(target, forked=True)
        sync_file(prepared)
        crash_point("restore_prepared")
        _fold_in(database)
        # First the database, so that it is never without its log; and no log may stay that is another database's.
        if database.exists():
            database.replace(aside)
        crash_point("restore_database_aside")
        if wal_of(database).exists():
            wal_of(database).replace(wal_of(aside))
        database.with_name(f"{database.name}-shm").unlink(missing_ok=True)
        sync_folder(database.parent)
        crash_point("restore_log_aside")
        prepared.replace(database)
        sync_folder(database.parent)
        crash_point("restore_done")
    except (sqlite3.Error, OSError) as problem:
        raise CopyFailed(f"{copy} cannot be put back: {problem}") from None


def _fold_in(database: Path) -> None:
    """Have the former database in one file, where it is sound enough for that."""
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        pass  # damaged; it goes aside with its log as they are


def is_sound(path: Path) -> bool:
    """Whether the file is a copy that can be put back."""
    try:
        check_copy(path, thorough=False)
    except (CopyFailed, StoreUnusable, OSError):
        return False
    return True
