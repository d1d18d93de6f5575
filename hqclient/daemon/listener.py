"""HQueue's port 5001: `wakeup()` for anybody, `terminate()` for this machine and for whoever knows the client's
secret (CONTRACT 1.4, 9.22).

Nothing here trusts the caller: every request has a size, a deadline and a budget, and a browser's are
refused.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import errno
import hmac
import ipaddress
import socket
from collections import deque
from collections.abc import Callable
from xmlrpc.client import Fault, dumps, loads

import h11

_BODY_LIMIT = 64 << 10
_HEAD_LIMIT = 16 << 10
_REQUEST_SECONDS = 30.0
_CONNECTIONS = 64
_WAKEUPS_A_SECOND = 100


class ListenerError(Exception):
    """The port cannot be listened on; the message is one sentence."""


class Listener:
    """The XML-RPC server of one daemon. `open` it, read `port`, `close` it; all on one event loop."""

    def __init__(
        self,
        wakeup: Callable[[], None],
        terminate: Callable[[], None],
        secret: Callable[[], str],
        *,
        request_seconds: float = _REQUEST_SECONDS,
    ) -> None:
        """`secret` gives the client's own, "" while it has none; `request_seconds` is the time a caller has for one
        whole request, and to begin the next."""
        self.port = 0
        self._methods = {"wakeup": wakeup, "terminate": terminate}
        self._secret = secret
        self._request_seconds = request_seconds
        self._server: asyncio.Server | None = None
        self._callers: dict[asyncio.Task[None], None] = {}
        self._wakeups: deque[float] = deque(maxlen=_WAKEUPS_A_SECOND)

    async def open(self, host: str, port: int, *, or_any: bool = False) -> None:
        """Listen on `host` ("" = every address). With `or_any` a port that is taken is replaced by a free
        one.

        Raises `ListenerError`.
        """
        try:
            self._server = await self._listen(host, port)
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE and or_any:
                await self.open(host, 0)
                return
            reason = "is in use" if problem.errno == errno.EADDRINUSE else f"cannot be used: {problem.strerror}"
            raise ListenerError(f"port {port} {reason}; choose another with --port") from None
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and hang up on every caller."""
        if self._server is None:
            return
        self._server.close()
        for caller in list(self._callers):
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _listen(self, host: str, port: int) -> asyncio.Server:
        if host:
            return await asyncio.start_server(self._serve, host, port, backlog=128, limit=_HEAD_LIMIT)
        # One socket for both families, so that port 0 means one port.
        if not socket.has_dualstack_ipv6():
            return await asyncio.start_server(self._serve, "0.0.0.0", port, backlog=128, limit=_HEAD_LIMIT)
        both = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
        return await asyncio.start_server(self._serve, sock=both, limit=_HEAD_LIMIT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        while len(self._callers) >= _CONNECTIONS:
            oldest = next(iter(self._callers))
            del self._callers[oldest]
            oldest.cancel()
        self._callers[task] = None
        try:
            await self._converse(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # a caller that is slow, gone or hung up on gets no answer
        finally:
            self._callers.pop(task, None)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
        peer = str(writer.get_extra_info("peername")[0])
        while True:
            async with asyncio.timeout(self._request_seconds):
                try:
                    status, answer = await self._answer(http, reader, peer)
                except _Hangup:
                    return
                except h11.RemoteProtocolError as problem:
                    status, answer = problem.error_status_hint, b""
                headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(answer)))]
                if status != 200:
                    headers.append(("Connection", "close"))  # what is left of its body is no next request
                response = h11.Response(status_code=status, headers=headers)
                for event in (response, h11.Data(data=answer), h11.EndOfMessage()):
                    writer.write(http.send(event) or b"")
                await writer.drain()
            if status != 200 or http.next_event() is h11.PAUSED:
                return
            http.start_next_cycle()

    async def _answer(self, http: h11.Connection, reader: asyncio.StreamReader, peer: str) -> tuple[int, bytes]:
        request = await _next_event(http, reader)
        if not isinstance(request, h11.Request):
            raise _Hangup
        headers = dict(request.headers)
        refusal = _refusal(request, headers)
        if refusal:
            return refusal, b""
        body = bytearray()
        while isinstance(event := await _next_event(http, reader), h11.Data):
            body += event.data
            if len(body) > _BODY_LIMIT:
                return 413, b""
        may_terminate = _is_loopback(peer) or _knows(self._secret(), headers.get(b"authorization", b""))
        return 200, self._call(bytes(body), may_terminate)

    def _call(self, body: bytes, may_terminate: bool) -> bytes:
        try:
            name, parameters = _parse(body)
            if name not in self._methods:
                raise Fault(-32601, "this port knows wakeup and terminate only")
            if parameters:
                raise Fault(-32602, f"{name} takes no parameters")
            if name == "terminate" and not may_terminate:
                raise Fault(403, "terminate is for callers on this machine, or with the client's secret as password")
            if name != "wakeup" or self._within_rate():
                self._methods[name]()
        except Fault as fault:
            return dumps(fault).encode()
        return dumps((True,), methodresponse=True).encode()

    def _within_rate(self) -> bool:
        now = asyncio.get_running_loop().time()
        if len(self._wakeups) == _WAKEUPS_A_SECOND and now - self._wakeups[0] < 1.0:
            return False
        self._wakeups.append(now)
        return True


class _Hangup(Exception):
    """The caller has closed the connection between two requests."""


async def _next_event(http: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await reader.read(_BODY_LIMIT))
    return event


def _refusal(request: h11.Request, headers: dict[bytes, bytes]) -> int:
    """The HTTP status of a request that is refused before its body is read, 0 for none (PROMISES 6.4)."""
    if request.method != b"POST":
        return 405
    if request.target not in (b"/", b"/RPC2"):
        return 404
    if b"origin" in headers or headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        return 403  # a page in a browser; no XML-RPC library sends these
    if headers.get(b"content-type", b"").split(b";")[0].strip().lower() not in (b"text/xml", b"application/xml"):
        return 415
    if b"transfer-encoding" in headers:
        return 501
    if b"content-length" not in headers:
        return 411
    # h11 has checked that it is a number.
    return 413 if int(headers[b"content-length"]) > _BODY_LIMIT else 0


def _parse(body: bytes) -> tuple[str, tuple[object, ...]]:
    """The method that is called, and with what."""
    if b"<!DOCTYPE" in body or b"\0" in body:
        raise Fault(-32700, "the request is not well-formed XML-RPC")
    try:
        parameters, name = loads(body)
    except Exception:
        # The stdlib's parser raises whatever its parts raise: ExpatError, ValueError, KeyError, IndexError,
        # ...
        raise Fault(-32700, "the request is not well-formed XML-RPC") from None
    if name is None:
        raise Fault(-32600, "the request calls no method")
    return name, parameters


def _knows(secret: str, authorization: bytes) -> bool:
    """Whether the header is HTTP Basic with the secret as password, whatever the user; none is without a secret."""
    scheme, _, credentials = authorization.partition(b" ")
    try:
        _, _, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
    except binascii.Error:
        return False
    return scheme.lower() == b"basic" and bool(secret) and hmac.compare_digest(password, secret.encode())


def _is_loopback(peer: str) -> bool:
    address = ipaddress.ip_address(peer.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
