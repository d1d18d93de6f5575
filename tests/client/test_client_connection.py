"""Calls: addresses, values, faults, and a server that is not there or not a farm."""

from __future__ import annotations

import base64
import socket
import threading
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from toy_farm import InProcessTransport, ToyFarm, toy_connection

from hqclient import errors
from hqclient.connection import Address, Connection, find_address
from hqclient.errors import REFUSALS, AnswerLost, BadAddress, BadAnswer, FarmUnreachable, Refused
from hqserver.domain import errors as server_errors


@pytest.mark.parametrize(
    ("text", "host", "path", "shown"),
    [
        ("farm", "farm:5000", "/RPC2", "http://farm:5000"),
        (" farm:81 ", "farm:81", "/RPC2", "http://farm:81"),
        ("http://farm:5000", "farm:5000", "/RPC2", "http://farm:5000"),
        ("http://farm:5000/", "farm:5000", "/RPC2", "http://farm:5000"),
        ("http://farm/RPC2/nonil", "farm", "/RPC2/nonil", "http://farm"),
        ("https://farm.example", "farm.example", "/RPC2", "https://farm.example"),
        ("[::1]:5000", "[::1]:5000", "/RPC2", "http://[::1]:5000"),
        ("http://run:secret@farm:5000", "run:secret@farm:5000", "/RPC2", "http://farm:5000"),
    ],
)
def test_an_address_is_a_url_or_a_host_with_or_without_port(text: str, host: str, path: str, shown: str) -> None:
    address = Address.parse(text)
    assert (address.host, address.path, address.shown) == (host, path, shown)


@pytest.mark.parametrize(
    "text", ["ftp://farm", "http://", "farm:port", "farm:99999", "two words", "http://farm/?a=1", "[::1"]
)
def test_an_address_that_cannot_be_called_is_one_clear_sentence(text: str) -> None:
    with pytest.raises(BadAddress, match=r"^server address '.*' cannot be used: .*http://host:port"):
        Address.parse(text)


def test_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(BadAddress) as caught:
        Address.parse("ftp://me:secret@farm")
    assert "secret" not in str(caught.value)


def test_the_address_comes_from_the_argument_then_the_environment_then_the_default() -> None:
    environ = {"HQSERVER": "http://one:1", "HOUDINI_HQUEUE_SERVER": "two:2"}
    assert find_address("three:3", environ).shown == "http://three:3"
    assert find_address(None, environ).shown == "http://one:1"
    assert find_address(None, {**environ, "HQSERVER": " "}).shown == "http://two:2"
    assert find_address(None, {}).shown == "http://127.0.0.1:5000"


def test_values_arrive_as_python_has_them() -> None:
    connection, _ = toy_connection(ToyFarm())
    assert connection.call("ping") is True
    assert connection.call("getServerTime") == datetime(2026, 11, 21, 4)  # noqa: DTZ001
    assert connection.call("getJobs", []) == []


@pytest.mark.parametrize(("code", "kind"), [*REFUSALS.items(), (1234, Refused)])
def test_each_fault_code_is_its_exception_and_an_unknown_one_still_works(code: int, kind: type[Refused]) -> None:
    connection, transport = toy_connection(ToyFarm())
    transport.troubles.append(xmlrpc.client.Fault(code, "because"))
    with pytest.raises(Refused) as caught:
        connection.call("ping")
    assert type(caught.value) is kind
    assert (caught.value.code, str(caught.value)) == (code, "because")


def test_every_code_the_server_has_a_name_for_has_an_exception_here() -> None:
    own = [kind for kind in server_errors.FarmError.__subclasses__() if kind.__module__ == server_errors.__name__]
    codes = {kind.code: kind.__name__ for kind in own}
    assert {code: name for code, name in codes.items() if code not in REFUSALS} == {}
    assert all(REFUSALS[code].__name__ == name for code, name in codes.items())


