"""One connection to the server's `GET /events`: the farm's journal as it comes (CONTRACT 10).

It speaks HTTP/1.0 over a socket of its own, because it must be able to wait for a while and then go on with the same
answer, which the standard library's reader cannot.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from hqserver.domain.version import VERSION

from .address import Address
from .errors import FarmUnreachable, NoStream

SILENCE_SECONDS = 50.0
"""A stream that says nothing for so long is broken: the server gives a sign of life every 15 seconds."""

_LARGEST_HEAD = 64 * 1024
_LARGEST_EVENT = 4 * 1024 * 1024
_PIECE = 64 * 1024


class EventStream:
    """A stream of events behind the cursor `after`, opened at once.

    Raises `NoStream`, and `FarmUnreachable` where nobody answers.
    """

    def __init__(self, address: Address, after: int, wanted: Mapping[str, Any], timeout_seconds: float) -> None:
        self.cursor = after
        """Where to go on, should this connection break."""
        self._lines = b""
        self._fields: dict[str, str] = {}
        self._socket = _connected(address, timeout_seconds)
        try:
            self._socket.settimeout(timeout_seconds)
            self._socket.sendall(_request(address, after, wanted))
            self._lines = self._read_head(address)
        except OSError as problem:
            self.close()
            raise FarmUnreachable(f"no event stream from {address.shown}: {problem}") from problem
        except BaseException:
            self.close()
            raise
        self._heard_at = time.monotonic()

    def _read_head(self, address: Address) -> bytes:
        """Read the head of the answer; what came behind it."""
        head, end, rest = b"", b"", b""
        while not end:
            piece = self._socket.recv(_PIECE)
            if not piece or len(head) > _LARGEST_HEAD:
                raise FarmUnreachable(f"{address.shown} closed the connection without answering /events")
            head, end, rest = (head + piece).partition(b"\r\n\r\n")
        first, _, fields = head.decode("latin-1").partition("\r\n")
        words = first.split()
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        if status != 200 or "text/event-stream" not in fields.lower():
            raise NoStream(status, f"{address.shown} serves no event stream (HTTP {status})")
        return rest

    def take(self, seconds: float) -> list[dict[str, Any]]:
        """The events that come next; none where nothing comes within so many seconds.

        An event is a dictionary as `getEvents` gives it. One of kind "lost" stands where some are not kept any more.
        Raises `FarmUnreachable` where the connection is broken or the server is ending.
        """
        deadline = time.monotonic() + seconds
        while True:
            if found := self._parsed():
                return found
            now = time.monotonic()
            if now - self._heard_at > SILENCE_SECONDS:
                raise FarmUnreachable("the event stream fell silent")
            if now >= deadline:
                return []
            self._socket.settimeout(max(min(deadline - now, SILENCE_SECONDS), 0.001))
            try:
                piece = self._socket.recv(_PIECE)
            except (TimeoutError, ssl.SSLWantReadError):
                continue
            except OSError as problem:
                raise FarmUnreachable(f"the event stream broke: {problem}") from problem
            if not piece or len(self._lines) > _LARGEST_EVENT:
                raise FarmUnreachable("the server ended the event stream")
            self._heard_at = time.monotonic()
            self._lines += piece

    def _parsed(self) -> list[dict[str, Any]]:
        *whole, self._lines = self._lines.split(b"\n")
        found = []
        for line in whole:
            if line:
                name, _, value = line.decode("utf-8", "replace").partition(":")
                self._fields[name] = value.removeprefix(" ")
                continue
            fields, self._fields = self._fields, {}
            if fields.get("id", "").isdigit():
                self.cursor = int(fields["id"])
            if fields.get("event") == "lost":
                found.append({"kind": "lost"})
            elif "data" in fields:
                found.append(_event(fields["data"]))
        return found

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _event(data: str) -> dict[str, Any]:
    try:
        event = dict(json.loads(data))
        told = datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (ValueError, TypeError, KeyError) as problem:
        raise FarmUnreachable(f"the event stream is not that of a farm: {problem}") from None
    return {**event, "time": told.replace(tzinfo=None)}  # naive UTC, as XML-RPC brings it


def _connected(address: Address, timeout_seconds: float) -> socket.socket:
    parts = urlsplit(f"{address.scheme}://{address.host}")
    host = parts.hostname or ""
    port = parts.port or (443 if address.scheme == "https" else 80)
    try:
        plain = socket.create_connection((host, port), timeout_seconds)
        if address.scheme != "https":
            return plain
        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
    except (OSError, UnicodeError) as problem:
        raise FarmUnreachable(f"no farm answers at {address.shown}: {problem}") from problem


def _request(address: Address, after: int, wanted: Mapping[str, Any]) -> bytes:
    query = {key: ",".join(map(str, value)) if isinstance(value, list) else value for key, value in wanted.items()}
    target = f"{address.path.removesuffix('/RPC2')}/events?{urlencode({'after': after, **query})}"
    credentials, _, place = address.host.rpartition("@")
    lines = [
        *(f"GET {target} HTTP/1.0", f"Host: {place}", f"User-Agent: hqclient/{VERSION}", "Accept: text/event-stream"),
        *([f"Authorization: Basic {base64.b64encode(unquote(credentials).encode()).decode()}"] if credentials else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
