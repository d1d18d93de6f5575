"""Values out: Python values as XML-RPC that every caller's parser accepts (CONTRACT 9.2, PROMISES 6.1).

The one border that everything passes on its way out. What the standard library's marshaller would refuse
(enums, sets, large ints) or send broken (control characters, bare carriage returns, aware times) is put right
here.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from xmlrpc.client import MAXINT, MININT, Fault, Marshaller

from hqserver.domain.errors import TooLarge

LARGEST_ANSWER = 64 * 1024 * 1024
"""Characters one answer may have (CONTRACT 9.3)."""

_PIECE = 64 * 1024
"""Characters of a long text, and of an answer, that are written at once. With 3/4 of them base64 comes out even."""

_HEAD = "<?xml version='1.0'?>\n<methodResponse>\n"
_NIL, _NO_NIL = "<value><nil/></value>\n", "<value><string></string></value>\n"
_UNSENDABLE = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"  # not a character of XML 1.0
_find_special = re.compile(f"[&<>\r{_UNSENDABLE}]").search
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("\r"): "&#13;"}
_replace_unsendable = re.compile(f"[{_UNSENDABLE}]").sub

_Write = Callable[[str], object]
_Writer = Callable[["WireMarshaller", Any, _Write], None]


def clean(text: str) -> str:
    """The text with every character that XML 1.0 cannot carry replaced by U+FFFD."""
    return _replace_unsendable("\ufffd", text)


def _escaped(text: str) -> str:
    return clean(text).translate(_ESCAPES) if _find_special(text) else text


class Marshalled(str):
    """A value that is XML already, as `marshalled` gives it: written as it stands."""


class LongText:
    """A text that may be long, in pieces that are made one after the other while they are written; read once."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self.pieces = pieces


