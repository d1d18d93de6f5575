"""The kinds of value a method's parameters take, and how each is read from the wire (CONTRACT 9.2).

A kind is found from a parameter's annotation once, when the method is registered; a call only runs `read`.
Ids and numbers are taken as text too, numbers where text is wanted, flags as 0 and 1: that is what scripts in
many languages send.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, is_typeddict

from hqserver.domain.errors import TooLarge

from .wire import LongText

MOST_IDS = 100_000
"""Ids that one call may carry (CONTRACT 9.3)."""

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,16}", re.ASCII)
_LABELLED = re.compile(r"\s*([+-]?[0-9]+)\s*\(.*\)\s*", re.ASCII)
_ID = "an id (a whole number)"
_T = TypeVar("_T")
_EXACT = 2**53  # beyond it a double, which is how large ints travel, no longer holds every int
_TYPES = ("string", "int", "boolean", "double", "dateTime.iso8601", "base64", "array", "struct")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a parameter takes: `wire` is its XML-RPC type ("any": one of several), `words` completes "must be ...".

    `read` gives the Python value and raises `ValueError` where the kind does not take the given one
    (`BadEntry` where the fault lies inside a list). `one_of` names the types of an "any" that takes only some.
    """

    wire: str
    words: str
    read: Callable[[object], object]
    one_of: tuple[str, ...] = ()

    @property
    def types(self) -> tuple[str, ...]:
        """Every XML-RPC type that fits."""
        return self.one_of or every_type(self.wire)


def every_type(wire: str) -> tuple[str, ...]:
    """The XML-RPC types that `wire` stands for: itself, or all of them for "any"."""
    return _TYPES if wire == "any" else (wire,)


class BadEntry(ValueError):
    """Entry `index` of a list is not `words`."""

    def __init__(self, index: int, value: object, words: str) -> None:
        super().__init__(index)
        self.index, self.value, self.words = index, value, words


def _int(value: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, str):
        number = int(value) if _WHOLE_NUMBER.fullmatch(value.strip()) else None
    else:
        number = int(value) if isinstance(value, float) and value.is_integer() else None
    if number is None or abs(number) > _EXACT:
        raise ValueError
    return number


def _float(value: object) -> float:
    if isinstance(value, float):
        return value
    if isinstance(value, str):
        return float(_int(value)) if _WHOLE_NUMBER.fullmatch(value.strip()) else _decimal(value)
    return float(_int(value))


def _decimal(text: str) -> float:
    if not re.fullmatch(r"\s*[+-]?[0-9]*\.[0-9]+\s*", text, re.ASCII):
        raise ValueError
    return float(text)


def _labelled(value: object) -> int:
    number = _LABELLED.fullmatch(value) if isinstance(value, str) else None
    return _int(number[1] if number else value)


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if type(value) is int and value in (0, 1):
        return value == 1
    raise ValueError


def _text(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # Perl's libraries send as a number whatever looks like one: a note that says "42"
    if not isinstance(value, str):
        raise ValueError
    return value


def _instance(kind: type) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, kind):
            raise ValueError
        return value

    return read


def _array(item: Kind) -> Callable[[object], object]:
    def read(value: object) -> list[object]:
        if not isinstance(value, list):
            raise ValueError
        return _entries(value, item.read, item.words)

    return read


def _entries(value: list[object], read: Callable[[object], _T], words: str) -> list[_T]:
    """Each entry read; the position is looked for only once something is wrong."""
    try:
        return [read(entry) for entry in value]
    except ValueError:
        for index, entry in enumerate(value):
            try:
                read(entry)
            except ValueError:
                raise BadEntry(index, entry, words) from None
        raise


def _ids(value: object) -> list[int]:
    if not isinstance(value, list):
        raise ValueError
    if len(value) > MOST_IDS:
        raise TooLarge(f"{len(value)} ids in one call; at most {MOST_IDS} are taken: send them in parts")
    return _entries([entry for entry in value if not (isinstance(entry, str) and not entry.strip())], _int, _ID)


