"""Values in: the bytes of a request as a method's name and its parameters, or a fault (PROMISES 6.1).

Written against expat rather than on the standard library's `Unmarshaller`, which takes almost anything for a
call. Every limit holds while parsing: no DOCTYPE (hence no entities), no huge tags, a bound on elements, on nesting,
and on the memory that the values take, which may be many times the bytes they came in. Attributes are ignored, since
some libraries declare namespaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from sys import getsizeof
from typing import Any, cast
from xml.parsers import expat

from hqserver.domain.errors import TooLarge
from hqserver.rpc.faults import InvalidRequest, NotWellFormed, UnknownEncoding
from hqserver.rpc.grammar import POINTER, ROOT, Element, Name, shown
from hqserver.spool import PIECE, Spooled, in_pieces


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may have: bytes of body, levels of arrays and structs, elements of XML, and bytes of memory
    that its values take.

    The memory is what P10 leaves to a request; 66 MB of 10,000 jobs, each with 46 variables of its own, take 75 to 80.
    """

    body: int = 64 * 1024 * 1024
    depth: int = 64
    elements: int = 5_000_000
    memory: int = 80 * 1024 * 1024


DEFAULT_LIMITS = Limits()

_IN_PARTS = "send it in several calls, in newjob the children of a job with its id as parent_id"
_PIECE = PIECE  # small, as expat keeps the interpreter to itself while it reads one
_LONG_TAG = re.compile(rb"<(?!!\[CDATA\[)[^<>]{4096}")
_LONGEST_TAG = 4096
_ENCODING_ERRORS = {
    expat.errors.codes[message]
    for message in (expat.errors.XML_ERROR_UNKNOWN_ENCODING, expat.errors.XML_ERROR_INCORRECT_ENCODING)
}
_SHORT, _MOST_SHORT = 64, 20_000  # characters of a text worth looking for among those before it; how many are kept
_ENCODINGS = {"utf-8", "us-ascii", "iso-8859-1", "utf-16"}  # those that expat reads by itself

_ABOVE_VALUES = 4  # the root, methodCall, params, param
_BRANCHES_A_LEVEL = 3  # value, array, data; or value, struct, member


def _width(text: str) -> int:
    """Bytes that a character of this text takes in memory, where all take as many as the widest."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return 2 if len(text.encode("utf-16-le")) == 2 * len(text) else 4
    return 1


def _handlers(parser: expat.XMLParserType, limits: Limits) -> list[object]:
    """Let `parser` build the call; the list returned holds it in the end.

    Closures and not methods, because every element of every request passes here.
    """
    root: list[object] = []
    element = ROOT  # the innermost open element
    path: list[Element] = []  # those around it
    held = root  # what the children of the innermost open branch became
    branches: list[list[object]] = []  # the same for those around it
    text: list[str] = []  # since the last tag
    length = size = 0  # of the text: its characters, the memory that its pieces take
    width = 1  # bytes that a character of it takes
    memory = 0  # what the values take
    texts: dict[str, str] = {}  # short ones, most of which come more than once in a large submission
    names: dict[str, Name] = {}
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
        nonlocal element, held, memory
        if element.read is not None:
            built = leaf(element.read)
        elif not held and element.tag == "value":
            built = leaf(str)  # without a type it is a string
            held = branches.pop()
        else:
            if text:
                refuse_text()
            built = element.join(held)  # type: ignore[misc]  # what is no leaf is a branch
            if element.weigh is not None:
                memory += element.weigh(built)
            held = branches.pop()
        if memory > limits.memory:
            refuse_memory()
        held.append(built)
        element = path.pop()

    def characters(piece: str) -> None:
        nonlocal length, size, width
        text.append(piece)
        length += len(piece)
        size += getsizeof(piece)
        if not piece.isascii():
            width = max(width, _width(piece))
        if memory + size + length * width * element.copies > limits.memory:
            refuse_memory()

    def taken_text() -> str:
        nonlocal length, size, width
        length, size, width = 0, 0, 1
        written = "".join(text)
        text.clear()
        return written

    def leaf(read: Callable[[str], object]) -> object:
        nonlocal memory
        written = taken_text()
        memory += POINTER
        if read is str or read is Name:
            known: dict[str, Any] = texts if read is str else names
            if (built := known.get(written)) is not None:
                return built
            built = read(written)
            if len(written) <= _SHORT and len(known) < _MOST_SHORT:
                known[written] = built
            memory += getsizeof(written)
            return built
        built = read(written)
        memory += getsizeof(built)
        return built

    def refuse_text() -> None:
        written = taken_text().strip()
        if written:
            raise InvalidRequest(f"text in <{element.tag}>, where only elements may stand: {shown(written)}")

    def refuse_memory() -> None:
        raise TooLarge(f"what is sent takes more than {limits.memory // 1024**2} MB of memory once read: {_IN_PARTS}")

    def doctype(*_: object) -> None:
        raise InvalidRequest("a call has no DOCTYPE")

    def declaration(version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.lower() not in _ENCODINGS:
            raise UnknownEncoding(f"the encoding {shown(encoding)} is not read here; send UTF-8")

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    parser.XmlDeclHandler = declaration
    return root


def parse(body: bytes | Spooled, limits: Limits = DEFAULT_LIMITS) -> tuple[str, list[object]]:
    """The method's name and parameters of an XML-RPC call.

    Values are str, int, float, bool, None, bytes, aware datetimes, lists and dicts. Raises `NotWellFormed`,
    `UnknownEncoding`, `InvalidRequest`, `BadParameters` (a value that is not of its type) or `TooLarge`.
    """
    if len(body) > limits.body:
        raise TooLarge(f"a request of {len(body)} bytes; at most {limits.body} are taken: {_IN_PARTS}")
    parser = expat.ParserCreate()
    call = _handlers(parser, limits)
    fed = elements = 0
    before = b""  # the end of the piece before: a tag may lie on the border
    try:
        for piece in in_pieces(body):
            if _LONG_TAG.search(before + piece):
                raise InvalidRequest(f"a tag longer than {_LONGEST_TAG} bytes")
            elements += piece.count(b"<") - piece.count(b"</")
            if elements > limits.elements:
                raise TooLarge(f"more than {limits.elements} elements of XML in one call: {_IN_PARTS}")
            parser.Parse(piece, False)
            fed += len(piece)
            if fed - parser.CurrentByteIndex > 2 * _PIECE:
                # Inside one token since the piece before last: a comment without end, which expat reads anew
                # from its beginning with every piece.
                raise InvalidRequest(f"a comment or tag longer than {_PIECE} bytes")
            before = piece[-_LONGEST_TAG:]
        parser.Parse(b"", True)
    except expat.ExpatError as problem:
        if problem.code in _ENCODING_ERRORS:
            raise UnknownEncoding("the encoding of the request is not read here; send UTF-8") from None
        place = f"line {problem.lineno}, column {problem.offset + 1}"
        raise NotWellFormed(f"not well-formed XML: {expat.ErrorString(problem.code)}, {place}") from None
    ((name, params),) = cast(list[tuple[str, list[object]]], call)  # expat saw one whole <methodCall>
    return name, params
