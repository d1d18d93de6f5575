"""Values in: the bytes of a request as a method's name and its parameters, or a fault (PROMISES 6.1).

Written against expat rather than on the standard library's `Unmarshaller`, which takes almost anything for a
call. Every limit holds while parsing, so that no request costs more than its bytes: no DOCTYPE (hence no
entities), no huge tags, a bound on elements and nesting. Attributes are ignored, since some libraries declare
namespaces.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any, cast
from xml.parsers import expat

from hqserver.domain.errors import BadParameters, TooLarge
from hqserver.rpc.faults import InvalidRequest, NotWellFormed, UnknownEncoding


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may have: bytes of body, levels of arrays and structs, elements of XML."""

    body: int = 64 * 1024 * 1024
    depth: int = 64
    elements: int = 5_000_000


DEFAULT_LIMITS = Limits()

_IN_PARTS = "send it in several calls, in newjob the children of a job with its id as parent_id"
_PIECE = 64 * 1024  # expat keeps the interpreter to itself while it reads a piece
_LONG_TAG = re.compile(rb"<(?!!\[CDATA\[)[^<>]{4096}")
_LONGEST_TAG = 4096
_ENCODING_ERRORS = {
    expat.errors.codes[message]
    for message in (expat.errors.XML_ERROR_UNKNOWN_ENCODING, expat.errors.XML_ERROR_INCORRECT_ENCODING)
}
_ENCODINGS = {"utf-8", "us-ascii", "iso-8859-1", "utf-16"}  # those that expat reads by itself

_METHOD_NAME = re.compile(r"[A-Za-z0-9_.:/]{1,255}", re.ASCII)
_INT = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
_DOUBLE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)
_TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):(\d\d):(\d\d)Z?", re.ASCII)


class _Name(str):
    """The name of a struct's member."""

    __slots__ = ()


def _int(text: str) -> int:
    number = int(text) if _INT.fullmatch(text := text.strip()) else None
    if number is None or not -(2**31) <= number < 2**31:
        raise BadParameters(f"{_shown(text)} is not an int of 32 bits; send larger numbers as a double")
    return number


def _double(text: str) -> float:
    number = float(text) if _DOUBLE.fullmatch(text := text.strip()) else None
    if number is None or not isfinite(number):
        raise BadParameters(f"{_shown(text)} is not a finite double")
    return number


def _boolean(text: str) -> bool:
    if (text := text.strip()) not in ("0", "1"):
        raise BadParameters(f"{_shown(text)} is not a boolean; send 0 or 1")
    return text == "1"


def _base64(text: str) -> bytes:
    compact = "".join(text.split())
    try:
        if len(compact) % 4 == 0:
            return binascii.a2b_base64(compact.encode("ascii"), strict_mode=True)
    except ValueError:
        pass  # said below
    raise BadParameters(f"{_shown(text)} is not base64")


def _time(text: str) -> datetime:
    found = _TIME.fullmatch(text.strip())
    try:
        if found:
            return datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]  # six ints
    except ValueError:
        pass  # a 13th month: said below
    raise BadParameters(f"{_shown(text)} is not a time like 20260131T23:59:59")


def _nil(text: str) -> None:
    if text.strip():
        raise BadParameters("a nil holds no text")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _method_name(text: str) -> str:
    if not _METHOD_NAME.fullmatch(text := text.strip()):
        raise InvalidRequest(f"{_shown(text)} is not the name of a method")
    return text


@dataclass(slots=True)
class _Element:
    """What an element may hold, and what it becomes at its end.

    A leaf holds text only: `read` makes its value from that. A branch holds elements: `join` makes its value
    from theirs.
    """

    tag: str
    read: Callable[[str], object] | None = None
    join: Callable[[list[Any]], object] | None = None
    children: dict[str, _Element] = field(default_factory=dict)


def _only(tag: str, child: str) -> Callable[[list[Any]], object]:
    def join(held: list[Any]) -> object:
        if len(held) != 1:
            raise InvalidRequest(f"<{tag}> holds one <{child}>, not {len(held)}")
        return held[0]

    return join


def _member(held: list[Any]) -> object:
    if len(held) != 2 or type(held[0]) is not _Name or type(held[1]) is _Name:
        raise InvalidRequest("a <member> is one <name> and then one <value>")
    return str(held[0]), held[1]


def _call(held: list[Any]) -> object:
    if [type(part) for part in held] not in ([str], [str, list]):
        raise InvalidRequest("a call is one <methodName> and then at most one <params>")
    return held[0], held[1] if len(held) == 2 else []


