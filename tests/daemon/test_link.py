from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from xmlrpc.client import Fault, dumps, loads

import pytest

from hqclient.daemon.config import ServerAddress
from hqclient.daemon.link import Link, LinkDown, ServerFault

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def value(content: object) -> bytes:
    return http(dumps((content,), methodresponse=True).encode())


class TinyServer:
    """Reads whole requests and answers what the test says, one `answers` entry a request; None hangs up."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, bytes]] = []
        self.connections = 0
        self.silent = False

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int((head.lower() + "content-length: 0\r\n").split("content-length: ")[1].split("\r\n")[0])
                self.requests.append((head, await reader.readexactly(length)))
                if self.silent:
                    await reader.read()
                    return
                answer = self.answers.pop(0)
                if answer is None:
                    return
                writer.write(answer)
                if answer.startswith(b"half") or answer.endswith(b"short"):
                    return
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def play(server: TinyServer, scene: Callable[[Link], Awaitable[None]], answer_seconds: float = 20.0) -> None:
    async def scenery() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        link = Link(ServerAddress("127.0.0.1", listening.sockets[0].getsockname()[1]), answer_seconds)
        try:
            await scene(link)
        finally:
            await link.close()
            listening.close()
            await listening.wait_closed()
            await asyncio.sleep(0.02)

    asyncio.run(scenery())


def outcome(server: TinyServer, answer_seconds: float = 20.0) -> object:
    found: list[object] = []

    async def scene(link: Link) -> None:
        try:
            found.append(await link.call("clientBeat", {}, ""))
        except (LinkDown, ServerFault) as problem:
            found.append(problem)

    play(server, scene, answer_seconds)
    return found[0]


def test_a_call_carries_its_argument_and_brings_the_value() -> None:
    server = TinyServer(value({"id": 3, "big": 2.0**40}))

    async def scene(link: Link) -> None:
        argument = {"data": b"\x00\xff", "size": 2**40, "text": "a\x1bb\n", "list": (1, None, True)}
        assert await link.call("clientBeat", argument, "s3cret") == {"id": 3, "big": 2.0**40}

    play(server, scene)
    head, body = server.requests[0]
    assert "authorization: bearer s3cret" in head.lower()
    (sent,), method = loads(body, use_builtin_types=True)
    assert method == "clientBeat"
    assert sent == {"data": b"\x00\xff", "size": 2.0**40, "text": "a\ufffdb\n", "list": [1, None, True]}


def test_without_a_secret_nothing_is_claimed() -> None:
    server = TinyServer(value(1))
    assert outcome(server) == 1
    assert "authorization" not in server.requests[0][0].lower()


def test_calls_share_one_connection() -> None:
    server = TinyServer(*[value(number) for number in range(5)])

    async def scene(link: Link) -> None:
        assert [await link.call("m", {}, "") for _ in range(5)] == [0, 1, 2, 3, 4]

    play(server, scene)
    assert server.connections == 1


def test_a_connection_the_server_closed_while_idle_is_replaced_unseen() -> None:
    server = TinyServer(value(1), None, value(2))

    async def scene(link: Link) -> None:
        assert await link.call("m", {}, "") == 1
        assert await link.call("m", {}, "") == 2

    play(server, scene)
    assert server.connections == 2


def test_a_server_that_hangs_up_on_a_fresh_connection_is_down() -> None:
    assert "without an answer" in str(outcome(TinyServer(None)))


def test_connection_close_is_heeded() -> None:
    body = dumps((1,), methodresponse=True).encode()
    server = TinyServer(http(body, headers="Connection: close\r\n"), value(2))

    async def scene(link: Link) -> None:
        assert await link.call("m", {}, "") == 1
        assert await link.call("m", {}, "") == 2

    play(server, scene)
    assert server.connections == 2


def test_a_fault_is_the_servers_no() -> None:
    problem = outcome(TinyServer(http(dumps(Fault(409, "name taken"), methodresponse=True).encode())))
    assert isinstance(problem, ServerFault)
    assert (problem.code, problem.sentence) == (409, "name taken")


def test_http_401_means_the_secret_is_unknown() -> None:
    problem = outcome(TinyServer(http(b"", "401 Unauthorized")))
    assert isinstance(problem, ServerFault)
    assert problem.code == 401


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        http(b"<html>hello</html>"),
        http(b""),
        http(b"<?xml version='1.0'?><!DOCTYPE x><methodResponse/>"),
        http(b"<methodResponse><params></params></methodResponse>"),
        http(b"<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>"),
        http(b"\xff\xfe\x00"),
        http(b"", "500 Internal Server Error"),
        http(b"", "302 Found", "Location: http://elsewhere/\r\n"),
        b"half of an answer",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
    ],
)
def test_anything_else_is_no_answer(answer: bytes) -> None:
    assert isinstance(outcome(TinyServer(answer), answer_seconds=0.5), LinkDown)


def test_an_answer_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqclient.daemon.link._ANSWER_LIMIT", 1000)
    assert "too long" in str(outcome(TinyServer(http(b" " * 2000))))


def test_a_silent_server_costs_its_time_and_no_more() -> None:
    server = TinyServer()
    server.silent = True
    assert str(outcome(server, answer_seconds=0.1)) == "no answer within 0.1 s"


def test_nobody_there_is_said_in_words() -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(LinkDown, match=r"^Connection refused$"):
            await Link(ServerAddress("127.0.0.1", port)).call("m", {}, "")

    asyncio.run(scene())


def test_a_call_that_was_cancelled_leaves_no_half_read_connection_behind() -> None:
    server = TinyServer(value(2))

    async def scene(link: Link) -> None:
        server.silent = True
        call: Coroutine[Any, Any, object] = link.call("m", {}, "")
        task = asyncio.ensure_future(call)
        while not server.requests:
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.silent = False
        assert await link.call("m", {}, "") == 2

    play(server, scene)


def fetched(server: TinyServer, limit: int = 1000, answer_seconds: float = 20.0) -> object:
    found: list[object] = []

    async def scene(link: Link) -> None:
        try:
            found.append(await link.fetch("/client/x.zip", limit, "s3cret"))
        except LinkDown as problem:
            found.append(str(problem))

    play(server, scene, answer_seconds)
    return found[0]


def test_a_file_is_fetched_as_this_client() -> None:
    server = TinyServer(http(b"PK\x00"))
    assert fetched(server) == b"PK\x00"
    ((head, body),) = server.requests
    assert head.startswith("GET /client/x.zip HTTP/1.1\r\n")
    assert "authorization: bearer s3cret\r\n" in head.lower()
    assert body == b""


def test_a_file_is_fetched_while_calls_go_on() -> None:
    async def scene(link: Link) -> None:
        await link.call("clientBeat", {}, "")
        assert await link.fetch("/x", 1000, "") == b"file"
        assert await link.call("clientBeat", {}, "") == 2
        assert server.connections == 2

    server = TinyServer(value(1), http(b"file"), value(2))
    play(server, scene)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (http(b"no", "404 Not Found"), "the server answered HTTP 404"),
        (http(b"x" * 1001), "the server's answer is too long"),
        (None, "the server closed the connection without an answer"),
        (b"half an answer", "closed connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "peer closed connection"),
    ],
)
def test_a_file_that_does_not_come_whole_did_not_come(answer: bytes | None, said: str) -> None:
    server = TinyServer(answer)
    assert said in str(fetched(server))


def test_a_server_that_does_not_answer_a_fetch_is_given_up_in_time() -> None:
    server = TinyServer()
    server.silent = True
    assert fetched(server, answer_seconds=0.1) == "no answer within 0.1 s"
