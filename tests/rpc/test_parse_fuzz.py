"""Whatever comes in, `parse` reads it or refuses it (PROMISES 7.1, T21).

Five thousand inputs: 2,000 of XML's pieces in any order, 1,500 calls of which most are damaged in one place, and
1,500 of any bytes.
"""

from __future__ import annotations

import xmlrpc.client
from base64 import b64encode
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hqserver.domain.errors import FarmError
from hqserver.rpc.parse import parse
from hqserver.rpc.wire import to_wire

HEAD = "<?xml version='1.0'?><methodCall><methodName>m</methodName>"


def call(value: str) -> str:
    return f"{HEAD}<params><param><value>{value}</value></param></params></methodCall>"


def naive(value: Any) -> Any:
    """The value with its times without zone, as Python's own client reads them."""
    match value:
        case datetime():
            return value.replace(tzinfo=None)
        case list():
            return [naive(item) for item in value]
        case dict():
            return {key: naive(item) for key, item in value.items()}
    return value


def read_or_refused(body: bytes) -> None:
    """Only a value or a fault; what was read goes out again as the same."""
    try:
        name, params = parse(body)
    except FarmError as refusal:
        assert refusal.code in (-32700, -32701, -32600, -32602, 413)
        assert str(refusal)
    else:
        assert name
        (again,), _ = xmlrpc.client.loads(to_wire(params), use_builtin_types=True)
        assert again == naive(params)


XML_PIECES = st.sampled_from(
    [
        "<methodCall>",
        "</methodCall>",
        "<methodName>",
        "</methodName>",
        "<params>",
        "</params>",
        "<param>",
        "</param>",
        "<value>",
        "</value>",
        "<int>",
        "</int>",
        "<i4/>",
        "<double>",
        "</double>",
        "<string/>",
        "<array>",
        "</array>",
        "<data>",
        "</data>",
        "<struct>",
        "</struct>",
        "<member>",
        "</member>",
        "<name>",
        "</name>",
        "<nil/>",
        "<base64>",
        "</base64>",
        "<boolean>",
        "</boolean>",
        "<dateTime.iso8601>",
        "</dateTime.iso8601>",
        "m",
        "1",
        "-1",
        "e",
        "99999999999",
        "&amp;",
        "&lt;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?x",
        "?>",
        "<!DOCTYPE",
        "&#0;",
        "&#65;",
        "\x00",
        "é",
        "<a:nil/>",
    ]
)


@settings(max_examples=10 * settings().max_examples)
@given(st.lists(XML_PIECES, max_size=30))
def test_any_xml_is_read_or_refused(pieces: list[str]) -> None:
    """T21."""
    read_or_refused("".join(pieces).encode())
    read_or_refused(call("".join(pieces)).encode())


TEXT = st.text(st.characters(codec="utf-8"), max_size=10)
SCALARS = st.one_of(
    st.tuples(st.sampled_from(["int", "i4", "i8"]), st.integers(-(2**33), 2**33).map(str)),
    st.tuples(st.just("double"), st.floats().map(repr)),
    st.tuples(st.just("boolean"), st.sampled_from(["0", "1", "true"])),
    st.tuples(st.just("string"), TEXT.map(escape)),
    st.tuples(st.just("base64"), st.binary(max_size=9).map(lambda data: b64encode(data).decode())),
    st.tuples(st.just("dateTime.iso8601"), st.datetimes().map(lambda time: f"{time:%Y%m%dT%H:%M:%S}")),
    st.tuples(st.sampled_from(["nil", "ex:nil", "int", "bignum"]), st.just("")),
).map(lambda scalar: f"<{scalar[0]}>{scalar[1]}</{scalar[0]}>")
GRAMMAR = st.recursive(
    SCALARS | TEXT.map(escape),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(
            lambda values: f"<array><data>{''.join(f'<value>{value}</value>' for value in values)}</data></array>"
        ),
        st.lists(st.tuples(TEXT.map(escape), inner), max_size=4).map(
            lambda members: "".join(
                f"<member><name>{name}</name><value>{value}</value></member>" for name, value in members
            ).join(["<struct>", "</struct>"])
        ),
    ),
    max_leaves=8,
)
PLACES = st.integers(0, 400)


@pytest.mark.slow
@settings(max_examples=15 * settings().max_examples)
@given(GRAMMAR, st.sampled_from(["whole", "cut", "doubled", "with a piece"]), PLACES, PLACES, XML_PIECES)
def test_a_call_damaged_in_one_place_is_read_or_refused(
    value: str, damage: str, place: int, length: int, piece: str
) -> None:
    """T21."""
    text = call(value)
    place %= len(text)
    found = text[place : place + length]
    wrong = {"whole": found, "cut": "", "doubled": found + found, "with a piece": piece + found}[damage]
    read_or_refused((text[:place] + wrong + text[place + length :]).encode())


@settings(max_examples=5 * settings().max_examples)
@given(st.binary(max_size=200), st.integers(min_value=0, max_value=100))
def test_any_bytes_are_read_or_refused(noise: bytes, place: int) -> None:
    """T21."""
    read_or_refused(noise)
    body = call("<int>5</int>").encode()
    read_or_refused(body[:place] + noise + body[place:])
    read_or_refused(body[:place] + noise + body[place + len(noise) :])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\r", exclude_categories=["Cc", "Cn"]))
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.just("a") | st.just("b&"), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(JSON, max_size=3))
def test_calls_survive_the_round_trip(params: list[Any]) -> None:
    body = xmlrpc.client.dumps(tuple(params), "m", allow_none=True).encode()
    assert parse(body) == ("m", params)
