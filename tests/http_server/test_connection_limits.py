"""Time and room: slow peers are cut off, and a new one gets a place."""

from __future__ import annotations

import socket
import struct
import time

import pytest
from http_kit import Server, serving
from live_farm import wait_until
from raw_http import DEADLINE_SECONDS, Answers, closes, post, xml

from hqserver.http import HttpLimits

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


@pytest.mark.slow
def test_a_peer_that_does_not_read_is_cut_off() -> None:
    limits = HttpLimits(write_seconds=0.3, slowest_rate=1e9, head_seconds=1)
    with serving(limits=limits) as server, server.connect() as connection:
        connection.sendall(post(xml("repeat", 40_000_000)))
        wait_until(lambda: server.server.connections == 1, what="the connection")
        wait_until(lambda: server.server.connections == 0, what="its end")


@pytest.mark.slow
def test_a_flood_of_pings_that_nobody_reads_waits_with_the_sender() -> None:
    with serving() as server, server.connect() as flood:
        flood.settimeout(0.5)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:
                flood.sendall(post(xml("ping")) * 1000)
        assert server.call(xml("ping")).value() is True


def test_peers_that_reset_their_connections_fill_no_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        with server.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(post(xml("ping")) * 200)
    wait_until(lambda: server.server.connections == 0, what="their end")
    assert [record.getMessage() for record in caplog.records] == []


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
