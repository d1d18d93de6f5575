"""An answer while it is written: in memory while it is small, in a file once it is not (PROMISES P10)."""

from __future__ import annotations

from hqserver.domain.errors import Busy, DiskFull
from hqserver.spool import Growing, NoRoom, Spool, Spooled

LARGEST_IN_MEMORY = 256 * 1024
"""Bytes of an answer beyond which it goes into a file, so that who reads it slowly holds no memory."""


class AnswerWriter:
    """Takes an answer piece by piece. Without a `spool` all of it stays in memory.

    What has been done cannot be refused any more: the answer of a call with `must_fit` stays in memory where there is
    no room for it on the disk.
    """

    def __init__(self, spool: Spool | None) -> None:
        self.must_fit = False
        self._written = Growing(spool, LARGEST_IN_MEMORY)

    def write(self, text: str) -> None:
        """Append. Raises `Busy` where others hold too many large answers, `DiskFull` where the disk takes no more."""
        data = text.encode()
        try:
            self._written.write(data)
        except (NoRoom, OSError) as problem:
            if self.must_fit:
                self._written.stay_in_memory()
                self._written.write(data)
            elif isinstance(problem, NoRoom):
                raise Busy("too many large answers are being read at once; try again in a few seconds") from None
            else:
                raise DiskFull("the server's disk has no room for so large an answer; ask for less at once") from None

    def drop(self) -> None:
        """Forget what was written."""
        self._written.drop()

    def take(self) -> bytes | Spooled:
        """The whole answer."""
        return self._written.take()
