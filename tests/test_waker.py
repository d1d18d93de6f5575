"""Waking clients: keep-alive, idle connections that were closed, clients that cannot be reached or misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from hqserver import waker as waker_module
from hqserver.waker import Address, Waker

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 5\r\n\r\n<ok/>"
Handler = Callable[["Listener", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """A client's port: counts connections and wakeups, and answers as its handler does."""

    def __init__(self) -> None:
        self.connections = 0
        self.wakeups = 0
        self.address: Address = ("127.0.0.1", 0)
        self.bodies: list[bytes] = []

    async def request(self, reader: asyncio.StreamReader) -> bool:
        """Read one call; False at the end of the connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
        except asyncio.IncompleteReadError:
            return False
        length = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
        self.bodies.append(await reader.readexactly(length))
        assert head.startswith("POST /RPC2 HTTP/1.1\r\n")
        assert f"Host: 127.0.0.1:{self.address[1]}\r\n" in head
        self.wakeups += 1
        return True


async def polite(listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await listener.request(reader):
        writer.write(OK)


async def brief(listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes the connection after each answer without a word, as for an idle connection."""
    if await listener.request(reader):
        writer.write(OK)


async def closing(listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if await listener.request(reader):
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await reader.read()


async def hanging(listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await listener.request(reader)
    await reader.read()


async def slamming(listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await listener.request(reader)


def garbage(answer: bytes) -> Handler:
    async def handle(listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await listener.request(reader)
        writer.write(answer)
        await reader.read()

    return handle


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[Listener]:
    listener = Listener()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError):
                await handler(listener, reader, writer)
        finally:
            tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listener.address = server.sockets[0].getsockname()[:2]
    try:
        yield listener
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def waking(*addresses: Address | None) -> AsyncIterator[Waker]:
    """A waker for clients 0, 1, ... at these addresses."""
    waker = Waker(lambda client_id: addresses[client_id])
    waker.start()
    try:
        yield waker
    finally:
        await waker.stop()
        await asyncio.sleep(0)  # the transports take their leave


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.002)


async def quiet(waker: Waker) -> None:
    """Until no call is under way."""
    await until(lambda: bool(waker._lines) and all(line.task is None for line in waker._lines.values()))


async def wake_and_wait(waker: Waker, client_id: int = 0) -> None:
    waker.wake(client_id)
    await asyncio.sleep(0)
    await quiet(waker)


def test_a_wakeup_is_hqueues_own_call() -> None:
    async def main() -> None:
        async with listening(polite) as client, waking(client.address) as waker:
            await wake_and_wait(waker)
            assert client.wakeups == 1
            assert b"<methodName>wakeup</methodName>" in client.bodies[0]

    asyncio.run(main())


def test_a_client_is_woken_again_and_again_over_one_connection() -> None:
    async def main() -> None:
        async with listening(polite) as client, waking(client.address) as waker:
            for _ in range(10):
                await wake_and_wait(waker)
            assert (client.wakeups, client.connections) == (10, 1)

    asyncio.run(main())


@pytest.mark.parametrize("handler", [brief, closing], ids=["without a word", "announced"])
def test_a_client_that_closes_its_connection_is_woken_over_a_new_one(handler: Handler) -> None:
    async def main() -> None:
        async with listening(handler) as client, waking(client.address) as waker:
            for count in range(1, 4):
                await wake_and_wait(waker)
                assert (client.wakeups, client.connections) == (count, count)

    asyncio.run(main())


def test_many_asks_while_one_call_is_under_way_become_one_more() -> None:
    async def main() -> None:
        async with listening(polite) as client, waking(client.address) as waker:
            for _ in range(50):
                waker.wake(0)
            await asyncio.sleep(0)
            await quiet(waker)
            assert client.wakeups == 2

    asyncio.run(main())


def test_clients_are_woken_from_any_thread() -> None:
    async def main() -> None:
        async with listening(polite) as one, listening(polite) as two, waking(one.address, two.address) as waker:
            await asyncio.gather(*(asyncio.to_thread(waker.wake, number % 2) for number in range(20)))
            await until(lambda: one.wakeups > 0 and two.wakeups > 0)
            await quiet(waker)

    asyncio.run(main())


def test_a_client_that_does_not_listen_is_left_alone() -> None:
    async def main() -> None:
        async with waking(None) as waker:
            waker.wake(0)
            await asyncio.sleep(0.01)
            assert waker._lines[0].task is None

    asyncio.run(main())


def test_a_client_that_cannot_be_reached_is_not_tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            address: Address = closed.getsockname()
        calls: list[Address] = []
        connect = asyncio.open_connection

        async def counted(*given: object, **options: object) -> object:
            calls.append(address)
            return await connect(*given, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(asyncio, "open_connection", counted)
        async with waking(address) as waker:
            for _ in range(5):
                await wake_and_wait(waker)
            assert len(calls) == 1
            waker._lines[0].not_before = 0.0
            await wake_and_wait(waker)
            assert len(calls) == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\xff" * 100_000,
        b"",
    ],
    ids=["no http", "negative", "huge", "words", "chunked", "endless", "nothing"],
)
def test_an_answer_that_makes_no_sense_ends_the_connection_and_nothing_else(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waker_module, "_ANSWER_SECONDS", 0.1)

    async def main() -> None:
        async with (
            listening(garbage(answer)) as bad,
            listening(polite) as good,
            waking(bad.address, good.address) as waker,
        ):
            waker.wake(0)
            await wake_and_wait(waker, 1)
            assert (bad.wakeups, good.wakeups) == (1, 1)
            assert waker._lines[0].writer is None
            await wake_and_wait(waker, 0)
            assert bad.wakeups == 1, "left alone for a while"

    asyncio.run(main())


@pytest.mark.parametrize("handler", [hanging, slamming])
def test_a_client_that_hangs_or_slams_the_door_keeps_nobody_waiting(
    handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waker_module, "_ANSWER_SECONDS", 0.2)

    async def main() -> None:
        async with listening(handler) as bad, listening(polite) as good, waking(bad.address, good.address) as waker:
            waker.wake(0)
            for count in range(1, 4):
                waker.wake(1)
                await until(lambda count=count: good.wakeups >= count)  # type: ignore[misc]
            await quiet(waker)
            assert bad.wakeups == 1

    asyncio.run(main())


def test_the_end_hangs_up_even_in_the_middle_of_a_call() -> None:
    async def main() -> None:
        async with listening(hanging) as client:
            async with waking(client.address) as waker:
                waker.wake(0)
                await until(lambda: client.wakeups == 1)
            assert waker._lines[0].writer is None

    asyncio.run(main())


def test_after_the_end_nobody_is_woken_and_nobody_hurt() -> None:
    async def main() -> Waker:
        async with listening(polite) as client:
            async with waking(client.address) as waker:
                await wake_and_wait(waker)
            waker.wake(0)
            await asyncio.sleep(0.01)
            assert client.wakeups == 1
            again = Waker(lambda _: client.address)
            again.start()
            return again

    waker = asyncio.run(main())
    waker.wake(0)  # the loop it was started on is closed


def test_before_the_start_an_ask_is_left_to_the_clients_beat() -> None:
    Waker(lambda _: ("127.0.0.1", 1)).wake(0)
