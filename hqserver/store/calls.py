"""Calls that must not be done twice, and what the first one did (PROMISES 2.3, CONTRACT 10 Keeping).

A caller whose connection ends without an answer cannot know whether its call was carried out, and Python's own client
repeats it unasked. So the result of the call's transaction is written with its effect, in one transaction, and given
to the same call again for as long as the first has not been answered.

A row is in one of three hands. While its call is being answered, nobody may have it: the same bytes beside it are a
second wish. Once it is *cut*, because the connection ended first or the server died, the same bytes are a repetition
and take it over. Once it is *answered*, the kernel having the answer, it is of no use and goes with the next flush.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TypeVar, cast

from .transaction import Transaction

_Result = TypeVar("_Result")
KEPT_SECONDS = 60.0
"""For so long a call may be repeated."""

_MACHINE = "calls.boot_id"


class CallBook:
    """Which rows are held and which are answered: the part that is not in the database.

    That a call was answered must outlive `kill -9`, or the next deliberate call of the same bytes would be taken for
    a repetition. A durable transaction for each answer would double what a submission costs, so the tokens are
    appended to a file without waiting for the disk: the kernel keeps them when the process dies. When the machine
    dies it may lose some, so at the first start on another boot all rows are forgotten: no program repeats a call by
    itself across a reboot, but people submit again what they need.
    """

    def __init__(self, path: Path | None = None):
        """Take up what the file at `path` says; without one, nothing outlives the process. Raises `OSError`."""
        self._guard = threading.Lock()
        self._path = path
        self._cut: dict[str, dict[str, float]] = {}
        self._answered: set[str] = set()
        self._file = -1
        if path is not None:
            self._open(path)
            self._answered.update(path.read_text("ascii", "replace").split())

    def take(self, identity: str, now: float) -> str:
        """A row whose call was cut less than 60 seconds ago, for its repetition; "" for none."""
        with self._guard:
            rows = self._cut.get(identity, {})
            while rows:
                token, at = rows.popitem()
                if abs(now - at) < KEPT_SECONDS:
                    return token
            return ""

    def cut(self, token: str, at: float) -> None:
        """The row's call, which came at this time, ended without an answer."""
        with self._guard:
            if token not in self._answered:
                self._cut.setdefault(token.partition("/")[0], {})[token] = at

    def answered(self, token: str) -> None:
        """The kernel has the answer of the row's call. Raises `OSError`; it counts as answered all the same."""
        with self._guard:
            self._answered.add(token)
            # Another connection of the same call may have let it go unanswered before.
            self._cut.get(token.partition("/")[0], {}).pop(token, None)
            if self._file >= 0:
                os.write(self._file, f"{token}\n".encode())

    def forget_old(self, now: float) -> None:
        """Forget calls that were cut too long ago to be repeated."""
        with self._guard:
            for identity, rows in list(self._cut.items()):
                kept = {token: at for token, at in rows.items() if abs(now - at) < KEPT_SECONDS}
                if kept:
                    self._cut[identity] = kept
                else:
                    del self._cut[identity]

    def due(self) -> list[str]:
        """Answered rows, to be removed now."""
        with self._guard:
            return list(self._answered)

    def removed(self, tokens: list[str]) -> None:
        """These rows are gone, on disk. Raises `OSError`."""
        if not tokens:
            return
        with self._guard:
            self._answered.difference_update(tokens)
            if self._path is not None and self._file >= 0:
                rest = self._path.with_name(f"{self._path.name}.partial")
                rest.write_text("".join(f"{token}\n" for token in self._answered), "ascii")
                rest.replace(self._path)
                os.close(self._file)
                self._open(self._path)

    def close(self) -> None:
        """Close the file."""
        with self._guard:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _open(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


@dataclass(slots=True)
class Call:
    """One call that must not be done twice: who sent which bytes (a hash), and when, in seconds of this boot.

    By the clock that nobody sets (PROMISES P11), which the server's next process of this boot shares.
    """

    book: CallBook
    identity: str
    at: float
    token: str = ""
    """The name of its row: the identity, a slash and something random."""
    held: str = ""
    """The row it holds: its own, or that of the call which it repeats."""
    hung_up: bool = False
    """Whether its caller seems to be gone; then any call of the same bytes is its repetition."""

    def __post_init__(self) -> None:
        self.token = f"{self.identity}/{token_hex(8)}"

    def hold(self, token: str) -> None:
        """Hold a row that was taken for it."""
        self.held = token
        if self.hung_up:  # meanwhile, in the thread that reads its connection
            self.let_go()

    def let_go(self) -> None:
        """Hold nothing any more: without an answer, the row is there for a repetition."""
        held, self.held = self.held, ""
        if held:
            self.book.cut(held, self.at)


CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)
"""The call whose first transaction is still to come."""


def once(call: Call, function: Callable[[Transaction], _Result]) -> Callable[[Transaction], _Result]:
    """`function` for a transaction, done once for a call: its result is that of the first time, as JSON keeps it."""

    def write(transaction: Transaction) -> _Result:
        connection = transaction.connection
        while token := call.held or call.book.take(call.identity, call.at) or _overtaking(connection, call):
            row = connection.execute("SELECT result FROM call WHERE token = ?", (token,)).fetchone()
            if row is not None:
                call.hold(token)
                return cast(_Result, json.loads(row[0]))
            call.held = ""  # its transaction was taken back
        result = function(transaction)
        connection.execute(
            "INSERT INTO call (token, at, result) VALUES (?, ?, ?)", (call.token, call.at, json.dumps(result))
        )
        call.hold(call.token)
        return result

    return write


def _overtaking(connection: sqlite3.Connection, call: Call) -> str:
    """The row of a later call of the same bytes, where the caller of this one is gone; "" for none."""
    if not call.hung_up:
        return ""
    words = (f"{call.identity}/", f"{call.identity}/~", call.at)
    row = connection.execute("SELECT token FROM call WHERE token BETWEEN ? AND ? AND at >= ?", words).fetchone()
    return str(row[0]) if row else ""


def unanswered(connection: sqlite3.Connection) -> list[tuple[str, float]]:
    """All rows: their tokens and when their calls came."""
    return [(row[0], row[1]) for row in connection.execute("SELECT token, at FROM call")]


def forget(connection: sqlite3.Connection, tokens: list[str], now: float) -> None:
    """Remove these rows and those that are too old."""
    connection.executemany("DELETE FROM call WHERE token = ?", [(token,) for token in tokens])
    connection.execute("DELETE FROM call WHERE abs(at - ?) >= ?", (now, KEPT_SECONDS))


def count(connection: sqlite3.Connection) -> int:
    """How many rows there are."""
    return int(connection.execute("SELECT count(*) FROM call").fetchone()[0])


def forget_other_boots(connection: sqlite3.Connection, boot_id: str) -> None:
    """Remove all rows where the machine was started since they were written. `boot_id` is "" where none is known."""
    row = connection.execute("SELECT value FROM farm WHERE key = ?", (_MACHINE,)).fetchone()
    if row is not None and row[0] != boot_id:
        connection.execute("DELETE FROM call")
    connection.execute("INSERT OR REPLACE INTO farm (key, value) VALUES (?, ?)", (_MACHINE, boot_id))