def test_the_drawn_tree_of_errors_is_the_real_one() -> None:
    def lines(kind: type[Exception], depth: int) -> Iterator[tuple[int, str]]:
        yield depth, kind.__name__
        for each in kind.__subclasses__():
            yield from lines(each, depth + 1)

    drawn = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip("│├└─ ").split(" ")[0]
        if name and hasattr(errors, name):
            drawn.append(((len(line) - len(line.lstrip("│├└─ "))) // 4 - 1, name))
    assert sorted(drawn) == sorted(lines(errors.HQError, 0))


@pytest.mark.parametrize(
    ("parameter", "words"),
    [("esc \x1b[0m", "U\\+001B"), (2**40, "int exceeds"), (object(), "cannot marshal"), ("\ud800", "U\\+D800")],
)
def test_what_xml_cannot_carry_is_refused_before_it_is_sent(parameter: object, words: str) -> None:
    toy = ToyFarm()
    connection, _ = toy_connection(toy)
    with pytest.raises(errors.BadParameters, match=words):
        connection.call("addNote", parameter, None, None, None)
    assert toy.calls == []


def test_a_method_name_cannot_smuggle_xml() -> None:
    connection, _ = toy_connection(ToyFarm())
    with pytest.raises(errors.UnknownMethod, match="no method can be called"):
        connection.call("ping</methodName>")


def test_carriage_returns_reach_the_server() -> None:
    toy = ToyFarm()
    connection, _ = toy_connection(toy)
    connection.call("addNote", "one\r\ntwo & <three>", None, None, None)
    assert toy.notes[0][0] == "one\r\ntwo & <three>"


@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        (TimeoutError("timed out"), AnswerLost, "did not answer ping within 30 seconds"),
        (ConnectionResetError(104, "Connection reset by peer"), AnswerLost, "connection reset by peer"),
        (xmlrpc.client.ProtocolError("x", 404, "Not Found", {}), BadAnswer, "HTTP 404 Not Found"),
        (xmlrpc.client.ProtocolError("x", 503, "Busy", {}), errors.Busy, "overloaded"),
        (xmlrpc.client.ProtocolError("x", 401, "No", {}), errors.NotAuthenticated, "USER:PASSWORD"),
    ],
)
def test_a_broken_call_is_one_of_our_exceptions(trouble: Exception, kind: type[Exception], words: str) -> None:
    connection, transport = toy_connection(ToyFarm())
    transport.troubles.append(trouble)
    with pytest.raises(kind, match=words):
        connection.call("ping")


class _Answering(BaseHTTPRequestHandler):
    """Reads a request, keeps its headers, answers with `answer`; over HTTP/1.1, so connections are kept."""

    protocol_version = "HTTP/1.1"
    answer: Callable[[bytes], bytes]
    seen: list[tuple[int, str | None]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.client_address[1], self.headers.get("Authorization")))
        text = type(self).answer(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


@contextmanager
def _http_server(answer: Callable[[bytes], bytes]) -> Iterator[tuple[str, list[tuple[int, str | None]]]]:
    seen: list[tuple[int, str | None]] = []
    handler = type("Handler", (_Answering,), {"answer": staticmethod(answer), "seen": seen})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


def test_calls_over_a_socket_share_one_connection_and_say_who_calls() -> None:
    transport = InProcessTransport(ToyFarm())
    answer = transport.dispatch
    with _http_server(answer) as (place, seen):  # noqa: SIM117
        with Connection(f"http://me:s%20t@{place}", timeout_seconds=20) as connection:
            assert connection.call("ping") is True
            assert connection.call("getVersion") == "9.8.7"
    credentials = base64.b64encode(b"me:s t").decode()
    assert len({port for port, _ in seen}) == 1
    assert [said for _, said in seen] == [f"Basic {credentials}"] * 2


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html><p>Hello",
        b"",
        b"<?xml version='1.0'?><methodResponse/>",
        b"\x00\xff",
        b"<a><value><int>x</int></value></a>",
    ],
)
def test_an_answer_that_is_not_xml_rpc_is_told_and_the_connection_stays_usable(garbage: bytes) -> None:
    good = xmlrpc.client.dumps((True,), methodresponse=True).encode()
    answers = [garbage, good]
    with _http_server(lambda _: answers.pop(0)) as (place, _), Connection(place, timeout_seconds=20) as connection:
        with pytest.raises(BadAnswer, match="is no farm"):
            connection.call("ping")
        assert connection.call("ping") is True


def test_a_server_that_is_not_there_is_told_with_its_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(FarmUnreachable, match=f"no farm answers at http://{place}: connection refused") as caught:
            Connection(place).call("ping")
    assert not isinstance(caught.value, AnswerLost)


def test_a_server_that_does_not_answer_is_given_up_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        place = f"127.0.0.1:{deaf.getsockname()[1]}"
        with (
            Connection(place, timeout_seconds=0.05) as connection,
            pytest.raises(AnswerLost, match=r"within 0\.05 seconds"),
        ):
            connection.call("ping")
