"""The server's port seen from outside: raw bytes in, raw bytes out, and somebody else pinging all the while."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import socket
import threading
import time
import xmlrpc.client
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import Any

import pytest

from hqserver.http import HttpLimits, HttpServer, WebRequest, WebResponse
from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.method import Caller, Registry, rpc
from hqserver.rpc.wire import to_wire

DEADLINE_SECONDS = 20


class Toys:
    """Methods to call over the wire."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.calls: list[str] = []

    @rpc("ping")
    def ping(self) -> bool:
        """Always True; the server answers it before it comes here."""
        raise AssertionError("ping needs no thread")

    @rpc("echo")
    def echo(self, value: Any = None) -> object:
        """What was sent."""
        self.calls.append("echo")
        return value

    @rpc("repeat")
    def repeat(self, count: int) -> str:
        """So many letters."""
        return "x" * count

    @rpc("whoami")
    def whoami(self, caller: Caller) -> list[object]:
        """Who calls."""
        return [caller.peer, caller.secret, caller.nonil]

    @rpc("wait")
    def wait(self) -> bool:
        """Answers when the gate is opened."""
        self.waiting.release()
        return self.gate.wait(DEADLINE_SECONDS)

    @rpc("breaks")
    def breaks(self) -> int:
        """A mistake."""
        raise KeyError("secret")


def web(request: WebRequest) -> WebResponse:
    match request.path:
        case "/breaks":
            raise KeyError("secret")
        case "/stream":
            return WebResponse(
                iter([b"piece %d\n" % number * 1000 for number in range(100)]), content_type="text/plain"
            )
        case "/stops":
            return WebResponse(stops_midway(), content_type="text/plain")
        case "/bad-header":
            return WebResponse(b"", headers={"X-Bad": "a\r\nX-Injected: b"})
        case "/missing":
            return WebResponse(b"no such page", 404)
    return WebResponse(f"<p>{request.method} {request.path} {sorted(request.query.items())}</p>".encode())


def stops_midway() -> Iterator[bytes]:
    yield b"first"
    raise KeyError("secret")


