"""Telling clients at once that there are orders for them: HQueue's `wakeup()` on the client's port (CONTRACT 1.4).

It is a courtesy, never a promise: a client that cannot be reached gets its orders with its next beat.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

_LOG = logging.getLogger(__name__)
_CALL = b"<?xml version='1.0'?><methodCall><methodName>wakeup</methodName><params></params></methodCall>"
_HEADERS = f"Content-Type: text/xml\r\nContent-Length: {len(_CALL)}\r\n"
_ANSWER_SECONDS = 2.0
_UNREACHABLE_SECONDS = 15.0
_LONGEST_ANSWER = 16 * 1024

Address = tuple[str, int]


@dataclass(slots=True)
class _Line:
    """The connection to one client. `asked` again while a call is under way means one more call."""

    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    task: asyncio.Task[None] | None = None
    asked: bool = False
    not_before: float = 0.0


class Waker:
    """Wakes clients from any thread; the calls run on the event loop and cost no thread."""

    def __init__(self, address_of: Callable[[int], Address | None]):
        """`address_of` gives a client's address, None for one that does not listen."""
        self._address_of = address_of
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lines: dict[int, _Line] = {}

    def start(self) -> None:
        """Begin on the running event loop. What was asked before is left to the clients' beats."""
        self._loop = asyncio.get_running_loop()

    def wake(self, client_id: int) -> None:
        """Have the client beat now. Returns at once."""
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._begin, client_id)
        except RuntimeError:
            pass  # the loop was closed this moment: the server is ending

    def _begin(self, client_id: int) -> None:
        line = self._lines.setdefault(client_id, _Line())
        if line.task is not None:
            line.asked = True
            return
        address = self._address_of(client_id)
        if address is None or asyncio.get_running_loop().time() < line.not_before:
            return
        line.task = asyncio.create_task(self._call(client_id, line, address))

    async def _call(self, client_id: int, line: _Line, address: Address) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._exchange(line, address)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as problem:
            self._hang_up(line)
            line.not_before = asyncio.get_running_loop().time() + _UNREACHABLE_SECONDS
            line.asked = False
            _LOG.info("client %d cannot be woken at %s:%d (%r); it beats by itself", client_id, *address, problem)
        finally:
            line.task = None
        if line.asked:
            line.asked = False
            self._begin(client_id)

    async def _exchange(self, line: _Line, address: Address) -> None:
        host, port = address
        fresh = line.writer is None
        if line.reader is None or line.writer is None:
            line.reader, line.writer = await asyncio.open_connection(host, port, limit=_LONGEST_ANSWER)
        shown = f"[{host}]" if ":" in host else host
        head = f"POST /RPC2 HTTP/1.1\r\nHost: {shown}:{port}\r\n{_HEADERS}\r\n"
        try:
            line.writer.write(head.encode("ascii") + _CALL)
            keep = await _read_answer(line.reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            if fresh:
                raise
            # The client closed the idle connection, as it may: once more on a new one.
            self._hang_up(line)
            await self._exchange(line, address)
            return
        if not keep:
            self._hang_up(line)

    def _hang_up(self, line: _Line) -> None:
        if line.writer is not None:
            line.writer.close()
        line.reader = line.writer = None

    async def stop(self) -> None:
        """Hang up everywhere."""
        self._loop = None
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for line in self._lines.values():
            self._hang_up(line)


async def _read_answer(reader: asyncio.StreamReader) -> bool:
    """Read one answer and throw it away; whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next((line[15:] for line in head.split("\r\n") if line.startswith("content-length:")), "")
    if not length.strip().isdigit() or int(length) > _LONGEST_ANSWER:
        raise ValueError("an answer without a usable length")
    await reader.readexactly(int(length))
    return "connection: close" not in head
