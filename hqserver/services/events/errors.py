"""Errors that people should know of: those the server logs, and those that are a client's (CONTRACT 1.2, 9.14)."""

from __future__ import annotations

import logging
import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hqserver.domain.errors import FarmError, NotFound
from hqserver.services.attributes import moment
from hqserver.services.farm import Farm
from hqserver.store import errors
from hqserver.store.database import Transaction

from .notices import queue_error_mail

KEPT_OF_SERVER, KEPT_OF_CLIENT = 1_000, 200
"""So many errors are kept, of the server and of each client."""

MOST_ANSWERED = 100
LONGEST_MESSAGE = 500

_MOST_WAITING = 200
_REPEAT_SECONDS = 600.0
_OURS = ("hqserver", "webui")
_RANDOM_ID = re.compile(r"\b[0-9a-fA-F]{6,}\b")
_OS_ERROR = re.compile(r"\[Errno \d+\] ([^:]+)(?:: '[^']*')?(?: -> '[^']*')?")


@dataclass(slots=True)
class Waiting:
    """An error that is not in the database yet, `count` times the same. `at`: the last time, UTC epoch seconds."""

    at: float
    source: str
    message: str
    count: int = 1

    @property
    def key(self) -> tuple[str, str]:
        """What makes two errors the same: all but the ids of runs and incidents."""
        return self.source, _RANDOM_ID.sub("", self.message)

    def __str__(self) -> str:
        return self.message if self.count == 1 else f"{self.message} ({self.count} times)"


class ErrorLog(logging.Handler):
    """Gathers what is logged as an error until `flush` writes it to the database.

    It touches memory only, since errors are logged from anywhere, also from within a transaction. A flood of the same
    error is counted, not repeated (PROMISES 6.4): it is written at once and then at most every ten minutes. Beyond 200
    different errors between two flushes, further ones are only counted.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._guard = threading.Lock()
        self._waiting: dict[tuple[str, str], Waiting] = {}
        self._written_at: dict[tuple[str, str], float] = {}
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take in a record as one line: its text and what the system said was wrong, never the traceback."""
        try:
            self._take_in([Waiting(record.created, _source(record.name), _line(record))])
        except Exception:
            self.handleError(record)

    def take(self, monotonic: float) -> list[Waiting]:
        """What is to be written now, oldest first. `monotonic`: seconds, by which repetitions are held back."""
        with self._guard:
            recent = {key: at for key, at in self._written_at.items() if monotonic - at < _REPEAT_SECONDS}
            due = sorted((each for key, each in self._waiting.items() if key not in recent), key=lambda each: each.at)
            for each in due:
                del self._waiting[each.key]
                recent[each.key] = monotonic
            self._written_at = recent
            if due and self._left_out:
                due.append(Waiting(due[-1].at, "log", "further errors stand in hqserver.log only", self._left_out))
                self._left_out = 0
        return due

    def give_back(self, taken: Sequence[Waiting]) -> None:
        """Take in again what could not be written."""
        self._take_in(taken)
        with self._guard:
            for each in taken:
                self._written_at.pop(each.key, None)

    def _take_in(self, entries: Iterable[Waiting]) -> None:
        with self._guard:
            for entry in entries:
                known = self._waiting.get(entry.key)
                if known is not None:
                    known.count += entry.count
                    if entry.at >= known.at:
                        known.at, known.message = entry.at, entry.message
                elif len(self._waiting) < _MOST_WAITING:
                    self._waiting[entry.key] = entry
                else:
                    self._left_out += entry.count


def flush(farm: Farm, log: ErrorLog) -> None:
    """Write what was gathered. What cannot be written, with the database's error, waits for the next time."""
    waiting = log.take(farm.clock.monotonic())
    if not waiting:
        return

    def write(transaction: Transaction) -> None:
        for each in waiting:
            errors.add_of_server(transaction.connection, each.at, each.source, str(each))
        errors.keep_newest(transaction.connection, None, KEPT_OF_SERVER)
        told = [(each.at, each.source, str(each)) for each in waiting]
        queue_error_mail(farm, transaction.connection, told, farm.clock.now())

    try:
        farm.database.write(write)
    except BaseException:
        log.give_back(waiting)
        raise


def note_client_error(connection: sqlite3.Connection, client_id: int, message: str, at: float) -> None:
    """Keep an error that is a client's, within the caller's transaction. `at`: UTC epoch seconds."""
    errors.add_of_client(connection, client_id, at, _one_line(message))
    errors.keep_newest(connection, client_id, KEPT_OF_CLIENT)


def server_errors(farm: Farm) -> dict[str, Any]:
    """How many errors of the server are kept, and the newest of them; empty where there are none (CONTRACT 1.2)."""
    return _answer(farm, None)


def client_errors(farm: Farm, client_id: int) -> dict[str, Any]:
    """The same of one client. Raises `NotFound`."""
    if farm.watch.get(client_id) is None:
        raise NotFound(f"there is no client {client_id}")
    return _answer(farm, client_id)


def _answer(farm: Farm, client_id: int | None) -> dict[str, Any]:
    with farm.database.read() as connection:
        rows = errors.newest(connection, client_id, MOST_ANSWERED)
        total = errors.count(connection, client_id)
    if not rows:
        return {}
    entries = [{"time": moment(row.at), "source": row.source, "message": row.message} for row in rows]
    return {"total": total, "errors": entries}


def _source(logger: str) -> str:
    """The part of the server that logged: the module of ours, or the library."""
    first, *rest = logger.split(".")
    return rest[-1] if first in _OURS and rest else first


def _line(record: logging.LogRecord) -> str:
    text = record.getMessage().strip().partition("\n")[0]  # further lines are details, such as a library's traceback
    text = _OS_ERROR.sub(r"\1", text)  # number and path mean nothing away from the server
    problem = record.exc_info[1] if record.exc_info else None
    reason = ""
    if isinstance(problem, OSError):
        reason = problem.strerror or ""
    elif isinstance(problem, FarmError | sqlite3.Error):
        reason = str(problem)
    return _one_line(f"{text}: {reason}" if reason else text)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1] + "…"
