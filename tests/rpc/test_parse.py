"""Values in: calls are read strictly, and nothing costs more than its bytes."""

from __future__ import annotations

import time
import xmlrpc.client
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from hqserver.domain.errors import FarmError
from hqserver.rpc.faults import InvalidRequest
from hqserver.rpc.parse import Limits, parse
from hqserver.rpc.wire import to_wire


def call(value: str, name: str = "m") -> bytes:
    params = f"<params><param><value>{value}</value></param></params>"
    return f"<?xml version='1.0'?><methodCall><methodName>{name}</methodName>{params}</methodCall>".encode()


def code_of(body: bytes, limits: Limits | None = None) -> int:
    with pytest.raises(FarmError) as caught:
        parse(body, limits or Limits())
    return caught.value.code


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("<int>5</int>", 5),
        ("<i4> -2147483648 </i4>", -(2**31)),
        ("<i8>5</i8>", 5),
        ("<boolean>1</boolean>", True),
        ("<boolean>0</boolean>", False),
        ("<double>1.5e3</double>", 1500.0),
        ("<double>-.5</double>", -0.5),
        ("<string> a &lt; b </string>", " a < b "),
        ("<string/>", ""),
        ("untyped", "untyped"),
        ("", ""),
        ("<![CDATA[<b>]]>", "<b>"),
        ("<nil/>", None),
        ("<ex:nil xmlns:ex='http://x'/>", None),
        ("<base64>\n aGkh \n</base64>", b"hi!"),
        ("<dateTime.iso8601>20260131T23:59:58</dateTime.iso8601>", datetime(2026, 1, 31, 23, 59, 58, tzinfo=UTC)),
        ("<array><data></data></array>", []),
        ("<array> <data> <value>a</value> <value><int>1</int></value> </data> </array>", ["a", 1]),
        ("<struct/>", {}),
        ("<struct><member><name>a</name><value><array><data/></array></value></member></struct>", {"a": []}),
        ("<struct><member><name/><value/></member></struct>", {"": ""}),
    ],
)
def test_values_are_read_as_their_types(wire: str, value: object) -> None:
    assert parse(call(wire)) == ("m", [value])


def test_what_pythons_client_sends_is_read() -> None:
    params: tuple[Any, ...] = ({"a": [1, 2.5, None, True, "é&<\n", b"\x00"], "b": {}}, [], "x")
    body = xmlrpc.client.dumps(params, "newjob", allow_none=True).encode()
    assert parse(body) == ("newjob", list(params))


@pytest.mark.parametrize(
    "body",
    [
        b"<methodCall><methodName> m </methodName></methodCall>",
        b"<methodCall><methodName>m</methodName><params/></methodCall>",
        b"<methodCall xmlns:ex='x'> <!-- none --> <methodName a='b'>m</methodName> <params> </params> </methodCall>",
    ],
)
def test_a_call_may_come_without_params(body: bytes) -> None:
    assert parse(body) == ("m", [])


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_the_encodings_that_expat_knows_are_read(encoding: str) -> None:
    text = call("é").decode().replace("'1.0'", f"'1.0' encoding='{encoding}'")
    assert parse(text.encode(encoding)) == ("m", ["é"])


@pytest.mark.parametrize("encoding", ["cp037", "rot13", "utf-7", "no-such", "x" * 10_000, "idna"])
def test_other_encodings_are_refused(encoding: str) -> None:
    assert code_of(call("").replace(b"'1.0'", f"'1.0' encoding='{encoding}'".encode())) in (-32701, -32600)


def test_bytes_that_are_not_in_their_encoding_are_not_well_formed() -> None:
    assert code_of(call("X").replace(b"X", b"\xff")) == -32700


@pytest.mark.parametrize(
    "wire",
    [
        "<int>2147483648</int>",
        "<int>-2147483649</int>",
        f"<int>{'9' * 5000}</int>",
        "<int>\uff11</int>",
        "<int>1_0</int>",
        "<int>0x1</int>",
        "<int>1.0</int>",
        "<int></int>",
        "<i4>five</i4>",
        "<i8>2147483648</i8>",
        "<double>inf</double>",
        "<double>nan</double>",
        "<double>1e999</double>",
        "<double>1_0.5</double>",
        "<double></double>",
        "<boolean>2</boolean>",
        "<boolean>true</boolean>",
        "<boolean></boolean>",
        "<base64>a</base64>",
        "<base64>a#b=</base64>",
        "<base64>aGkh=</base64>",
        "<base64>é</base64>",
        "<dateTime.iso8601>today</dateTime.iso8601>",
        "<dateTime.iso8601>20261301T00:00:00</dateTime.iso8601>",
        "<dateTime.iso8601></dateTime.iso8601>",
        "<nil>x</nil>",
    ],
)
def test_a_value_that_is_not_of_its_type_is_a_bad_parameter(wire: str) -> None:
    """9.1: -32602."""
    assert code_of(call(wire)) == -32602


