from __future__ import annotations

import asyncio
import base64
import gzip
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from xmlrpc.client import Fault, ServerProxy, dumps

import pytest

from hqclient.daemon import listener
from hqclient.daemon.listener import Listener, ListenerError, _is_loopback, _knows

WAKEUP = dumps((), "wakeup").encode()
XML = {"Content-Type": "text/xml"}
SECRET = "5ecret"


class Daemon:
    """A listener on a loop in a thread of its own, so that real clients can call it."""

    def __init__(self, request_seconds: float = 10.0) -> None:
        self.wakeups = self.terminations = 0
        self.port = 0
        self._request_seconds = request_seconds
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        listener = Listener(self._wakeup, self._terminate, lambda: SECRET, request_seconds=self._request_seconds)
        await listener.open("127.0.0.1", 0)
        self.port = listener.port
        self._ready.set()
        await self._over.wait()
        await listener.close()

    def _wakeup(self) -> None:
        self.wakeups += 1

    def _terminate(self) -> None:
        self.terminations += 1

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def post(self, body: bytes, headers: dict[str, str] = XML, path: str = "/RPC2", verb: str = "POST") -> int:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(verb, path, body, headers)
            answer = connection.getresponse()
            self.answer = answer.read()
            return answer.status
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        """What comes back until the daemon hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as peer:
            peer.sendall(request)
            received = b""
            while data := peer.recv(65536):
                received += data
            return received


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    yield made
    made.close()


def test_wakeup_and_terminate_answer_to_any_xmlrpc_client(daemon: Daemon) -> None:
    with ServerProxy(f"http://127.0.0.1:{daemon.port}") as proxy:
        assert proxy.wakeup() is True
        assert proxy.wakeup() is True
        assert proxy.terminate() is True
    assert (daemon.wakeups, daemon.terminations) == (2, 1)


def test_more_than_a_hundred_wakeups_a_second_are_answered_without_effect(daemon: Daemon) -> None:
    with ServerProxy(f"http://127.0.0.1:{daemon.port}") as proxy:
        assert all(proxy.wakeup() for _ in range(150))
    assert 100 <= daemon.wakeups < 150


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_who_may_terminate(peer: str, local: bool) -> None:
    assert _is_loopback(peer) is local


def basic(credentials: str) -> bytes:
    return b"Basic " + base64.b64encode(credentials.encode())


@pytest.mark.parametrize(
    ("authorization", "secret", "knows"),
    [
        (basic(f":{SECRET}"), SECRET, True),
        (basic(f"anybody:{SECRET}"), SECRET, True),
        (basic(f"anybody:{SECRET}").replace(b"Basic", b"basic"), SECRET, True),
        (basic("anybody:other"), SECRET, False),
        (basic(SECRET), SECRET, False),
        (basic(f":{SECRET}:"), SECRET, False),
        (b"Bearer " + SECRET.encode(), SECRET, False),
        (b"Basic ***", SECRET, False),
        (b"", SECRET, False),
        (basic(":"), "", False),
        (b"", "", False),
    ],
)
def test_who_knows_the_secret(authorization: bytes, secret: str, knows: bool) -> None:
    """9.22: HTTP Basic whose password is the client's own secret, which a client without one has not."""
    assert _knows(secret, authorization) is knows


