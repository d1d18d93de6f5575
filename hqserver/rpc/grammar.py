"""What an XML-RPC call may hold, element by element, and what each element becomes (PROMISES 6.1)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from sys import getsizeof
from typing import Any

from hqserver.domain.errors import BadParameters
from hqserver.rpc.faults import InvalidRequest

POINTER = 9
"""Bytes that an entry of a list takes, with what lists take in reserve."""

_ROUNDING = 8  # bytes by which the allocator rounds up what is no multiple of 16
_PAIR = getsizeof((None, None)) + POINTER

_METHOD_NAME = re.compile(r"[A-Za-z0-9_.:/]{1,255}", re.ASCII)
_INT = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
_DOUBLE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)
_TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):(\d\d):(\d\d)Z?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a struct's member."""

    text: str


def _int(text: str) -> int:
    number = int(text) if _INT.fullmatch(text := text.strip()) else None
    if number is None or not -(2**31) <= number < 2**31:
        raise BadParameters(f"{shown(text)} is not an int of 32 bits; send larger numbers as a double")
    return number


def _double(text: str) -> float:
    number = float(text) if _DOUBLE.fullmatch(text := text.strip()) else None
    if number is None or not isfinite(number):
        raise BadParameters(f"{shown(text)} is not a finite double")
    return number


def _boolean(text: str) -> bool:
    if (text := text.strip()) not in ("0", "1"):
        raise BadParameters(f"{shown(text)} is not a boolean; send 0 or 1")
    return text == "1"


def _base64(text: str) -> bytes:
    try:
        compact = text.encode("ascii").translate(None, b" \t\r\n")
        if len(compact) % 4 == 0:
            return binascii.a2b_base64(compact, strict_mode=True)
    except ValueError:
        pass  # said below
    raise BadParameters(f"{shown(text)} is not base64")


def _time(text: str) -> datetime:
    found = _TIME.fullmatch(text.strip())
    try:
        if found:
            return datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]  # six ints
    except ValueError:
        pass  # a 13th month: said below
    raise BadParameters(f"{shown(text)} is not a time like 20260131T23:59:59")


def _nil(text: str) -> None:
    if text.strip():
        raise BadParameters("a nil holds no text")


def shown(text: str) -> str:
    """A text for a sentence about it, cut where it is long."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _method_name(text: str) -> str:
    if not _METHOD_NAME.fullmatch(text := text.strip()):
        raise InvalidRequest(f"{shown(text)} is not the name of a method")
    return text


@dataclass(slots=True)
class Element:
    """What an element may hold, and what it becomes at its end.

    A leaf holds text only: `read` makes its value from that, with `copies` of the text in between. A branch holds
    elements: `join` makes its value from theirs, and `weigh` says by how many bytes more memory is then taken.
    """

    tag: str
    read: Callable[[str], object] | None = None
    join: Callable[[list[Any]], object] | None = None
    copies: int = 1
    weigh: Callable[[Any], int] | None = None
    children: dict[str, Element] = field(default_factory=dict)


def _only(tag: str, child: str) -> Callable[[list[Any]], object]:
    def join(held: list[Any]) -> object:
        if len(held) != 1:
            raise InvalidRequest(f"<{tag}> holds one <{child}>, not {len(held)}")
        return held[0]

    return join


def _member(held: list[Any]) -> object:
    if len(held) != 2 or type(held[0]) is not Name or type(held[1]) is Name:
        raise InvalidRequest("a <member> is one <name> and then one <value>")
    return held[0].text, held[1]


def _as_it_is(held: list[Any]) -> object:
    return held  # nobody else holds it, and it may be long


def _weigh_member(member: object) -> int:
    return _PAIR


def _weigh_list(values: list[object]) -> int:
    return getsizeof(values) + POINTER + _ROUNDING


def _weigh_struct(struct: dict[str, object]) -> int:
    return getsizeof(struct) + POINTER - len(struct) * _PAIR  # the pairs it was made of are gone


def _call(held: list[Any]) -> object:
    if [type(part) for part in held] not in ([str], [str, list]):
        raise InvalidRequest("a call is one <methodName> and then at most one <params>")
    return held[0], held[1] if len(held) == 2 else []


def _grammar() -> Element:
    """The elements of a call, from the document's root down."""
    scalars: list[tuple[str, Callable[[str], object]]] = [
        ("int", _int),
        ("i4", _int),
        ("i8", _int),  # what xmlrpc-c makes of every number it reads from JSON
        ("double", _double),
        ("boolean", _boolean),
        ("string", str),
        ("base64", _base64),
        ("dateTime.iso8601", _time),
        ("nil", _nil),
    ]
    value = Element("value", join=_only("value", "type"))
    data = Element("data", join=_as_it_is, weigh=_weigh_list, children={"value": value})
    names = {"name": Element("name", read=Name), "value": value}
    member = Element("member", join=_member, weigh=_weigh_member, children=names)
    value.children = {tag: Element(tag, read=read) for tag, read in scalars}
    value.children["base64"].copies = 4
    value.children["array"] = Element("array", join=_only("array", "data"), children={"data": data})
    value.children["struct"] = Element("struct", join=dict, weigh=_weigh_struct, children={"member": member})
    param = Element("param", join=_only("param", "value"), children={"value": value})
    params = Element("params", join=list, children={"param": param})
    name = Element("methodName", read=_method_name)
    call = Element("methodCall", join=_call, children={"methodName": name, "params": params})
    return Element("", join=list, children={"methodCall": call})


ROOT = _grammar()
"""What stands around the whole call: the grammar from its root down."""