@pytest.mark.parametrize(
    "wire",
    [
        "<biginteger>5</biginteger>",
        "<int>1</int><int>2</int>",
        "<int>1</int>x",
        "x<int>1</int>",
        "<int><int>1</int></int>",
        "<string><b>x</b></string>",
        "<array/>",
        "<array><data/><data/></array>",
        "<array><value>1</value></array>",
        "<array><data>x</data></array>",
        "<struct><member><name>a</name></member></struct>",
        "<struct><member><value>a</value></member></struct>",
        "<struct><member><value>a</value><name>a</name></member></struct>",
        "<struct><member><name>a</name><name>b</name></member></struct>",
        "<struct><member><name>a</name><value/><value/></member></struct>",
        "<struct><member/></struct>",
        "<struct><name>a</name></struct>",
        "<struct>text</struct>",
    ],
)
def test_what_is_not_built_as_xml_rpc_says_is_an_invalid_request(wire: str) -> None:
    """9.1: -32600."""
    assert code_of(call(wire)) == -32600


@pytest.mark.parametrize(
    "body",
    [
        b"<a/>",
        b"<methodCall/>",
        b"<methodCall><params/></methodCall>",
        b"<methodCall><params/><methodName>m</methodName></methodCall>",
        b"<methodCall><methodName>m</methodName><methodName>n</methodName></methodCall>",
        b"<methodCall><methodName>m</methodName><params/><params/></methodCall>",
        b"<methodCall><methodName>m</methodName><params><param/></params></methodCall>",
        b"<methodCall><methodName>m</methodName><params><value/></params></methodCall>",
        b"<methodCall><methodName></methodName></methodCall>",
        b"<methodCall><methodName>a b</methodName></methodCall>",
        b"<methodCall><methodName>" + b"a" * 256 + b"</methodName></methodCall>",
        b"<methodResponse><params/></methodResponse>",
        to_wire(True),
    ],
)
def test_what_is_no_call_is_an_invalid_request(body: bytes) -> None:
    """9.1: -32600."""
    assert code_of(body) == -32600


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"x",
        b"\x00",
        b"<methodCall>",
        call("")[:-5],
        call("") + b"<a/>",
        call("&amp"),
        call("\x01"),
        call("&x;"),
    ],
)
def test_what_is_no_xml_is_not_well_formed(body: bytes) -> None:
    """9.1: -32700."""
    assert code_of(body) == -32700


LAUGHS = b"<!ENTITY a 'ha'>" + b"".join(b"<!ENTITY %c '%s'>" % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))


@pytest.mark.parametrize(
    "doctype",
    [
        b"<!DOCTYPE x>",
        b"<!DOCTYPE x [" + LAUGHS + b"]>",
        b"<!DOCTYPE x [<!ENTITY m 'ping'>]>",
        b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'>",
        b"<!DOCTYPE x [<!ENTITY % p SYSTEM 'http://127.0.0.1/'> %p;]>",
        b"<!DOCTYPE x [<!ENTITY a '" + b"a" * 60_000 + b"'>]>",
    ],
)
def test_a_doctype_is_refused_whatever_it_holds(doctype: bytes) -> None:
    body = doctype + b"<methodCall><methodName>&m;</methodName></methodCall>"
    assert code_of(body) == -32600


def nested(levels: int) -> str:
    return "<array><data><value>" * levels + "</value></data></array>" * levels


def test_nesting_is_bounded() -> None:
    parse(call(nested(64)))
    assert code_of(call(nested(65))) == -32600
    with pytest.raises(InvalidRequest, match=r"which is 31 levels of children; send deeper families as JSON text, or"):
        parse(call(nested(65)))
    assert code_of(call(nested(20_000))) == -32600
    members = "<struct><member><name>a</name><value>"
    parse(call(members * 64 + "</value></member></struct>" * 64))
    assert code_of(call(members * 65 + "</value></member></struct>" * 65)) == -32600


def test_the_number_of_elements_is_bounded() -> None:
    body = call("<array><data>" + "<value/>" * 1000 + "</data></array>")
    parse(body)
    assert code_of(body, Limits(elements=500)) == 413


def test_the_size_of_the_body_is_bounded() -> None:
    assert code_of(call("x" * 1000), Limits(body=500)) == 413


def test_long_text_is_read_whole() -> None:
    text = "ab<&\n" * 200_000
    assert parse(call(text.replace("&", "&amp;").replace("<", "&lt;")))[1] == [text]
    assert parse(call(f"<![CDATA[{text}]]>"))[1] == [text]


@pytest.mark.parametrize(
    "token",
    [
        b"<value " + b"a='b' " * 3_000_000 + b"/>",
        b"<" + b"a" * 10_000_000,
        b"<value a='" + b"a" * 10_000_000 + b"'/>",
        b"<!--" + b"a" * 10_000_000 + b"-->",
        b"<!--" + b"> <" * 10_000_000 + b"-->",
        b"<?pi " + b"> <" * 10_000_000 + b"?>",
        b"<methodName>" + b"<" * 10_000_000,
        b"<methodName>" + (b"<" * 4000 + b">") * 5000,
    ],
    ids=["attributes", "name", "attribute", "comment", "open-comment", "instruction", "brackets", "short-brackets"],
)
def test_a_huge_token_is_refused_after_its_first_pieces(token: bytes) -> None:
    honest = call("<array><data>" + "<value/>" * 50_000 + "</data></array>")
    assert seconds_of(lambda: code_of(b"<methodCall>" + token)) < 20 * seconds_of(lambda: parse(honest))
    assert code_of(b"<methodCall>" + token) in (-32600, -32700)


def seconds_of(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