def test_terminate_from_elsewhere_needs_the_secret(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """9.22."""
    monkeypatch.setattr(listener, "_is_loopback", lambda peer: False)
    place = f"127.0.0.1:{daemon.port}"
    with ServerProxy(f"http://{place}") as stranger:
        assert stranger.wakeup() is True
        with pytest.raises(Fault, match="this machine, or with the client's secret") as refused:
            stranger.terminate()
    assert (refused.value.faultCode, daemon.terminations) == (403, 0)
    with ServerProxy(f"http://farm:{SECRET}@{place}") as server:
        assert server.terminate() is True
    assert daemon.terminations == 1


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (dumps((), "system.listMethods"), -32601),
        (dumps((), "__class__"), -32601),
        (dumps((1,), "terminate"), -32602),
        ("<methodResponse><params/></methodResponse>", -32600),
        ("", -32700),
        ("wakeup", -32700),
        ("<methodCall>", -32700),
        ("<methodCall><methodName>wakeup</methodName><params><param><value><int>x</int>", -32700),
        ("<!DOCTYPE x [<!ENTITY m 'terminate'>]><methodCall><methodName>&m;</methodName></methodCall>", -32700),
        ("<?xml version='1.0' encoding='utf-16'?><methodCall><methodName>wakeup</methodName></methodCall>", -32700),
    ],
)  # fmt: skip
def test_what_is_not_a_call_of_ours_is_a_fault(daemon: Daemon, call: str, code: int) -> None:
    assert daemon.post(call.encode()) == 200
    assert f"<int>{code}</int>".encode() in daemon.answer
    assert (daemon.wakeups, daemon.terminations) == (0, 0)


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (405, {"verb": "GET"}),
        (405, {"verb": "PUT"}),
        (404, {"path": "/jobs"}),
        (404, {"path": "/RPC2/../RPC2"}),
        (403, {"headers": {**XML, "Origin": "http://evil.example"}}),
        (403, {"headers": {**XML, "Sec-Fetch-Site": "cross-site"}}),
        (415, {"headers": {"Content-Type": "text/plain"}}),
        (415, {"headers": {"Content-Type": "application/x-www-form-urlencoded"}}),
        (415, {"headers": {}}),
        (413, {"body": b" " * 70_000}),
        (501, {"headers": {**XML, "Transfer-Encoding": "chunked"}, "body": b"0\r\n\r\n"}),
    ],
)
def test_what_is_no_xmlrpc_request_is_refused(daemon: Daemon, status: int, request_: dict[str, object]) -> None:
    assert daemon.post(**{"body": WAKEUP, **request_}) == status  # type: ignore[arg-type]
    assert (daemon.wakeups, daemon.terminations) == (0, 0)


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n" * 10 + b"NONSENSE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50 + b"\r\n\r\n",
        b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: -1\r\n\r\n",
        b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1_0\r\n\r\n",
        b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_broken_http_is_refused_and_hung_up_on(daemon: Daemon, request_: bytes) -> None:
    answer = daemon.raw(request_)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert daemon.post(WAKEUP) == 200
    assert daemon.wakeups == 1


def test_the_body_of_a_refused_request_is_not_run_as_the_next_one(daemon: Daemon) -> None:
    smuggled = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s"
    inner = smuggled % (len(WAKEUP), WAKEUP)
    outer = b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(inner), inner)
    assert daemon.raw(outer).startswith(b"HTTP/1.1 404")
    assert daemon.wakeups == 0


def test_a_compressed_bomb_is_just_bad_xml(daemon: Daemon) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert daemon.post(bomb, {**XML, "Content-Encoding": "gzip"}) == 200
    assert b"-32700" in daemon.answer


def test_callers_who_say_nothing_or_stop_halfway_are_hung_up_on() -> None:
    daemon = Daemon(request_seconds=0.2)
    try:
        assert daemon.raw(b"") == b""
        assert daemon.raw(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\n") == b""
        assert daemon.post(WAKEUP) == 200
    finally:
        daemon.close()


def test_a_crowd_of_silent_callers_does_not_keep_others_out(daemon: Daemon) -> None:
    crowd = [socket.create_connection(("127.0.0.1", daemon.port), timeout=10) for _ in range(200)]
    try:
        assert daemon.post(WAKEUP) == 200
    finally:
        for caller in crowd:
            caller.close()
    assert daemon.wakeups == 1


def test_a_port_in_use_is_one_sentence_or_replaced() -> None:
    async def scene() -> None:
        first, second = (Listener(lambda: None, lambda: None, str) for _ in range(2))
        await first.open("127.0.0.1", 0)
        try:
            with pytest.raises(ListenerError, match=f"port {first.port} is in use; choose another with --port"):
                await second.open("127.0.0.1", first.port)
            await second.open("127.0.0.1", first.port, or_any=True)
            assert second.port not in (0, first.port)
        finally:
            await second.close()
            await first.close()

    asyncio.run(scene())


def test_every_address_means_one_port_for_all() -> None:
    async def scene() -> None:
        woken: list[bool] = []
        listener = Listener(lambda: woken.append(True), lambda: None, str)
        await listener.open("", 0)
        try:
            with ServerProxy(f"http://127.0.0.1:{listener.port}") as proxy:
                assert await asyncio.to_thread(proxy.wakeup) is True
        finally:
            await listener.close()
        assert woken

    asyncio.run(scene())


def test_an_address_of_another_machine_is_one_sentence() -> None:
    async def scene() -> None:
        with pytest.raises(ListenerError, match="cannot be used"):
            await Listener(lambda: None, lambda: None, str).open("192.0.2.1", 0)

    asyncio.run(scene())


def test_a_fault_reaches_the_caller_as_one(daemon: Daemon) -> None:
    with ServerProxy(f"http://127.0.0.1:{daemon.port}") as proxy, pytest.raises(Fault, match="wakeup and terminate"):
        proxy.newjob({})
