"""Calls that a caller repeats because it got no answer (PROMISES P2, CONTRACT 10 Keeping).

The connection makes an `Attempt` for each request and says how it ended. Methods that are not idempotent run in
`Attempt.once`; the first transaction of each is then done once, however often the same bytes come from the same peer
within 60 seconds of a call that was not answered. Such a method does all it does in one transaction.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from hqserver.domain.crash import crash_point
from hqserver.store import calls
from hqserver.store.calls import Call, CallBook
from hqserver.store.database import Database, Transaction

from .farm import Clock

_LOG = logging.getLogger(__name__)


class BodyInPieces(Protocol):
    """A body that is too large to be held in memory."""

    def pieces(self) -> Iterable[bytes]:
        """All of it, from the front."""


Body = bytes | BodyInPieces


class Attempt:
    """One request: its bytes, who sent them, and the calls in it that must not be done twice."""

    def __init__(self, book: CallBook, clock: Clock, sender: str, body: Body):
        self._book, self._clock = book, clock
        self._sender, self._body = sender, body
        self._digest = ""
        self._calls: list[Call] = []
        self._hung_up = False

    @property
    def matters(self) -> bool:
        """Whether it holds a call that must not be done twice."""
        return bool(self._calls)

    @contextmanager
    def once(self) -> Iterator[None]:
        """Do the first transaction of the block once, a repeated request included."""
        if not self._digest:
            digest = hashlib.blake2b(self._sender.encode() + b"\n", digest_size=16)
            for piece in [self._body] if isinstance(self._body, bytes) else self._body.pieces():
                digest.update(piece)
            self._digest = digest.hexdigest()
        # A system.multicall may hold several: each is known by its place.
        call = Call(self._book, f"{self._digest}-{len(self._calls)}", self._clock.monotonic())
        self._calls.append(call)
        call.hung_up = self._hung_up
        token = calls.CURRENT.set(call)
        try:
            yield
        except BaseException:
            call.let_go()  # it did nothing, or nothing that its fault tells
            raise
        finally:
            calls.CURRENT.reset(token)

    def hang_up(self) -> None:
        """The caller sends nothing more and seems to be gone: from now on the same bytes are a repetition.

        A caller may also have closed only its own half and be waiting for the answer, which is sent. It cannot be
        told from one that timed out; that two wishes of such a caller become one is the lesser evil.
        """
        self._hung_up = True
        for call in self._calls:
            call.hung_up = True
            call.let_go()

    def answered(self) -> None:
        """The kernel has taken the answer: the same bytes again are a second wish."""
        crash_point("reply_before_noted")
        for call in self._calls:
            held, call.held = call.held, ""
            if held and not call.hung_up:
                try:
                    self._book.answered(held)
                except OSError as problem:
                    _LOG.warning("that a call was answered cannot be noted: %s", problem)
        crash_point("reply_noted")

    def ended(self) -> None:
        """The request is over. Unless it was answered, the same bytes again are its repetition."""
        for call in self._calls:
            call.let_go()


class Retries:
    """Makes an `Attempt` of each request, and forgets those that were answered."""

    def __init__(self, database: Database, book: CallBook, clock: Clock, boot_id: str):
        """Take up what the server left when it ended. `boot_id` is another each time the machine starts."""
        self._database, self._book, self._clock = database, book, clock
        self._left = True
        database.write(lambda transaction: calls.forget_other_boots(transaction.connection, boot_id))
        with database.read() as connection:
            for token, at in calls.unanswered(connection):
                book.cut(token, at)
        self.flush()

    def attempt(self, sender: str, body: Body) -> Attempt:
        """A request that begins. `sender` is whatever tells callers apart."""
        return Attempt(self._book, self._clock, sender, body)

    def flush(self) -> None:
        """Remove the rows of answered calls and of those too old to be repeated, in one transaction."""
        tokens = self._book.due()
        if not tokens and not self._left:
            return
        now = self._clock.monotonic()
        self._book.forget_old(now)

        def write(transaction: Transaction) -> bool:
            calls.forget(transaction.connection, tokens, now)
            return calls.count(transaction.connection) > 0

        self._left = self._database.write(write)
        self._book.removed(tokens)

    def close(self) -> None:
        """At an end in order: what was answered needs no file any more."""
        self.flush()
        self._book.close()
