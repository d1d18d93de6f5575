"""Calls as XML-RPC libraries make them, answered in order on each path."""

from __future__ import annotations

import socket
import xmlrpc.client

import pytest
from http_kit import Server, serving
from raw_http import DEADLINE_SECONDS, Answers, get, post, xml


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