class Server:
    """A server in a thread of its own, and the means to talk to it."""

    def __init__(self, **options: Any) -> None:
        self.toys = Toys()
        options.setdefault("limits", HttpLimits(linger_seconds=0.5))
        dispatcher = Dispatcher(Registry.from_surfaces([self.toys]))
        self._options = {"call": dispatcher.handle, "web": web, "port": 0, **options}
        self._started: Future[tuple[str, int]] = Future()
        self._stop_asked = asyncio.Event()
        self._grace_seconds = 0.2
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        _, self.port = self._started.result(DEADLINE_SECONDS)

    async def _serve(self) -> None:
        self.server = HttpServer(**self._options)
        self._loop = asyncio.get_running_loop()
        self._started.set_result(await self.server.start())
        await self._stop_asked.wait()
        await self.server.stop(self._grace_seconds)

    def ask_to_stop(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._loop.call_soon_threadsafe(self._stop_asked.set)

    def join(self) -> None:
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.toys.gate.set()
        if self._thread.is_alive():
            self.ask_to_stop(0.2)
        self.join()

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
                response = http.client.HTTPResponse(_Shared(stream))  # type: ignore[arg-type]
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


class _Shared:
    """A stream that outlives the response read from it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def makefile(self, mode: str) -> _Shared:
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


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@contextmanager
def serving(**options: Any) -> Iterator[Server]:
    server = Server(**options)
    with closing(server):
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def pinger(server: Server) -> Iterator[None]:
    """Somebody else's pings, each of which must be answered within 2 s whatever the test does (PROMISES, P10)."""
    stop, delays, problems = threading.Event(), [0.0], []

    def ping() -> None:
        try:
            with server.connect() as connection:
                while not stop.is_set():
                    start = time.monotonic()
                    connection.sendall(post(xml("ping")))
                    assert Answers(connection, 1).value() is True
                    delays.append(time.monotonic() - start)
                    stop.wait(0.01)
        except Exception as problem:
            problems.append(problem)

    thread = threading.Thread(target=ping)
    thread.start()
    yield
    stop.set()
    thread.join(DEADLINE_SECONDS)
    assert not problems
    assert max(delays) < 2


# Calls as they should be


@pytest.mark.parametrize("path", ["/RPC2", "/", "/RPC2/nonil"])
def test_pythons_own_client_calls_on_each_path(server: Server, path: str) -> None:
    with server.proxy(path) as proxy:
        assert proxy.ping() is True
        assert proxy.echo({"a": [1, "é"]}) == {"a": [1, "é"]}
        assert proxy.whoami() == ["127.0.0.1", "", path == "/RPC2/nonil"]


def test_a_caller_that_cannot_read_nil_gets_none(server: Server) -> None:
    assert b"nil" in server.call(xml("echo", {"a": None})).body
    assert server.call(xml("echo", {"a": None}), path="/RPC2/nonil").value() == {}


def test_the_bearer_token_reaches_the_method(server: Server) -> None:
    with server.proxy(headers=[("Authorization", "Bearer s3cret")]) as proxy:
        assert proxy.whoami() == ["127.0.0.1", "s3cret", False]


def test_a_fault_is_an_answer_like_any_other(server: Server) -> None:
    assert server.call(xml("nope")).fault() == -32601
    assert server.call(xml("breaks")).fault() == -32603
    assert server.call(xml("ping", 1)).fault() == -32602


@pytest.mark.parametrize("kind", ["application/xml", "text/xml; charset=utf-8", "TEXT/XML;charset=UTF-8"])
def test_xml_by_each_of_its_names_is_taken(server: Server, kind: str) -> None:
    assert server.call(xml("ping"), f"Content-Type: {kind}").value() is True


def test_a_connection_serves_many_requests(server: Server) -> None:
    with server.connect() as connection:
        for number in range(20):
            connection.sendall(post(xml("echo", number)))
            assert Answers(connection, 1).value() == number
        connection.sendall(get("/page"))
        assert Answers(connection, 1).status == 200


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    calls = [post(xml("echo", number)) if number % 3 else post(xml("ping")) for number in range(300)]
    answers = server.send(b"".join(calls) + get("/last", "Connection: close"))
    assert len(answers.statuses) == 301
    values = [xmlrpc.client.loads(body)[0][0] for body in answers.bodies[:-1]]
    assert values == [number if number % 3 else True for number in range(300)]


def test_a_request_may_arrive_byte_by_byte(server: Server) -> None:
    with server.connect() as connection:
        for byte in post(xml("echo", "slow")):
            connection.sendall(bytes([byte]))
        assert Answers(connection, 1).value() == "slow"


def test_http_1_0_without_host_is_served_and_closed(server: Server) -> None:
    body = xml("echo", 1)
    head = f"POST / HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    assert server.send(head.encode() + body).value() == 1


def test_a_peer_that_half_closes_still_gets_its_answer(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(post(xml("echo", 1)))
        connection.shutdown(socket.SHUT_WR)
        assert Answers(connection).value() == 1


def test_a_caller_that_asks_first_is_told_to_go_on(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(post(xml("echo", 1), "Expect: 100-continue").partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(xml("echo", 1))
        assert Answers(connection, 1).value() == 1


def test_ping_is_answered_while_every_thread_is_busy() -> None:
    with serving(threads=2) as server:
        waiters = [server.connect() for _ in range(4)]
        for waiter in waiters:
            waiter.sendall(post(xml("wait")))
        for _ in range(2):
            assert server.toys.waiting.acquire(timeout=DEADLINE_SECONDS)
        assert server.call(xml("ping")).value() is True
        server.toys.gate.set()
        for waiter in waiters:
            with waiter:
                assert Answers(waiter, 1).value() is True


def test_what_only_looks_like_a_ping_is_none(server: Server) -> None:
    assert server.call(xml("echo", "<methodName>ping</methodName>")).value() == "<methodName>ping</methodName>"
    assert server.call(b"<methodCall><methodName>ping</methodName>").fault() == -32700
    assert server.call(b"<methodCall><methodName>ping</methodName><params/></methodCall>").value() is True


def test_large_bodies_are_read_one_at_a_time() -> None:
    together, most = 0, 0
    lock = threading.Lock()
    gate = threading.Event()

    def call(body: bytes, caller: Caller) -> bytes:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        gate.wait(0.05)
        with lock:
            together -= 1
        return to_wire(len(body))

    with serving(call=call) as server:
        large = post(b"x" * 1_100_000, "Connection: close")
        zipped = post(gzip.compress(b"x" * 1_100_000), "Content-Encoding: gzip", "Connection: close")
        connections = [server.connect() for _ in range(4)]
        for connection, request in zip(connections, [large, zipped] * 2, strict=True):
            connection.sendall(request)
        for connection in connections:
            with connection:
                assert Answers(connection).value() == 1_100_000
        assert most == 1


# What never becomes a call


@pytest.mark.usefixtures("pinger")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Content-Length: -1"], 400),
        (["Content-Length: abc"], 400),
        (["Content-Length: 1_0"], 400),
        (["Content-Length: +5"], 400),
        (["Content-Length: 0x10"], 400),
        (["Content-Length: 5, 6"], 400),
        (["Content-Length: 5", "Content-Length: 6"], 400),
        (["Content-Length: 1099511627776"], 413),
        (["Content-Length: " + "9" * 500], 400),
        (["Content-Length:"], 411),
        (["Content-Length:", "Transfer-Encoding: chunked"], 501),
        (["Content-Length:", "Transfer-Encoding: gzip"], 501),
        (["Transfer-Encoding: chunked"], 400),
        (["Content-Type:"], 415),
        (["Content-Type: text/plain"], 415),
        (["Content-Type: application/x-www-form-urlencoded"], 415),
        (["Content-Type: multipart/form-data; boundary=text/xml"], 415),
        (["Content-Encoding: br"], 415),
        (["Origin: http://localhost"], 403),
        (["Origin: null"], 403),
        (["Sec-Fetch-Site: cross-site"], 403),
        (["Host: evil.example"], 421),
        (["Host: localhost.evil.example:5000"], 421),
        (["Host: localhost@evil.example"], 421),
        (["Host: 192.0.2.1"], 421),
        (["Host: [::2]"], 421),
        (["Host: "], 421),
        (["Host:"], 400),
        (["Host: localhost", "Host: localhost"], 400),
        (["X: " + "a" * 100_000], 431),
        (["Bad Header"], 400),
        (["A\x00b: c"], 400),
    ],
)
def test_a_bad_head_is_refused_and_the_connection_closed(server: Server, headers: list[str], status: int) -> None:
    lines = [header if ":" in header else f"{header}: " for header in headers]
    answers = server.send(post(xml("echo", 1), *lines))
    assert answers.status == status
    assert answers.headers["connection"] == "close"
    assert answers.headers["content-type"] == "text/plain; charset=utf-8"
    assert answers.body
    assert b"Error" not in answers.body


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x02\x00\x01\x00\x01", b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/3.0\r\n\r\n"]
)
def test_what_is_not_http_is_refused(server: Server, junk: bytes) -> None:
    assert server.send(junk + b"\r\n\r\n").status == 400


