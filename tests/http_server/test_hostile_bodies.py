"""Bodies that are no call: each is a fault, and somebody else is served meanwhile."""

from __future__ import annotations

import pytest
from hostile_requests import BODIES
from http_kit import Server, serving
from raw_http import xml

from hqserver.rpc.method import Caller
from hqserver.rpc.wire import to_wire


@pytest.mark.usefixtures("pinger")
@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_a_fault(server: Server, name: str) -> None:
    assert server.call(BODIES[name]).fault() in (-32600, -32700)


@pytest.mark.usefixtures("pinger")
@pytest.mark.slow
def test_a_body_of_many_elements_is_read_while_others_are_served(server: Server) -> None:
    body = xml("echo", []).replace(b"<data>", b"<data>" + b"<value/>" * 300_000)
    assert len(server.call(body).value()) == 300_000


def test_broken_values_are_a_fault(server: Server) -> None:
    body = xml("echo", 5)
    for bad in (b"<int>" + b"9" * 5000 + b"</int>", b"<double>nan</double>", b"<base64>?</base64>"):
        assert server.call(body.replace(b"<int>5</int>", bad)).fault() == -32602


def test_characters_that_xml_cannot_carry_never_leave(server: Server) -> None:
    dirty = "log \x1b[31m\x00 \ufffe end\r\n".encode("utf-16-le", "surrogatepass")

    def call(body: bytes, caller: Caller) -> bytes:
        return to_wire(dirty.decode("utf-16-le", "surrogatepass"))

    with serving(call=call) as other:
        assert other.call(xml("getJobOutput", 1)).value() == "log \ufffd[31m\ufffd \ufffd end\r\n"