def _names(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError
    if len(value) > MOST_IDS:
        raise TooLarge(f"{len(value)} names in one call; at most {MOST_IDS} are taken")
    return _entries(value, _text, "the name of an attribute")


Id = Annotated[int, Kind("int", _ID, _int)]
"""An id, as an int or as text of one (CONTRACT 1.1)."""

Priority = Annotated[int, Kind("int", "a whole number", _labelled)]
"""A number as Houdini's menus write it, too: "5 (Medium)" is 5 (CONTRACT 9.5)."""

Ids = Annotated[list[int], Kind("array", "a list of ids", _ids)]
"""A list of ids; blank entries are skipped, more than `MOST_IDS` are refused with 413 (CONTRACT 9.3, 9.5)."""

Attribs = Annotated[list[str] | None, Kind("array", "a list of attribute names", _names)]
"""Attribute names; None, or an empty string, asks for all of them."""

_PLAIN: dict[object, Kind] = {
    int: Kind("int", "a whole number", _int),
    float: Kind("double", "a number", _float),
    bool: Kind("boolean", "true or false", _bool),
    str: Kind("string", "text", _text),
    bytes: Kind("base64", "base64", _instance(bytes)),
    datetime: Kind("dateTime.iso8601", "a time", _instance(datetime)),
    dict: Kind("struct", "a struct", _instance(dict)),
    list: Kind("array", "a list", _instance(list)),
    object: Kind("any", "any value", lambda value: value),
    Any: Kind("any", "any value", lambda value: value),
}


def kind_of(annotation: object) -> tuple[Kind, bool]:
    """The kind of a parameter annotated so, and whether it takes None. Raises `TypeError` for any other."""
    if get_origin(annotation) is Annotated:
        declared, *extras = get_args(annotation)
        kinds = [extra for extra in extras if isinstance(extra, Kind)]
        return (kinds[0], type(None) in get_args(declared)) if kinds else kind_of(declared)
    if annotation in _PLAIN:
        return _PLAIN[annotation], annotation in (object, Any)
    if get_origin(annotation) is list:
        (item,) = get_args(annotation)
        kind, nullable = kind_of(item)
        if nullable and kind.wire != "any":
            raise TypeError(f"a list of {item} cannot be a parameter")
        words = "a list" if kind.wire == "any" else f"a list, each {kind.words}"
        return Kind("array", words, _array(kind)), False
    if get_origin(annotation) is dict:
        return _PLAIN[dict], False
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        found = [kind_of(member) for member in members]
        nullable = len(members) < len(get_args(annotation)) or any(takes_none for _, takes_none in found)
        return _either([kind for kind, _ in found]), nullable
    raise TypeError(f"{annotation} cannot be a parameter; see hqserver.rpc.kinds")


def _either(kinds: Sequence[Kind]) -> Kind:
    if len(kinds) == 1:
        return kinds[0]

    # Where text is one of several types, a number is not taken for it.
    readers = [_instance(str) if kind.read is _text else kind.read for kind in kinds]

    def read(value: object) -> object:
        for read_as in readers:
            try:
                return read_as(value)
            except ValueError:
                continue
        raise ValueError

    types = dict.fromkeys(wire for kind in kinds for wire in kind.types)
    return Kind("any", " or ".join(kind.words for kind in kinds), read, tuple(types))


def result_wire_type(annotation: object) -> str:
    """The XML-RPC type of a result annotated so ("any" where it may be one of several).

    None is "boolean": a method that has nothing to say answers True (CONTRACT 9.2). Raises `TypeError` for
    annotations that never reach the wire.
    """
    if annotation is None or annotation is type(None):
        return "boolean"
    if isinstance(annotation, TypeVar) or annotation in (object, Any):
        return "any"
    origin = get_origin(annotation)
    if origin is Annotated:
        return result_wire_type(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        wires = {result_wire_type(member) for member in get_args(annotation) if member is not type(None)}
        return wires.pop() if len(wires) == 1 else "any"
    kind = origin or annotation
    if isinstance(kind, type):
        if is_typeddict(kind) or issubclass(kind, Mapping):
            return "struct"
        if issubclass(kind, LongText):
            return "string"
        if issubclass(kind, Enum):
            kind = type(next(iter(kind)).value)
        for plain in (bool, int, float, str, bytes, datetime):
            if issubclass(kind, plain):
                return _PLAIN[plain].wire
        if issubclass(kind, Sequence | set | frozenset | Iterator):
            return "array"
    raise TypeError(f"{annotation} cannot be a result")
