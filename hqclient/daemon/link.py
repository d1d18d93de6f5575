"""The daemon's line to the server: XML-RPC over one HTTP/1.1 connection that is kept open, and single files.

One call at a time. A call ends with a value, with the server's fault, or with `LinkDown`, which means that
nobody knows whether the server has carried it out: every call of the protocol may therefore be repeated.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
from typing import Any, Protocol
from xmlrpc.client import Fault, dumps, loads

import h11

from hqserver.domain.crash import crash_point

from .config import ServerAddress
from .wiretext import clean

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
_ANSWER_LIMIT = 64 << 20
_CHUNK = 256 << 10
_LARGEST_INT = 2**31 - 1


class LinkDown(Exception):
    """No usable answer: unreachable, too slow, cut off, or not XML-RPC. The message says which."""


class NotAFarm(LinkDown):
    """What answers at this address is no farm's server: another program, or another page of the same machine."""


class ServerFault(Exception):
    """The server's answer is no. `code` is one of CONTRACT 9.1, `sentence` says why."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(f"{sentence} (fault {code})")
        self.code = code
        self.sentence = sentence


class Transport(Protocol):
    """What the daemon needs of a line to its server; tests put a scripted server in its place."""

    async def call(self, method: str, argument: object, secret: str) -> object:
        """Call a method with one argument, as the client whose secret this is ("" = not known yet)."""

    async def fetch(self, path: str, limit: int, secret: str) -> bytes:
        """The file at a path of the server's, of at most `limit` bytes. Calls go on meanwhile."""

    async def close(self) -> None:
        """Let go of the connection."""


