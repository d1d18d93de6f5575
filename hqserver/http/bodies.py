"""The body of a request while it comes in: a small one in memory, a large one on the disk."""

from __future__ import annotations

from io import BytesIO

from hqserver.http.crowd import Crowd, crowded
from hqserver.spool import NoRoom, Spool, Spooled

LARGE_BODY = 1024 * 1024
"""Bytes beyond which a body waits on the disk, and goes down the lane for large ones."""


class IncomingBody:
    """What has come of a body. Where the disk does not take a large one, memory does as long as there is room."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._plain = BytesIO()  # gives its bytes without copying them
        self._file: Spooled | None = None

    def expect(self, length: int, spool: Spool) -> None:
        """Prepare for so many bytes. Raises `Refusal` 503 where others hold too many files."""
        if length > LARGE_BODY:
            try:
                self._file = spool.open()
            except NoRoom:
                raise crowded("requests") from None
            except OSError:
                pass  # a client that reports much is heard on a full disk, too

    def write(self, data: bytes) -> None:
        """Append. Raises `Refusal` 503 where others hold too much."""
        if self._file is not None:
            try:
                self._file.write(data)
                return
            except NoRoom:
                raise crowded("requests") from None
            except OSError:
                for piece in self._file.pieces():
                    self._keep(piece)
                self._file.close()
                self._file = None
        self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._crowd.hold(len(data))
        self._plain.write(data)

    def whole(self) -> bytes | Spooled:
        """All of it, until it is dropped."""
        return self._file if self._file is not None else self._plain.getvalue()

    def drop(self) -> None:
        """Forget it."""
        self._crowd.buffered -= self._plain.tell()
        self._plain = BytesIO()
        if self._file is not None:
            self._file.close()
            self._file = None
