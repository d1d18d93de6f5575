"""Sending webhooks, and having the commands of callbacks submitted. The only module that calls other programs' URLs.

A webhook is a POST of JSON that is taken when it is answered with 2xx; everything else is tried again later
(`services.deliveries`). It is recorded once it was taken, so a crash in between sends it twice, with the same event id.

Whoever may add a callback may have this machine send requests. So an address is looked up once and checked before it is
connected to; those of one machine or one link alone (loopback, link-local, where clouds keep credentials) are refused,
but for loopback where the server serves nobody else. Redirects and proxies are not followed, the answer's body is
not read, and callers are told its status only.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import h11

from hqserver.domain.delivery import Delivery, signature
from hqserver.domain.version import VERSION
from hqserver.services import deliveries
from hqserver.services.farm import Farm

_LOG = logging.getLogger(__name__)
_CONNECT_SECONDS = 5.0
_WHOLE_SECONDS = 10.0
_STOP_SECONDS = 5.0
_READ_BYTES = 4096


class Unreachable(Exception):
    """There is no connection to the receiver; the sentence says why."""


class Unanswered(Exception):
    """There was one, and no answer over it; the sentence says why."""


class Deliverer:
    """Delivers in a thread of its own, so that a slow receiver keeps nothing waiting but other callbacks."""

    def __init__(self, farm: Farm, *, loopback: bool):
        """`loopback`: webhooks may be sent to this machine itself."""
        self._farm = farm
        self._loopback = loopback
        self._asked = threading.Event()
        self._stopping = threading.Event()
        # A daemon: looking up a receiver's name cannot be interrupted, and must not hold up the end of the process.
        self._thread = threading.Thread(target=self._work, name="deliverer", daemon=True)

    def start(self) -> None:
        """Begin to wait for asks."""
        self._thread.start()

    def ask(self) -> None:
        """Have what is due delivered soon. Returns at once, from any thread."""
        self._asked.set()

    def stop(self) -> None:
        """End after what is under way; what hangs is left, and goes out again after the next start."""
        self._stopping.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _work(self) -> None:
        while self._asked.wait() and not self._stopping.is_set():
            self._asked.clear()
            try:
                deliver_due(self._farm, loopback=self._loopback, stopping=self._stopping.is_set)
            except Exception:
                if not self._stopping.is_set():  # else the database may have been closed under it
                    _LOG.exception("delivering callbacks failed; it is tried again")


def deliver_due(farm: Farm, *, loopback: bool, stopping: Callable[[], bool] = lambda: False) -> None:
    """Deliver all that is due, commands first: they wait for nobody. Trouble is noted, and tried again later."""
    while not stopping():
        deliveries.submit_commands(farm)
        batch = deliveries.due_webhooks(farm)
        away: set[str] = set()
        silent: set[int] = set()
        for delivery in batch:
            if stopping():
                return
            if delivery.action.target in away or delivery.callback_id in silent:
                continue  # put off with the first that could not be delivered there
            try:
                status = send(delivery, loopback=loopback)
            except Unreachable as problem:
                away.add(delivery.action.target)
                deliveries.unreachable(farm, delivery, str(problem))
                continue
            except Unanswered as problem:
                silent.add(delivery.callback_id)
                deliveries.unanswered(farm, delivery, str(problem))
                continue
            if 200 <= status < 300:
                deliveries.delivered(farm, delivery)
            else:
                moved = ": redirects are not followed" if 300 <= status < 400 else ""
                deliveries.refused(farm, delivery, f"it answered {status}{moved}")
        if not batch:
            return


def send(delivery: Delivery, *, loopback: bool) -> int:
    """Send one webhook; the status of the answer. Raises `Unreachable` and `Unanswered`."""
    parts = urlsplit(delivery.action.values["url"])
    host, secure = parts.hostname or "", parts.scheme == "https"
    body = json.dumps(delivery.document).encode()
    headers = [
        ("Host", parts.netloc),
        ("User-Agent", f"hqserver/{VERSION}"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        ("X-HQ-Event", str(delivery.event_id)),
        ("X-HQ-Callback", str(delivery.callback_id)),
    ]
    secret = delivery.action.values.get("secret", "")
    if secret:
        headers.append(("X-HQ-Signature", signature(secret, body)))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    deadline = time.monotonic() + _WHOLE_SECONDS
    plain = _connected(host, parts.port or (443 if secure else 80), loopback)
    try:
        with plain:
            plain.settimeout(_left(deadline))
            if not secure:
                return _exchange(plain, target, headers, body, deadline)
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured:
                return _exchange(secured, target, headers, body, deadline)
    except TimeoutError:
        raise Unanswered(f"no answer within {_WHOLE_SECONDS:.0f} s") from None
    except ssl.SSLCertVerificationError as problem:
        raise Unanswered(f"its certificate is not trusted: {problem.verify_message}") from None
    except OSError as problem:
        raise Unanswered(problem.strerror or type(problem).__name__) from None
    except h11.ProtocolError:
        raise Unanswered("what it answered is not HTTP") from None


def _connected(host: str, port: int, loopback: bool) -> socket.socket:
    """A connection to the first address that answers, each of them checked. Raises `Unreachable`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(f"there is no host {host}") from None
    for *_, address in found:
        if not may_be_called(str(address[0]), loopback=loopback):
            raise Unreachable(f"webhooks are not sent to {address[0]}, an address of one machine or link alone")
    why = "it has no address"
    for *_, address in found:
        try:
            return socket.create_connection((str(address[0]), port), timeout=_CONNECT_SECONDS)
        except TimeoutError:
            why = f"no connection within {_CONNECT_SECONDS:.0f} s"
        except OSError as failed:
            why = failed.strerror or type(failed).__name__
    raise Unreachable(why)


def may_be_called(address: str, *, loopback: bool) -> bool:
    """Whether a webhook may go to this address: `loopback` says whether to the machine itself."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return loopback
    return not (found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved)


def _exchange(
    connection: socket.socket, target: str, headers: list[tuple[str, str]], body: bytes, deadline: float
) -> int:
    """Send the request and read the head of its answer; the status."""
    http = h11.Connection(h11.CLIENT)
    request = http.send(h11.Request(method="POST", target=target, headers=headers)) or b""
    connection.settimeout(_left(deadline))
    connection.sendall(request + (http.send(h11.Data(body)) or b"") + (http.send(h11.EndOfMessage()) or b""))
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            connection.settimeout(_left(deadline))
            http.receive_data(connection.recv(_READ_BYTES))
        elif isinstance(event, h11.Response):
            return event.status_code


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
