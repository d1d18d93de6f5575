"""Pages: what they carry, streams, and what other sites may do with them."""

from __future__ import annotations

import http.client

import pytest
from http_kit import Server
from raw_http import Answers, Shared, get


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


@pytest.mark.slow
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
            response = http.client.HTTPResponse(Shared(stream))  # type: ignore[arg-type]
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
