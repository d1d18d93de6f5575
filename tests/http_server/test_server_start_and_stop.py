"""The port is taken or left, and stopping lets what has begun come to its end."""

from __future__ import annotations

import asyncio

import pytest
from http_kit import Server, serving, web
from raw_http import DEADLINE_SECONDS, Answers, closes, post, xml

from hqserver.http import HttpServer


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