def _grammar() -> _Element:
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
    value = _Element("value", join=_only("value", "type"))
    data = _Element("data", join=list, children={"value": value})
    member = _Element("member", join=_member, children={"name": _Element("name", read=_Name), "value": value})
    value.children = {tag: _Element(tag, read=read) for tag, read in scalars}
    value.children["array"] = _Element("array", join=_only("array", "data"), children={"data": data})
    value.children["struct"] = _Element("struct", join=dict, children={"member": member})
    param = _Element("param", join=_only("param", "value"), children={"value": value})
    params = _Element("params", join=list, children={"param": param})
    name = _Element("methodName", read=_method_name)
    call = _Element("methodCall", join=_call, children={"methodName": name, "params": params})
    return _Element("", join=list, children={"methodCall": call})


_ROOT = _grammar()
_ABOVE_VALUES = 4  # the root, methodCall, params, param
_BRANCHES_A_LEVEL = 3  # value, array, data; or value, struct, member


def _handlers(parser: expat.XMLParserType, limits: Limits) -> list[object]:
    """Let `parser` build the call; the list returned holds it in the end.

    Closures and not methods, because every element of every request passes here.
    """
    root: list[object] = []
    element = _ROOT  # the innermost open element
    path: list[_Element] = []  # those around it
    held = root  # what the children of the innermost open branch became
    branches: list[list[object]] = []  # the same for those around it
    text: list[str] = []  # since the last tag
    deepest = _ABOVE_VALUES + _BRANCHES_A_LEVEL * limits.depth

    def start(tag: str, attributes: object) -> None:
        nonlocal element, held
        child = element.children.get(tag) or element.children.get(tag.rpartition(":")[2])  # <ex:nil/>
        if child is None:
            place = f"in <{element.tag}>" if element.tag else "where <methodCall> is expected"
            raise InvalidRequest(f"<{tag[:40]}> cannot stand {place}")
        if text:
            refuse_text()
        path.append(element)
        element = child
        if child.read is None:
            branches.append(held)
            held = []
            if len(branches) > deepest:
                raise InvalidRequest(
                    f"arrays and structs nested deeper than {limits.depth}, which is {limits.depth // 2 - 1} levels of"
                    " children; send deeper families as JSON text, or as a flat list with stubId and childStubIds"
                )

    def end(tag: str) -> None:
        nonlocal element, held
        if element.read is not None:
            built = element.read("".join(text))
            text.clear()
        elif not held and element.tag == "value":
            built = "".join(text)  # without a type it is a string
            text.clear()
            held = branches.pop()
        else:
            if text:
                refuse_text()
            built = element.join(held)  # type: ignore[misc]  # what is no leaf is a branch
            held = branches.pop()
        held.append(built)
        element = path.pop()

    def refuse_text() -> None:
        written = "".join(text).strip()
        if written:
            raise InvalidRequest(f"text in <{element.tag}>, where only elements may stand: {_shown(written)}")
        text.clear()

    def doctype(*_: object) -> None:
        raise InvalidRequest("a call has no DOCTYPE")

    def declaration(version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.lower() not in _ENCODINGS:
            raise UnknownEncoding(f"the encoding {_shown(encoding)} is not read here; send UTF-8")

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = doctype
    parser.XmlDeclHandler = declaration
    return root


def parse(body: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[str, list[object]]:
    """The method's name and parameters of an XML-RPC call.

    Values are str, int, float, bool, None, bytes, aware datetimes, lists and dicts. Raises `NotWellFormed`,
    `UnknownEncoding`, `InvalidRequest`, `BadParameters` (a value that is not of its type) or `TooLarge`.
    """
    if len(body) > limits.body:
        raise TooLarge(f"a request of {len(body)} bytes; at most {limits.body} are taken: {_IN_PARTS}")
    parser = expat.ParserCreate()
    call = _handlers(parser, limits)
    elements = 0
    try:
        for start in range(0, len(body), _PIECE):
            end = start + _PIECE
            if _LONG_TAG.search(body, max(0, start - _LONGEST_TAG), end):
                raise InvalidRequest(f"a tag longer than {_LONGEST_TAG} bytes")
            elements += body.count(b"<", start, end) - body.count(b"</", start, end)
            if elements > limits.elements:
                raise TooLarge(f"more than {limits.elements} elements of XML in one call: {_IN_PARTS}")
            parser.Parse(body[start:end], False)
            if min(end, len(body)) - parser.CurrentByteIndex > 2 * _PIECE:
                # Inside one token since the piece before last: a comment without end, which expat reads anew
                # from its beginning with every piece.
                raise InvalidRequest(f"a comment or tag longer than {_PIECE} bytes")
        parser.Parse(b"", True)
    except expat.ExpatError as problem:
        if problem.code in _ENCODING_ERRORS:
            raise UnknownEncoding("the encoding of the request is not read here; send UTF-8") from None
        place = f"line {problem.lineno}, column {problem.offset + 1}"
        raise NotWellFormed(f"not well-formed XML: {expat.ErrorString(problem.code)}, {place}") from None
    ((name, params),) = cast(list[tuple[str, list[object]]], call)  # expat saw one whole <methodCall>
    return name, params
