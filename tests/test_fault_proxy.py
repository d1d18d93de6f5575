"""The proxy that the tests of network faults rely on does what it says (PROMISES 7)."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from fault_proxy import FaultProxy, Mode

pytestmark = pytest.mark.slow

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"


class Target:
    """A server that answers `ping` with `<pong>` and notes what else befalls it."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.heard: list[bytes] = []
        self.ends: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1000):
                    self.heard.append(data)
                    if data.endswith(b"ping"):
                        connection.sendall(ANSWER + b"<pong>")
                self.ends.append("end")
            except OSError:
                self.ends.append("reset")

    def close(self) -> None:
        try:
            self.listening.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was shut before
        self.listening.close()

    def wait_for(self, ending: str) -> None:
        deadline = time.monotonic() + 20
        while ending not in self.ends:
            assert time.monotonic() < deadline, self.ends
            time.sleep(0.005)


@pytest.fixture
def target() -> Iterator[Target]:
    found = Target()
    yield found
    found.close()


@pytest.fixture
def proxy(target: Target) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", target.port, delay_seconds=0.2) as found:
        yield found


@pytest.fixture
def caller(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=20) as found:
        yield found


def ask(caller: socket.socket) -> bytes:
    caller.sendall(REQUEST + b"ping")
    return answer(caller)


def answer(caller: socket.socket, found: bytes = b"") -> bytes:
    while len(found) < len(ANSWER + b"<pong>") and (data := caller.recv(1000)):
        found += data
    return found


def stays_silent(caller: socket.socket) -> bool:
    caller.settimeout(0.1)
    try:
        return caller.recv(1000) == b"never"
    except TimeoutError:
        return True
    finally:
        caller.settimeout(20)


def test_it_passes_on_what_it_is_not_told_to_break(caller: socket.socket, target: Target) -> None:
    assert [ask(caller), ask(caller)] == [ANSWER + b"<pong>"] * 2
    caller.close()
    target.wait_for("end")


@pytest.mark.parametrize("way", ["upward", "downward"])
def test_what_is_held_arrives_once_healed(proxy: FaultProxy, caller: socket.socket, target: Target, way: str) -> None:
    assert ask(caller)
    setattr(proxy, way, Mode.HOLD)
    caller.sendall(REQUEST + b"ping")
    assert stays_silent(caller)
    assert len(target.heard) == (1 if way == "upward" else 2)
    proxy.mode = Mode.PASS
    assert answer(caller) == ANSWER + b"<pong>"


@pytest.mark.parametrize("way", ["upward", "downward"])
def test_what_is_dropped_never_arrives_and_healing_resets(
    proxy: FaultProxy, caller: socket.socket, target: Target, way: str
) -> None:
    assert ask(caller)
    setattr(proxy, way, Mode.DROP)
    caller.sendall(REQUEST + b"ping")
    assert stays_silent(caller)
    assert len(target.heard) == (1 if way == "upward" else 2)
    assert target.ends == []
    proxy.mode = Mode.PASS
    with pytest.raises(ConnectionResetError):
        caller.recv(1)
    target.wait_for("reset")


def test_a_peer_that_ends_during_a_cut_is_not_missed_before_it_is_healed(
    proxy: FaultProxy, caller: socket.socket, target: Target
) -> None:
    assert ask(caller)
    proxy.mode = Mode.DROP
    caller.close()
    with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=20) as other:
        other.sendall(REQUEST + b"ping")
        assert stays_silent(other)
    assert target.ends == []
    proxy.mode = Mode.PASS
    target.wait_for("reset")


def test_a_connection_that_lost_nothing_goes_on_after_a_cut(proxy: FaultProxy, caller: socket.socket) -> None:
    assert ask(caller)
    proxy.mode = Mode.DROP
    proxy.mode = Mode.PASS
    assert ask(caller) == ANSWER + b"<pong>"


def test_a_reset_reaches_both_sides_and_whoever_comes(proxy: FaultProxy, caller: socket.socket, target: Target) -> None:
    assert ask(caller)
    proxy.mode = Mode.RESET
    with pytest.raises(ConnectionResetError):
        caller.recv(1)
    target.wait_for("reset")
    with (
        socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=20) as other,
        pytest.raises(ConnectionResetError),
    ):
        other.recv(1)


def test_a_delay_is_kept_each_way(proxy: FaultProxy, caller: socket.socket) -> None:
    proxy.mode = Mode.DELAY
    began = time.monotonic()
    assert ask(caller) == ANSWER + b"<pong>"
    assert time.monotonic() - began >= 0.4


def test_a_trickle_brings_a_byte_a_second_until_it_is_healed(proxy: FaultProxy, caller: socket.socket) -> None:
    proxy.downward = Mode.TRICKLE
    began = time.monotonic()
    caller.sendall(REQUEST + b"ping")
    first = caller.recv(1000) + caller.recv(1000)
    assert first == ANSWER[:2]
    assert time.monotonic() - began >= 1.0
    proxy.downward = Mode.PASS
    assert answer(caller, first) == ANSWER + b"<pong>"


@pytest.mark.parametrize("matching", [b"ping", b"<pong>"])
def test_an_answer_is_swallowed_once_whichever_side_names_it(
    proxy: FaultProxy, caller: socket.socket, target: Target, matching: bytes
) -> None:
    happened = proxy.swallow_next(matching)
    caller.sendall(REQUEST + b"none")
    assert stays_silent(caller)
    assert not happened.is_set()
    assert ask(caller) == b""
    assert happened.is_set()
    assert target.heard[-1].endswith(b"ping")
    with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=20) as other:
        assert ask(other) == ANSWER + b"<pong>"


def test_a_connection_may_end_before_the_target_can_answer(
    proxy: FaultProxy, caller: socket.socket, target: Target
) -> None:
    happened = proxy.swallow_next(b"none", taken=False)
    caller.sendall(REQUEST)
    caller.sendall(b"none")
    assert caller.recv(1) == b""
    assert happened.is_set()
    target.wait_for("end")
    assert b"".join(target.heard) == REQUEST + b"none"


def test_an_answer_is_cut_after_so_many_bytes(proxy: FaultProxy, caller: socket.socket, target: Target) -> None:
    happened = proxy.cut_after(len(ANSWER + b"<pong>") + 10)
    assert ask(caller) == ANSWER + b"<pong>"
    assert not happened.is_set()
    caller.sendall(REQUEST + b"ping")
    found = b""
    with pytest.raises(ConnectionResetError):
        while data := caller.recv(1000):
            found += data
    assert ANSWER.startswith(found) and len(found) <= 10  # a reset may overtake what came before it
    assert happened.is_set()
    target.wait_for("reset")


def test_a_target_that_is_away_resets_its_callers(proxy: FaultProxy, caller: socket.socket, target: Target) -> None:
    target.listening.shutdown(socket.SHUT_RDWR)
    caller.sendall(REQUEST + b"ping")
    with pytest.raises(ConnectionResetError):
        caller.recv(1)
