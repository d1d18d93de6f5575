"""The threads that do the work of requests, so that the event loop never waits for a database or a template.

Two lanes: a small pool for everything, and a single thread for bodies over 1 MB, which are thus read one at a time
and leave the pool to others (PROMISES 6.1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hqserver.http.bodies import LARGE_BODY
from hqserver.http.coding import WORTH_COMPRESSING, unzip, zip_into, zipped
from hqserver.http.crowd import crowded
from hqserver.http.messages import Refusal
from hqserver.rpc.faults import fault_of, record_incident
from hqserver.rpc.method import Caller
from hqserver.rpc.wire import to_wire
from hqserver.spool import Growing, NoRoom, Spool, Spooled
from hqserver.web import WebRequest, WebResponse

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

Call = Callable[[bytes | Spooled, Caller], bytes | Spooled]
Web = Callable[[WebRequest], WebResponse]


class Workers:
    """Runs `call` and `web` in threads of its own, at most `threads` at a time."""

    def __init__(self, call: Call, web: Web, threads: int, spool: Spool) -> None:
        self._call, self._web, self._spool = call, web, spool
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large-request")

    async def call(
        self, body: bytes | Spooled, caller: Caller, *, unzip_to: int, zip_answer: bool
    ) -> tuple[bytes | Spooled, bool]:
        """The answer to a call, and whether it is compressed. `unzip_to` is 0 for a body that is not, else its limit.

        Raises `Refusal` for a compressed body that cannot be read.
        """

        def answer(plain: bytes | Spooled) -> tuple[bytes | Spooled, bool]:
            try:
                xml = self._call(plain, caller)
            except Exception as problem:  # the dispatcher answers every fault itself: this is past its end
                xml = to_wire(fault_of(problem, "a call"))
            return (_zipped(xml), True) if zip_answer and len(xml) > WORTH_COMPRESSING else (xml, False)

        def unpack() -> bytes | tuple[bytes | Spooled, bool]:
            plain = Growing(self._spool, LARGE_BODY)
            try:
                unzip(body, unzip_to, plain.write)
                whole = plain.take()
                return whole if isinstance(whole, bytes) else answer(whole)
            except (NoRoom, OSError):
                raise crowded("requests") from None
            finally:
                plain.drop()

        if unzip_to:
            unpacked = await self._in(self._large, unpack)
            if isinstance(unpacked, tuple):
                return unpacked
            body = unpacked
        return await self._in(self._large if len(body) > LARGE_BODY else self._pool, lambda: answer(body))

    async def page(self, request: WebRequest, *, zip_answer: bool) -> tuple[WebResponse, bool]:
        """The answer to a GET, and whether its body is compressed; 503 with an incident's id where that fails."""

        def answer() -> tuple[WebResponse, bool]:
            try:
                response = self._web(request)
            except Refusal as refusal:
                return refused(refusal), False
            except Exception as problem:
                incident = record_incident(problem, f"GET {request.path[:200]!r}")
                return refused(Refusal(503, f"this page failed, incident {incident}")), False
            body = response.body
            if zip_answer and isinstance(body, bytes) and len(body) > WORTH_COMPRESSING:
                kind, headers = response.content_type, {**response.headers, "Vary": "Accept-Encoding"}
                return WebResponse(zipped(body), response.status, kind, headers), True
            return response, False

        return await self._in(self._pool, answer)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Have something short done by the pool."""
        return await self._in(self._pool, work)

    async def next_piece(self, pieces: Iterator[bytes]) -> bytes | None:
        """The next piece of a streamed answer, None at its end."""
        return await self._in(self._pool, lambda: next(pieces, None))

    async def finish(self, pieces: Iterator[bytes]) -> None:
        """Tell a stream that nobody reads on."""
        close = getattr(pieces, "close", None)
        if close:
            await self._in(self._pool, close)

    def close(self) -> None:
        """Take no more work; what runs goes on to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._large.shutdown(wait=False, cancel_futures=True)

    async def _in(self, lane: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(lane, work)


def _zipped(xml: bytes | Spooled) -> bytes | Spooled:
    if isinstance(xml, bytes):
        return zipped(xml)
    packed = Growing(xml.spool, LARGE_BODY)
    try:
        zip_into(xml, packed.write)
    except (NoRoom, OSError):
        packed.drop()
        raise crowded("answers") from None
    finally:
        xml.close()
    return packed.take()


def refused(refusal: Refusal) -> WebResponse:
    """The refusal as a response of plain text."""
    text = f"{refusal.sentence}\n".encode()
    return WebResponse(text, refusal.status, "text/plain; charset=utf-8", refusal.headers)
