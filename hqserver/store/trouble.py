"""What an error of the database means: try again, make room, or end."""

from __future__ import annotations

import errno
import sqlite3

from hqserver.domain.errors import Busy, DiskFull


def is_fatal(problem: BaseException) -> bool:
    """Whether nobody knows any more what is on disk (PROMISES 1.4): the process must end and look anew."""
    if isinstance(problem, OSError):
        return not _is_no_room(problem)
    return _code(problem) in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_full(problem: BaseException) -> bool:
    """Whether there was no room on the disk."""
    return _code(problem) == sqlite3.SQLITE_FULL or (isinstance(problem, OSError) and _is_no_room(problem))


def explained(problem: BaseException) -> BaseException:
    """What the caller is told; `problem` itself where it is not the database's."""
    if is_full(problem):
        return DiskFull("the server's disk is full; nothing was stored")
    if _code(problem) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_LOCKED):
        return Busy(f"the database did not answer ({problem}); try again")
    return problem


def _is_no_room(problem: OSError) -> bool:
    return problem.errno in (errno.ENOSPC, errno.EDQUOT)


def _code(problem: BaseException) -> int:
    return (getattr(problem, "sqlite_errorcode", 0) or 0) & 0xFF
