"""Calls to the server: XML-RPC over HTTP with keep-alive, answered by a value or by one of our exceptions.

Nothing here knows a method of the farm. The XML is the standard library's, both ways.
"""

from __future__ import annotations

import http.client
import re
import threading
import xmlrpc.client
from collections.abc import Mapping
from typing import Any, Protocol
from xml.parsers.expat import ExpatError

from hqserver.domain.version import VERSION

from .address import DEFAULT_PORT, Address, find_address
from .errors import AnswerLost, BadAnswer, BadParameters, FarmUnreachable, UnknownMethod, refusal
from .event_stream import EventStream

DEFAULT_TIMEOUT_SECONDS = 30.0

# Statuses that the HTTP side answers itself, before there is a fault; they mean what the fault codes mean.
_HTTP_REFUSALS = {
    401: "the server wants a user and a password: http://USER:PASSWORD@host:port",
    403: "the server does not admit this caller",
    413: "the call is larger than the server takes",
    429: "too many calls: slow down",
    503: "the server is starting, shutting down or overloaded",
}

# XML 1.0 has no way to write these, not even as references. They would be sent and break the reader.
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Finds characters that XML cannot carry."""


class Caller(Protocol):
    """What reaches a server: a `Connection`, or the `Farm` around it."""

    @property
    def url(self) -> str: ...

    def call(self, name: str, *args: object) -> Any: ...

    def event_stream(self, after: int, wanted: Mapping[str, Any]) -> EventStream | None: ...


class Transport(Protocol):
    """What carries a request there and the values of its answer back: an `xmlrpc.client.Transport`."""

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any: ...

    def close(self) -> None: ...


class HttpTransport(xmlrpc.client.Transport):
    """The standard library's transport, with time-outs, https, and connecting told apart from calling.

    A kept-alive connection that has gone cold is opened again and the call repeated once; the server
    recognises a repeated call (DESIGN, "Retried calls").
    """

    user_agent = f"hqclient/{VERSION}"

    def __init__(self, address: Address, timeout_seconds: float) -> None:
        super().__init__(use_builtin_types=True)
        self._address = address
        self._timeout_seconds = timeout_seconds

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """The connection to the server, opened where there is none. Raises `FarmUnreachable`."""
        known = self._connection[1]
        if isinstance(known, http.client.HTTPConnection):
            if known.sock is None:
                self._open(known)
            return known
        place, self._extra_headers, _ = self.get_host_info(host)
        kind = http.client.HTTPSConnection if self._address.scheme == "https" else http.client.HTTPConnection
        connection = kind(place, timeout=self._timeout_seconds)
        self._open(connection)
        self._connection = (host, connection)
        return connection

    def _open(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except (OSError, UnicodeError) as problem:
            connection.close()
            hint = "" if re.search(r":\d+$", self._address.shown) else f"; is its port {DEFAULT_PORT}?"
            raise FarmUnreachable(f"no farm answers at {self._address.shown}: {_reason(problem)}{hint}") from problem


def _reason(problem: Exception) -> str:
    if isinstance(problem, TimeoutError):
        return "timed out"
    text = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    return text[:1].lower() + text[1:] if text else type(problem).__name__


class Connection:
    """A connection to one server. It may be shared by threads; their calls go one after the other."""

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        transport: Transport | None = None,
    ) -> None:
        """`url` as in `find_address`; a call fails after `timeout_seconds` without a sign of life.

        Nothing is sent yet. Raises `BadAddress`.
        """
        self.address = find_address(url)
        self.timeout_seconds = timeout_seconds
        self._has_port = transport is None
        self._transport = transport or HttpTransport(self.address, timeout_seconds)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The server's address, without credentials."""
        return self.address.shown

    def call(self, name: str, *args: object) -> Any:
        """What the server's method `name` answers: times are naive UTC `datetime`s, base64 is `bytes`.

        Raises `Refused` (by its code one of the subclasses) for a fault, `BadParameters` for what XML-RPC
        cannot carry, and `FarmUnreachable`.
        """
        body = _marshalled(name, args)
        with self._lock:
            answer = self._answer(name, body)
        return answer[0] if isinstance(answer, tuple | list) and len(answer) == 1 else answer

    def _answer(self, name: str, body: bytes) -> Any:
        where = self.address.shown
        try:
            return self._transport.request(self.address.host, self.address.path, body)
        except xmlrpc.client.Fault as fault:
            raise refusal(fault.faultCode, fault.faultString) from None
        except xmlrpc.client.ProtocolError as problem:
            if problem.errcode in _HTTP_REFUSALS:
                raise refusal(problem.errcode, _HTTP_REFUSALS[problem.errcode]) from None
            raise BadAnswer(
                f"{where} is no farm: it answered HTTP {problem.errcode} {problem.errmsg}".rstrip()
            ) from None
        except TimeoutError as problem:
            raise AnswerLost(f"{where} did not answer {name} within {self.timeout_seconds:g} seconds") from problem
        except (http.client.RemoteDisconnected, http.client.IncompleteRead) as problem:
            raise AnswerLost(f"{where} closed the connection without answering {name}") from problem
        except OSError as problem:
            raise AnswerLost(f"the connection to {where} broke during {name}: {_reason(problem)}") from problem
        except (
            *(xmlrpc.client.ResponseError, ExpatError, http.client.HTTPException),
            *(ValueError, LookupError, TypeError),  # what the unmarshaller stumbles with
        ) as problem:
            # A transport that stumbled over an answer may still hold the rest of it.
            self._transport.close()
            raise BadAnswer(f"{where} is no farm: its answer is not XML-RPC") from problem

    def event_stream(self, after: int, wanted: Mapping[str, Any]) -> EventStream | None:
        """The farm's events behind a cursor, on a connection of their own; None with a transport of somebody else's.

        `wanted` is a filter as `getEvents` takes it. Raises `NoStream` and `FarmUnreachable`.
        """
        return EventStream(self.address, after, wanted, self.timeout_seconds) if self._has_port else None

    def beside(self, timeout_seconds: float) -> Connection:
        """Another connection to the same server, whose calls wait for none of this one's; with a transport of somebody
        else's this one itself."""
        if not self._has_port:
            return self
        address = self.address
        return Connection(f"{address.scheme}://{address.host}{address.path}", timeout_seconds=timeout_seconds)

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        with self._lock:
            self._transport.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _marshalled(name: str, args: tuple[object, ...]) -> bytes:
    if not re.fullmatch(r"[\w.:/]+", name, re.ASCII):
        raise UnknownMethod(-32601, f"no method can be called {name!r}")
    try:
        text = xmlrpc.client.dumps(args, methodname=name, allow_none=True)  # type: ignore[arg-type]
    except (TypeError, OverflowError, RecursionError) as problem:
        raise BadParameters(-32602, f"{name}: a parameter cannot travel by XML-RPC: {problem}") from None
    found = NOT_IN_XML.search(text)
    if found:
        raise BadParameters(
            -32602, f"{name}: a parameter holds U+{ord(found[0]):04X}, a character that XML cannot carry"
        )
    # XML turns a bare carriage return into a line feed; a reference survives.
    return text.replace("\r", "&#13;").encode()