class WireMarshaller(Marshaller):
    """The standard library's marshaller with the farm's rules. With `take` it hands over what is written as it goes.

    With `nonil` a nil member of a struct is left out and any other nil is an empty string. Raises `TooLarge`
    beyond `limit` characters and `TypeError` for a value that has no place on the wire.
    """

    dispatch: dict[type, _Writer] = {}  # type: ignore[assignment]  # noqa: RUF012  # as the superclass has it

    def __init__(
        self, *, nonil: bool = False, limit: int = LARGEST_ANSWER, take: Callable[[str], object] | None = None
    ) -> None:
        super().__init__("utf-8", allow_none=True)
        self.nonil = nonil
        self.nil = _NO_NIL if nonil else _NIL
        self.limit = limit
        self._take = take
        self._out: list[str] = []
        self._counted = self._size = self._kept = 0

    def dumps(self, values: Fault | Iterable[Any]) -> str:
        """The `<params>` of an answer, or the `<fault>`; of what was not taken yet."""
        self._out, self._counted, self._size, self._kept = [], 0, 0, 0
        if isinstance(values, Fault):
            self._out.append("<fault>\n")
            self.dump({"faultCode": int(values.faultCode), "faultString": values.faultString}, self._out.append)
            self._out.append("</fault>\n")
        else:
            self._out.append("<params>\n")
            for value in values:
                self._out.append("<param>\n")
                self.dump(value, self._out.append)
                self._out.append("</param>\n")
            self._out.append("</params>\n")
        self.check_size()
        return "".join(self._out)

    def value(self, value: object) -> str:
        """One `<value>` element."""
        self._out, self._counted, self._size, self._kept = [], 0, 0, 0
        self.dump(value, self._out.append)
        self.check_size()
        return "".join(self._out)

    def dump(self, value: object, write: _Write) -> None:
        """Write one value."""
        kind = type(value)
        (self.dispatch.get(kind) or _writer_for(kind))(self, value, write)

    def check_size(self) -> None:
        """Raise `TooLarge` once more than `limit` characters have been written."""
        count = sum(map(len, self._out[self._counted :]))
        self._size += count
        self._kept += count
        self._counted = len(self._out)
        if self._size > self.limit:
            raise TooLarge(
                f"the answer is larger than {self.limit // 1024**2} MB; ask for fewer ids or attributes,"
                " or page through them with findJobs"
            )
        if self._take is not None and self._kept > _PIECE:
            self._take("".join(self._out))
            self._out.clear()  # and no new list: its `append` is in use
            self._counted = self._kept = 0

    def _nil(self, value: object, write: _Write) -> None:
        write(self.nil)

    def _bool(self, value: bool, write: _Write) -> None:
        write("<value><boolean>1</boolean></value>\n" if value else "<value><boolean>0</boolean></value>\n")

    def _int(self, value: int, write: _Write) -> None:
        if MININT <= value <= MAXINT:
            write(f"<value><int>{value}</int></value>\n")
            return
        try:
            self._float(float(value), write)
        except OverflowError:
            write(self.nil)

    def _float(self, value: float, write: _Write) -> None:
        if not isfinite(value):
            write(self.nil)
            return
        text = repr(value)
        if "e" in text:
            text = format(Decimal(text), "f")
            text = text if "." in text else text + ".0"
        write(f"<value><double>{text}</double></value>\n")

    def _text(self, value: str, write: _Write) -> None:
        if len(value) > _PIECE:
            self._pieces((value[start : start + _PIECE] for start in range(0, len(value), _PIECE)), write)
            return
        write(f"<value><string>{_escaped(value) if _find_special(value) else value}</string></value>\n")

    def _long_text(self, value: LongText, write: _Write) -> None:
        self._pieces(value.pieces, write)

    def _pieces(self, pieces: Iterable[str], write: _Write) -> None:
        write("<value><string>")
        for piece in pieces:
            write(_escaped(piece))
            self.check_size()
        write("</string></value>\n")

    def _marshalled(self, value: Marshalled, write: _Write) -> None:
        write(str(value))

    def _bytes(self, value: bytes, write: _Write) -> None:
        write("<value><base64>")
        for start in range(0, len(value), _PIECE // 4 * 3):
            write(b64encode(value[start : start + _PIECE // 4 * 3]).decode("ascii"))
            self.check_size()
        write("</base64></value>\n")

    def _time(self, value: datetime, write: _Write) -> None:
        if value.tzinfo is not None:
            value = value.astimezone(UTC)
        date = f"{value.year:04}{value.month:02}{value.day:02}"
        clock = f"{value.hour:02}:{value.minute:02}:{value.second:02}"
        write(f"<value><dateTime.iso8601>{date}T{clock}</dateTime.iso8601></value>\n")

    def _array(self, value: Iterable[object], write: _Write) -> None:
        dispatch = self.dispatch
        write("<value><array><data>\n")
        for index, item in enumerate(value):
            kind = type(item)
            (dispatch.get(kind) or _writer_for(kind))(self, item, write)
            if not index & 31:
                self.check_size()
        write("</data></array></value>\n")

    def _set(self, value: Iterable[Any], write: _Write) -> None:
        try:
            value = sorted(value)  # the same answer each time
        except TypeError:
            pass  # of mixed types: any order will do
        self._array(value, write)

    def _struct(self, value: Mapping[Any, object], write: _Write) -> None:
        dispatch, nonil = self.dispatch, self.nonil
        write("<value><struct>\n")
        for key, item in value.items():
            if nonil and _is_nil(item):
                continue
            write(_member_head(key))
            kind = type(item)
            (dispatch.get(kind) or _writer_for(kind))(self, item, write)
            write("</member>\n")
        write("</struct></value>\n")

    def _enum(self, value: Enum, write: _Write) -> None:
        self.dump(value.value, write)

    # Looked up from the first: a subclass is written as the first of these that it is.
    _KINDS: tuple[tuple[type, _Writer], ...] = (
        (Marshalled, _marshalled),
        (LongText, _long_text),
        (Enum, _enum),
        (type(None), _nil),
        (bool, _bool),
        (int, _int),
        (float, _float),
        (str, _text),
        (bytes, _bytes),
        (bytearray, _bytes),
        (datetime, _time),
        (Mapping, _struct),
        (list, _array),
        (tuple, _array),
        (set, _set),
        (frozenset, _set),
        (Iterator, _array),
    )


def _writer_for(kind: type) -> _Writer:
    """The writer of values of this type, remembered for the next one."""
    for known, writer in WireMarshaller._KINDS:
        if issubclass(kind, known):
            WireMarshaller.dispatch[kind] = writer
            return writer
    raise TypeError(f"{kind.__qualname__} has no place on the wire")


def _is_nil(value: object) -> bool:
    if isinstance(value, Enum):
        value = value.value
    return value is None or (isinstance(value, float) and not isfinite(value))


_member_heads: dict[str, str] = {}


def _member_head(key: object) -> str:
    """`<member><name>...`: remembered, because a farm's structs have the same few hundred keys all day."""
    if type(key) is str and (head := _member_heads.get(key)):
        return head
    name = key.value if isinstance(key, Enum) else key
    if not isinstance(name, str | int):
        raise TypeError(f"{type(name).__qualname__} cannot be a member's name")
    head = f"<member>\n<name>{_escaped(str(name))}</name>\n"
    if type(key) is str and len(key) < 64 and len(_member_heads) < 2000:
        _member_heads[key] = head
    return head


def marshalled(value: object, *, nonil: bool = False, limit: int = LARGEST_ANSWER) -> Marshalled:
    """The value's XML, to be put into another value."""
    return Marshalled(WireMarshaller(nonil=nonil, limit=limit).value(value))


def to_wire(value: object, *, nonil: bool = False, limit: int = LARGEST_ANSWER) -> bytes:
    """A whole answer: `value` as a method's result, or the fault where it is a `Fault`.

    Raises `TooLarge` for more than `limit` characters, `TypeError` for what has no place on the wire.
    """
    pieces: list[str] = []
    write_to_wire(value, pieces.append, nonil=nonil, limit=limit)
    return "".join(pieces).encode()


def write_to_wire(
    value: object, take: Callable[[str], object], *, nonil: bool = False, limit: int = LARGEST_ANSWER
) -> None:
    """The same, `take` being given the answer piece by piece; what it has when this raises is no answer."""
    marshaller = WireMarshaller(nonil=nonil, limit=limit, take=take)
    take(_HEAD)
    take(marshaller.dumps(value if isinstance(value, Fault) else (value,)))
    take("</methodResponse>\n")
