"""What bodies may cost: their size, how many at once, what they unpack to."""

from __future__ import annotations

import gzip
import threading
import xmlrpc.client
import zlib

import pytest
from http_kit import Server, serving
from live_farm import wait_until
from raw_http import Answers, gzip_bomb, post, xml

from hqserver.http import HttpLimits
from hqserver.rpc.method import Caller
from hqserver.rpc.wire import to_wire


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
            wait_until(lambda: server.server._site.crowd.buffered > 50_000, what="the body to be held")
            assert server.call(body).status == 503
            holder.sendall(post(body)[-100:])
            assert Answers(holder, 1).value() == "x" * 60_000
        assert server.call(body).value() == "x" * 60_000


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
        (gzip_bomb(200), 413),
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
