"""Writing answers to one connection: in pieces, each when the peer has taken those before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

import h11

from hqserver.http.answers import response_head
from hqserver.http.site import Site
from hqserver.spool import Spooled, in_pieces
from hqserver.web import WebResponse

_SMALL = 16 * 1024  # bytes of an answer that is written as a whole and not counted
_DRAIN_SECONDS = 0.01


class Sender:
    """What a connection writes through. `writable` is set while the peer takes what it is sent."""

    def __init__(self, http: h11.Connection, site: Site, allow: Callable[[float], None]) -> None:
        """`allow` is told how many bytes come, and gives them time; infinitely many for as long as it takes."""
        self.transport: asyncio.Transport
        self.open = True
        self.writable = asyncio.Event()
        self.writable.set()
        self._http, self._site, self._allow = http, site, allow

    @property
    def ready(self) -> bool:
        """Whether the peer is there and has taken what it was sent."""
        return self.open and self.writable.is_set() and not self.transport.is_closing()

    def write(self, *events: h11.Event) -> None:
        """Hand these to the peer, or to nobody once the connection has ended."""
        if self.open and not self.transport.is_closing():
            self.transport.write(b"".join([self._http.send(event) or b"" for event in events]))

    def send_small(self, head: h11.Response, body: bytes) -> None:
        """A whole answer at once."""
        self.write(head, h11.Data(data=body), h11.EndOfMessage())

    async def send(self, response: WebResponse, *, bodiless: bool, must_fit: bool) -> None:
        """A whole answer, `bodiless` only its head.

        Raises `Refusal` 503 where the answers that others do not read fill the memory, but for one that `must_fit`.
        """
        head, body = response_head(response, self._site.stopping.is_set()), response.body
        if isinstance(body, bytes):
            if len(body) <= _SMALL or bodiless:
                self.send_small(head, b"" if bodiless else body)
                return
            self._site.crowd.hold_answer(body, must_fit)
            try:
                await self._send_large(head, body)
            finally:
                self._site.crowd.drop_answer(body)
        elif isinstance(body, Spooled):
            try:
                await self._send_large(head, body)
            finally:
                body.close()
        else:
            self.write(head)
            try:
                while not bodiless and self.open and (piece := await self._site.workers.next_piece(body)) is not None:
                    await self.send_piece(piece)
            finally:
                await self._site.workers.finish(body)
            self.write(h11.EndOfMessage())

    async def send_piece(self, piece: bytes) -> None:
        """A piece of an answer whose length nobody knows yet; the next one may take its time to come."""
        self._allow(len(piece))
        self.write(h11.Data(data=piece))
        await self.writable.wait()
        self._allow(inf)

    async def _send_large(self, head: h11.Response, body: bytes | Spooled) -> None:
        self._allow(len(body))
        self.write(head)
        for piece in in_pieces(body):
            await self.writable.wait()
            if not self.open:
                return
            self.write(h11.Data(data=piece))
        await self.writable.wait()
        self.write(h11.EndOfMessage())

    async def handed_over(self) -> bool:
        """Wait until the kernel has all that was written; False where the connection ended before."""
        while self.transport.get_write_buffer_size() and not self.transport.is_closing():
            await asyncio.sleep(_DRAIN_SECONDS)
        return self.open and not self.transport.is_closing()
