"""Requests that are refused by their heads alone, and whose bodies are never run."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from contextlib import closing

import pytest
from hostile_requests import HEADS
from http_kit import Server, serving
from raw_http import DEADLINE_SECONDS, get, post, xml


@pytest.mark.usefixtures("pinger")
@pytest.mark.parametrize(
    ("headers", "status"),
    HEADS,
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
