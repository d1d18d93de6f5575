"""What an operation on the writing connection works with."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class Transaction:
    """One operation's share of a transaction.

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