class Link:
    """`Transport` over a socket."""

    def __init__(self, server: ServerAddress, answer_seconds: float = _ANSWER_SECONDS) -> None:
        """Nothing is connected before the first call; `answer_seconds` bounds each call once it is."""
        self._server = server
        self._answer_seconds = answer_seconds
        self._connection: _Connection | None = None
        self._turn = asyncio.Lock()

    async def call(self, method: str, argument: object, secret: str) -> object:
        """Call `method`. Raises `ServerFault` or `LinkDown`."""
        body = dumps((to_wire(argument),), method, allow_none=True).encode()
        async with self._turn:
            kept = self._connection is not None
            try:
                status, answer = await self._exchange(body, secret)
            except _ClosedUnasked:
                # A server may close a connection that was idle just as the next call is written. Nothing of
                # an answer came, so one more try on a fresh connection hides that.
                if not kept:
                    raise LinkDown("the server closed the connection without an answer") from None
                try:
                    status, answer = await self._exchange(body, secret)
                except _ClosedUnasked:
                    raise LinkDown("the server closed the connection without an answer") from None
        return _read(status, answer)

    async def fetch(self, path: str, limit: int, secret: str) -> bytes:
        """The file at `path`, over a connection of its own. Raises `LinkDown` for anything but the whole of it."""
        try:
            connection = await _connect(self._server)
            try:
                request = h11.Request(method="GET", target=path, headers=self._headers(secret))
                async with asyncio.timeout(self._answer_seconds):
                    status, content, _ = await connection.exchange(request, b"", limit)
            finally:
                await connection.close()
        except TimeoutError:
            raise LinkDown(f"no answer within {self._answer_seconds:g} s") from None
        except _ClosedUnasked:
            raise LinkDown("the server closed the connection without an answer") from None
        except (OSError, h11.ProtocolError) as problem:
            raise LinkDown(_reason(problem)) from None
        if status != 200:
            raise LinkDown(f"the server answered HTTP {status}")
        return content

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _exchange(self, body: bytes, secret: str) -> tuple[int, bytes]:
        reusable = False
        headers = [*self._headers(secret), ("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
        request = h11.Request(method="POST", target="/RPC2", headers=headers)
        try:
            if self._connection is None:
                self._connection = await _connect(self._server)
            async with asyncio.timeout(self._answer_seconds):
                status, answer, reusable = await self._connection.exchange(request, body, _ANSWER_LIMIT)
        except TimeoutError:
            raise LinkDown(f"no answer within {self._answer_seconds:g} s") from None
        except (OSError, h11.ProtocolError) as problem:
            raise LinkDown(_reason(problem)) from None
        finally:
            if not reusable:
                await self.close()
        return status, answer

    def _headers(self, secret: str) -> list[tuple[str, str]]:
        headers = [("Host", self._server.url.removeprefix("http://")), ("User-Agent", "hqclient")]
        return [*headers, ("Authorization", f"Bearer {secret}")] if secret else headers


def to_wire(value: Any) -> Any:
    """`value` as XML-RPC can carry it: integers beyond 32 bits as doubles, text without forbidden
    characters."""
    match value:
        case bool() | bytes() | None:
            return value
        case int():
            return value if -_LARGEST_INT <= value <= _LARGEST_INT else float(value)
        case float():
            return value if math.isfinite(value) else 0.0
        case str():
            return clean(value)
        case dict():
            return {clean(str(key)): to_wire(inner) for key, inner in value.items()}
        case list() | tuple():
            return [to_wire(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} has no place on the wire")


class _ClosedUnasked(Exception):
    """The connection ended before any part of an answer."""


class _Connection:
    """One HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self._heard = False

    async def exchange(self, request: h11.Request, body: bytes, limit: int) -> tuple[int, bytes, bool]:
        """Send a request; the answer's HTTP status and body, and whether the connection can be used again."""
        self._heard = False
        try:
            self._send(request, body)
            await self._writer.drain()
            crash_point("call_sent")
            response = await self._event()
        except ConnectionError:
            if self._heard:
                raise
            raise _ClosedUnasked from None
        while isinstance(response, h11.InformationalResponse):
            response = await self._event()
        if not isinstance(response, h11.Response):
            raise h11.RemoteProtocolError("the answer is not HTTP")
        answer = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            answer += event.data
            if len(answer) > limit:
                raise LinkDown("the server's answer is too long")
        reusable = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if reusable:
            self._http.start_next_cycle()
        return response.status_code, bytes(answer), reusable

    async def close(self) -> None:
        """Close without waiting for the peer longer than a moment."""
        self._writer.close()
        try:
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # it is gone either way

    def _send(self, request: h11.Request, body: bytes) -> None:
        for event in (request, h11.Data(data=body), h11.EndOfMessage()):
            self._writer.write(self._http.send(event) or b"")

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = await self._reader.read(_CHUNK)
            if not data and not self._heard:
                raise _ClosedUnasked
            self._heard = True
            self._http.receive_data(data)
        return event


async def _connect(server: ServerAddress) -> _Connection:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return _Connection(*await asyncio.open_connection(server.host, server.port))
    except TimeoutError:
        raise LinkDown(f"no connection within {_CONNECT_SECONDS:g} s") from None


def _reason(problem: Exception) -> str:
    """What a person makes sense of: `Connection refused` rather than a number and a call's name."""
    if isinstance(problem, socket.gaierror):
        return "no such host"
    if isinstance(problem, OSError) and problem.errno:
        return os.strerror(problem.errno)
    return str(problem) or type(problem).__name__


def _read(status: int, answer: bytes) -> object:
    if status == 401:
        raise ServerFault(401, "the server does not know this client")
    if status in (400, 403, 404, 405, 411, 415, 501):
        raise NotAFarm(f"what answers there is no farm: HTTP {status}")
    if status != 200:
        raise LinkDown(f"the server answered HTTP {status}")
    if b"<!DOCTYPE" in answer[:1024]:
        raise NotAFarm("what answers there does not speak XML-RPC")
    try:
        values, _ = loads(answer, use_builtin_types=True)
    except Fault as fault:
        raise ServerFault(fault.faultCode, fault.faultString) from None
    except Exception:
        # The stdlib's parser raises whatever its parts raise: ExpatError, ValueError, KeyError, IndexError,
        # ...
        raise NotAFarm("what answers there does not speak XML-RPC") from None
    if len(values) != 1:
        raise NotAFarm("what answers there does not speak XML-RPC")
    return values[0]
