"""A server's port seen from outside: raw bytes in, every answer out."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
import zlib
from typing import Any

import pytest

DEADLINE_SECONDS = 60


class Port:
    """A port of this machine, and the means to talk to what listens there."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def send(self, request: bytes) -> Answers:
        """Everything the server answers to these bytes until it closes the connection."""
        with self.connect() as connection:
            try:
                connection.sendall(request)
            except ConnectionError:
                pass  # refused before it was all sent: the answer is there to read
            return Answers(connection)

    def call(self, body: bytes, *headers: str, path: str = "/RPC2") -> Answers:
        return self.send(post(body, *headers, "Connection: close", path=path))

    def proxy(self, path: str = "/RPC2", **options: Any) -> xmlrpc.client.ServerProxy:
        return xmlrpc.client.ServerProxy(f"http://127.0.0.1:{self.port}{path}", allow_none=True, **options)


class Answers:
    """The answers read from a connection: of the last one `status`, `headers`, `body`; of all `statuses`."""

    def __init__(self, connection: socket.socket, count: int = 1000) -> None:
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        with connection.makefile("rb") as stream:
            while len(self.statuses) < count:
                try:
                    if not stream.peek(1):
                        break
                except ConnectionError:
                    break
                # http.client closes the stream that it was given at the end of a body
                response = http.client.HTTPResponse(Shared(stream))  # type: ignore[arg-type]
                response.begin()
                self.statuses.append(response.status)
                self.headers = {name.lower(): value for name, value in response.getheaders()}
                self.bodies.append(response.read())

    @property
    def status(self) -> int:
        assert len(self.statuses) == 1, self.statuses
        return self.statuses[0]

    @property
    def body(self) -> bytes:
        assert len(self.bodies) == 1
        return self.bodies[0]

    def value(self) -> Any:
        assert self.status == 200
        return xmlrpc.client.loads(self.body, use_builtin_types=True)[0][0]

    def fault(self) -> int:
        with pytest.raises(xmlrpc.client.Fault) as caught:
            self.value()
        assert "Error" not in caught.value.faultString
        assert "class" not in caught.value.faultString
        return caught.value.faultCode


class Shared:
    """A stream that outlives the response read from it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def makefile(self, mode: str) -> Shared:
        return self

    def close(self) -> None:
        """The owner closes it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def post(body: bytes, *headers: str, path: str = "/RPC2") -> bytes:
    """A call as XML-RPC libraries send it; a header given replaces the usual one, "Name:" alone removes it."""
    usual = {"host": "localhost", "content-type": "text/xml", "content-length": str(len(body))}
    lines = []
    for header in headers:
        name, _, value = header.partition(":")
        usual.pop(name.lower(), None)
        if value:
            lines.append(header)
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in usual.items()), *lines]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *([] if "Host:" in "".join(headers) else ["Host: localhost"]), *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def xml(name: str, *params: Any) -> bytes:
    return xmlrpc.client.dumps(params, name, allow_none=True).encode()


def gzip_bomb(megabytes: int) -> bytes:
    """A gzip body that unpacks to so many megabytes. Its checksum is wrong, which only who unpacks it all can tell."""
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, next_one = (stream.compress(b" " * 1_000_000) + stream.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + next_one * (megabytes - 1) + stream.flush()


def closes(connection: socket.socket) -> bool:
    """Whether the server closes the connection before the test's own deadline."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