def test_other_methods_are_refused(server: Server) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
        answers = server.send(get("/", method=method))
        assert answers.status == 405
        assert answers.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("path", ["/nope", "/RPC2/", "/rpc2", "/RPC2/nonil/x", "//RPC2", "/jobs"])
def test_calls_are_taken_on_their_paths_only(server: Server, path: str) -> None:
    assert server.call(xml("ping"), path=path).status == 404


@pytest.mark.parametrize(
    "outer",
    [
        lambda inner: post(inner, path="/nope"),
        lambda inner: post(inner, "Content-Type: text/plain"),
        lambda inner: get("/", f"Content-Length: {len(inner)}") + inner,
        lambda inner: get("/", "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner),
        lambda inner: get("/", f"Content-Length: {len(inner)}", method="HEAD") + inner,
        lambda inner: get("/", f"Content-Length: {len(inner)}", method="PUT") + inner,
    ],
    ids=["path", "type", "get", "chunked-get", "head", "put"],
)
def test_an_unread_body_is_never_run_as_the_next_request(server: Server, outer: Callable[[bytes], bytes]) -> None:
    server.toys.calls.clear()
    with server.connect() as connection:
        connection.sendall(outer(post(xml("echo", "smuggled"))))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"onnection: close" in answer
    assert server.toys.calls == []


def test_a_refusal_is_seen_by_a_caller_that_is_still_sending(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_SECONDS)
    with closing(connection):
        connection.request("POST", "/nope", body=b"x" * 20_000_000, headers={"Content-Type": "text/xml"})
        with connection.getresponse() as response:
            assert response.status == 404


@pytest.mark.parametrize(
    "host", ["LOCALHOST", "localhost:80", "localhost.", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"]
)
def test_own_names_and_addresses_are_taken(server: Server, host: str) -> None:
    assert server.call(xml("ping"), f"Host: {host}").value() is True


def test_the_machines_name_and_allowed_names_are_taken() -> None:
    with serving(allowed_hosts=["Farm.example"]) as server:
        for host in (socket.gethostname(), "farm.example", "farm.example:5000"):
            assert server.call(xml("ping"), f"Host: {host}").value() is True


def test_the_limit_on_bodies_is_that_of_the_caller() -> None:
    def limit(caller: Caller) -> int:
        return 10_000 if caller.secret == "known" else 500

    with serving(body_limit=limit) as server:
        assert server.call(xml("echo", "x" * 1000)).status == 413
        assert server.call(xml("echo", "x" * 1000), "Authorization: Bearer known").value() == "x" * 1000


def test_bodies_held_in_memory_are_bounded_over_all_connections() -> None:
    with serving(limits=HttpLimits(buffered=100_000, linger_seconds=0.5)) as server:
        body = xml("echo", "x" * 60_000)
        with server.connect() as holder:
            holder.sendall(post(body)[:-100])
            wait_until(lambda: server.server._site.crowd.buffered > 50_000)
            assert server.call(body).status == 503
            holder.sendall(post(body)[-100:])
            assert Answers(holder, 1).value() == "x" * 60_000
        assert server.call(body).value() == "x" * 60_000


# Hostile bodies


ENTITIES = b"".join(b"<!ENTITY %c '%b'>" % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
HOSTILE = {
    "laughs": b"<!DOCTYPE x [<!ENTITY a 'ha'>" + ENTITIES + b"]><methodCall><methodName>&j;</methodName></methodCall>",
    "blow-up": b"<!DOCTYPE x [<!ENTITY a '" + b"a" * 60_000 + b"'>]><methodCall>" + b"&a;" * 80 + b"</methodCall>",
    "entity-name": b"<!DOCTYPE x [<!ENTITY m 'echo'>]><methodCall><methodName>&m;</methodName></methodCall>",
    "external": b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><methodCall><methodName>echo</methodName></methodCall>",
    "huge-tag": b"<methodCall " + b"a='b' " * 2_900_000 + b"/>",
    "attributes": b"<methodCall " + b" ".join(b"a%d=''" % i for i in range(1_000_000)) + b"/>",
    "comment": b"<methodCall><!-- " + b"<> " * 5_000_000,
    "nesting": xml("echo").replace(b"<params>", b"<params><param>" + b"<value><array><data>" * 20_000),
    "response": to_wire(True),
    "nothing": b"",
}


@pytest.mark.usefixtures("pinger")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_a_fault(server: Server, name: str) -> None:
    assert server.call(HOSTILE[name]).fault() in (-32600, -32700)


@pytest.mark.usefixtures("pinger")
def test_a_body_of_many_elements_is_read_while_others_are_served(server: Server) -> None:
    body = xml("echo", []).replace(b"<data>", b"<data>" + b"<value/>" * 300_000)
    assert len(server.call(body).value()) == 300_000


def test_broken_values_are_a_fault(server: Server) -> None:
    body = xml("echo", 5)
    for bad in (b"<int>" + b"9" * 5000 + b"</int>", b"<double>nan</double>", b"<base64>?</base64>"):
        assert server.call(body.replace(b"<int>5</int>", bad)).fault() == -32602


def test_characters_that_xml_cannot_carry_never_leave(server: Server) -> None:
    dirty = "log \x1b[31m\x00 \ufffe end\r\n".encode("utf-16-le", "surrogatepass")

    def call(body: bytes, caller: Caller) -> bytes:
        return to_wire(dirty.decode("utf-16-le", "surrogatepass"))

    with serving(call=call) as other:
        assert other.call(xml("getJobOutput", 1)).value() == "log \ufffd[31m\ufffd \ufffd end\r\n"


# gzip


def zipped_call(server: Server, body: bytes) -> Answers:
    return server.call(body, "Content-Encoding: gzip")


def test_a_compressed_call_is_read(server: Server) -> None:
    assert zipped_call(server, gzip.compress(xml("echo", "x" * 5000))).value() == "x" * 5000
    assert zipped_call(server, gzip.compress(xml("ping"))).fault() == -32603  # past the short cut, into the method


@pytest.mark.usefixtures("pinger")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (gzip.compress(xml("echo"))[:-9], 400),
        (gzip.compress(xml("echo"))[:5], 400),
        (b"", 400),
        (b"no gzip", 400),
        (zlib.compress(xml("echo")), 400),
        (gzip.compress(xml("echo")) * 2, 400),
        (gzip.compress(xml("echo")) + b"x", 400),
        (gzip.compress(b" " * 200_000_000, compresslevel=9), 413),
    ],
    ids=["truncated", "head", "empty", "plain", "zlib", "members", "trailing", "bomb"],
)
def test_a_broken_or_swollen_gzip_body_is_refused(server: Server, body: bytes, status: int) -> None:
    assert zipped_call(server, body).status == status


def test_long_answers_are_compressed_for_who_accepts_it_and_is_far() -> None:
    with serving(is_local=lambda peer: False) as far:
        answer = far.call(xml("repeat", 50_000), "Accept-Encoding: deflate, gzip;q=0.5")
        assert answer.headers["content-encoding"] == "gzip"
        assert xmlrpc.client.loads(gzip.decompress(answer.body))[0][0] == "x" * 50_000
        for accepted in ("identity", "gzip;q=0", "gzip;q=0.0", "*"):
            assert len(far.call(xml("repeat", 50_000), f"Accept-Encoding: {accepted}").value()) == 50_000
        assert "content-encoding" not in far.call(xml("repeat", 500), "Accept-Encoding: gzip").headers
        with far.proxy() as proxy:
            assert proxy.repeat(50_000) == "x" * 50_000


def test_nothing_is_compressed_over_loopback(server: Server) -> None:
    assert len(server.call(xml("repeat", 50_000), "Accept-Encoding: gzip").value()) == 50_000


# Time and room


def closes(connection: socket.socket) -> bool:
    """Whether the server closes the connection before the test's own deadline."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


HASTY = HttpLimits(head_seconds=0.2, body_seconds=0.2, idle_seconds=0.2, slowest_rate=1e9)


@pytest.mark.parametrize(
    "begun",
    [b"", b"P", post(xml("echo", 1))[:40], post(xml("echo", 1))[:-1]],
    ids=["nothing", "a-byte", "half-a-head", "half-a-body"],
)
def test_a_silent_peer_is_cut_off(begun: bytes) -> None:
    with serving(limits=HASTY) as server, server.connect() as connection:
        connection.sendall(begun)
        assert closes(connection)


@pytest.mark.parametrize("cut", [20, -60], ids=["head", "body"])
def test_a_byte_now_and_then_does_not_extend_the_deadline(cut: int) -> None:
    with serving(limits=HASTY) as server, server.connect() as connection:
        request = post(xml("echo", "x" * 10_000))
        connection.sendall(request[:cut] if cut > 0 else request[:-9000])
        rest = iter(request[cut:])
        with pytest.raises(ConnectionError):
            for _ in range(3000):
                connection.sendall(bytes([next(rest)]))
                time.sleep(0.01)


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    with serving(limits=HASTY) as server, server.connect() as idle, server.connect() as busy:
        for connection in (idle, busy):
            connection.sendall(post(xml("echo", 1)))
            assert Answers(connection, 1).value() == 1
        busy.sendall(post(xml("wait")))
        assert closes(idle)
        server.toys.gate.set()
        assert Answers(busy, 1).value() is True


def test_a_peer_that_does_not_read_is_cut_off() -> None:
    limits = HttpLimits(write_seconds=0.3, slowest_rate=1e9, head_seconds=1)
    with serving(limits=limits) as server, server.connect() as connection:
        connection.sendall(post(xml("repeat", 40_000_000)))
        wait_until(lambda: server.server.connections == 1)
        wait_until(lambda: server.server.connections == 0)


@pytest.mark.slow
def test_a_flood_of_pings_that_nobody_reads_waits_with_the_sender() -> None:
    with serving(limits=HttpLimits(idle_seconds=0.5, head_seconds=0.5)) as server, server.connect() as flood:
        flood.settimeout(0.5)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:
                flood.sendall(post(xml("ping")) * 1000)
        assert server.call(xml("ping")).value() is True


def test_a_slow_reader_gets_all_of_a_long_answer(server: Server) -> None:
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(post(xml("repeat", 5_000_000)))
        assert Answers(connection, 1).value() == "x" * 5_000_000


def test_the_longest_idle_connection_makes_room_for_a_new_one() -> None:
    with serving(limits=HttpLimits(connections=16)) as server:
        crowd = [server.connect() for _ in range(16)]
        for connection in crowd:
            connection.sendall(post(xml("ping")))
            assert Answers(connection, 1).value() is True
        crowd[0].sendall(post(xml("ping")))
        assert Answers(crowd[0], 1).value() is True  # no longer the one that has been idle for longest
        assert server.call(xml("ping")).value() is True
        assert closes(crowd[1])
        crowd[0].sendall(post(xml("ping")))
        assert Answers(crowd[0], 1).value() is True
        for connection in crowd:
            connection.close()


def test_connections_at_work_do_not_give_way() -> None:
    with serving(limits=HttpLimits(connections=16), threads=16) as server:
        workers = [server.connect() for _ in range(16)]
        for worker in workers:
            worker.sendall(post(xml("wait")))
            assert server.toys.waiting.acquire(timeout=DEADLINE_SECONDS)
        with server.connect() as late:
            assert closes(late)
        server.toys.gate.set()
        for worker in workers:
            with worker:
                assert Answers(worker, 1).value() is True


def test_many_connections_at_once_are_all_served(server: Server) -> None:
    crowd = [server.connect() for _ in range(300)]
    for connection in crowd:
        connection.sendall(post(xml("ping")))
    for connection in crowd:
        with connection:
            assert Answers(connection, 1).value() is True


# Pages


def test_a_page_is_served_with_its_query_and_guards(server: Server) -> None:
    answers = server.send(get("/a%20b?x=1&y=%3C&x=2", "Connection: close"))
    assert answers.status == 200
    assert answers.body == b"<p>GET /a b [('x', '2'), ('y', '<')]</p>"
    assert answers.headers["content-type"] == "text/html; charset=utf-8"
    assert answers.headers["content-security-policy"] == "default-src 'self'; frame-ancestors 'none'"
    assert answers.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answers.headers


def test_head_is_a_page_without_its_body(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(get("/page", method="HEAD") + get("/page", "Connection: close"))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    first, second = answer.split(b"HTTP/1.1 200 OK")[1:]
    assert first.endswith(b"\r\n\r\n")
    assert b"Content-Length: 20\r\n" in first
    assert second.endswith(b"<p>GET /page []</p>")


def test_a_page_that_fails_is_an_incident(server: Server) -> None:
    answers = server.send(get("/breaks", "Connection: close"))
    assert answers.status == 503
    assert answers.body.startswith(b"this page failed, incident ")
    assert b"KeyError" not in answers.body


def test_a_page_with_a_broken_header_is_an_incident_too(server: Server) -> None:
    answers = server.send(get("/bad-header"))
    assert answers.status == 503
    assert "x-injected" not in answers.headers


def test_a_page_has_its_own_status(server: Server) -> None:
    assert server.send(get("/missing", "Connection: close")).status == 404


def test_a_streamed_page_arrives_whole(server: Server) -> None:
    whole = b"".join(b"piece %d\n" % number * 1000 for number in range(100))
    assert server.send(get("/stream", "Connection: close")).body == whole
    assert server.send(b"GET /stream HTTP/1.0\r\n\r\n").body == whole
    with server.connect() as connection:
        connection.sendall(get("/stream") + get("/page"))
        assert Answers(connection, 2).bodies == [whole, b"<p>GET /page []</p>"]


def test_a_stream_that_fails_midway_is_cut_not_ended(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(get("/stops"))
        with pytest.raises(http.client.IncompleteRead), connection.makefile("rb") as stream:
            response = http.client.HTTPResponse(_Shared(stream))  # type: ignore[arg-type]
            response.begin()
            response.read()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"], 200),
        (["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"], 200),
        (["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"], 403),
        (["Host: evil.example"], 421),
        (["Content-Length: 0"], 200),
    ],
)
def test_other_sites_may_link_to_a_page_and_no_more(server: Server, headers: list[str], status: int) -> None:
    assert server.send(get("/", *headers, "Connection: close")).status == status


def test_a_query_of_too_many_names_is_refused(server: Server) -> None:
    assert server.send(get("/?" + "&".join(f"a{i}=1" for i in range(200)))).status == 400


# Start and stop


def test_a_port_in_use_is_an_os_error(server: Server) -> None:
    async def start_on_the_same() -> None:
        await HttpServer(call=lambda body, caller: b"", web=web, port=server.port).start()

    with pytest.raises(OSError, match="in use"):
        asyncio.run(start_on_the_same())


def test_stopping_lets_a_running_request_finish_and_accepts_no_more() -> None:
    with serving() as server, server.connect() as running, server.connect() as idle:
        idle.sendall(post(xml("ping")))
        assert Answers(idle, 1).value() is True
        running.sendall(post(xml("wait")))
        assert server.toys.waiting.acquire(timeout=DEADLINE_SECONDS)
        server.ask_to_stop(grace_seconds=DEADLINE_SECONDS)
        assert closes(idle)
        with pytest.raises(ConnectionError):
            server.connect()
        server.toys.gate.set()
        answers = Answers(running)
        assert answers.value() is True
        assert answers.headers["connection"] == "close"
        server.join()


def test_stopping_ends_what_outlasts_the_grace() -> None:
    with serving() as server, server.connect() as running:
        running.sendall(post(xml("wait")))
        assert server.toys.waiting.acquire(timeout=DEADLINE_SECONDS)
        server.ask_to_stop(grace_seconds=0.05)
        assert closes(running)
        server.toys.gate.set()
        server.join()
