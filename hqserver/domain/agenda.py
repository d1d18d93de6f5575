"""The agenda of a job: the pieces its command is run for, one work item each (CONTRACT 10, Work items)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import frames
from .errors import near_match
from .frames import Order
from .values import LARGEST_INTEGER, Wrong, as_integer, as_text, as_texts_by_name

MOST_PIECES = 250_000
"""In one call: about as many as a transaction can store without keeping heartbeats waiting."""

LONGEST_PIECE_NAME = 200
_KEYS = ("name", "first", "last", "package")


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece. `first`, `last` and `frames` (a range) are None and "" where it was named and not numbered;
    `package`: any texts the caller left for its command."""

    name: str
    first: int | None = None
    last: int | None = None
    frames: str = ""
    package: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Agenda:
    """Pieces as they were given, and for each its place in the order in which they are worked on."""

    pieces: tuple[Piece, ...]
    places: tuple[int, ...]
    written: dict[str, object] = field(default_factory=dict)
    """How it was asked for: the properties `agenda` (a range), `chunk`, `partitions` and `order` that were given."""


def as_agenda(value: Any) -> str | tuple[Piece, ...]:
    """An agenda as callers write it: a frame range, a list of `{name, first, last, package}`, or "" for none.

    Raises `Wrong`. A range stays text: other properties say how it is cut, and `make_agenda` reads it.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        return as_text(value).strip()
    if not isinstance(value, list | tuple):
        raise Wrong("must be a frame range such as 1-100x2, or a list of {name, first, last, package}")
    return tuple(_piece(entry, index) for index, entry in enumerate(value))


def _piece(entry: Any, index: int) -> Piece:
    if isinstance(entry, str | int) and not isinstance(entry, bool):
        entry = {"name": str(entry)}
    if not isinstance(entry, Mapping):
        raise Wrong(f"has an entry [{index}] that is no dictionary of {', '.join(_KEYS)}")
    for key in entry:
        if key not in _KEYS:
            hint = near_match(str(key), _KEYS) or ", which is none of theirs"
            raise Wrong(f"has an entry [{index}] with the key {key!r}{hint}")
    try:
        return _read_piece(entry)
    except Wrong as problem:
        raise Wrong(f"has an entry [{index}] that {problem}") from None


def _read_piece(entry: Mapping[str, Any]) -> Piece:
    number = as_integer(-LARGEST_INTEGER)
    first = None if _blank(entry.get("first")) else number(entry["first"])
    last = first if _blank(entry.get("last")) else number(entry["last"])
    if first is None and last is not None:
        raise Wrong("has a last frame and no first")
    name = "" if _blank(entry.get("name")) else as_text(entry["name"]).strip()
    if first is None and (numbers := _numbers(name)) is not None:
        first, last = numbers
    text = "" if first is None else str(first) if first == last else f"{first}-{last}"
    name = name or text
    if not name:
        raise Wrong("must have a name or a first frame")
    if len(name) > LONGEST_PIECE_NAME:
        raise Wrong(f"must have a name of at most {LONGEST_PIECE_NAME} characters")
    package = {} if _blank(entry.get("package")) else as_texts_by_name(entry["package"])
    return Piece(name, first, last, text, package)


def _numbers(name: str) -> tuple[int, int] | None:
    """The frames that a name such as "5" or "25-29" stands for."""
    found = re.fullmatch(r"(-?[0-9]{1,9})(?:-(-?[0-9]{1,9}))?", name)
    return (int(found[1]), int(found[2] or found[1])) if found else None


def _blank(value: Any) -> bool:
    return value is None or value == "" or value == {}


def as_order(value: Any) -> Order | None:
    """The order of an agenda, None for that in which it is written. Raises `Wrong`."""
    text = as_text(value).strip().lower()
    if not text:
        return None
    try:
        return Order(text)
    except ValueError:
        hint = near_match(text, [each.value for each in Order])
        raise Wrong(f"must be ascend, descend or binary{hint}") from None


def make_agenda(given: str | Sequence[Piece], *, chunk: int = 0, partitions: int = 0, order: Order | None) -> Agenda:
    """Cut a range into pieces of `chunk` frames or into `partitions`, one frame each where both are 0.

    Without an `order` the pieces are worked on as they are written. Raises `Wrong`.
    """
    if chunk and partitions:
        raise Wrong("is cut by chunk or by partitions, not by both")
    if not isinstance(given, str):
        if chunk or partitions:
            raise Wrong("is a list of pieces, which neither chunk nor partitions cuts")
        pieces = tuple(given)
    else:
        found = frames.expand(given)
        if order is not None:
            found.sort()
        cut = frames.partition(found, partitions) if partitions else frames.chunk(found, chunk or 1)
        _check_number(len(cut))
        pieces = tuple(_of_frames(each) for each in cut)
    _check_number(len(pieces))
    seen: set[str] = set()
    for piece in pieces:
        if piece.name in seen:
            raise Wrong(f"names two pieces {piece.name!r}")
        seen.add(piece.name)
    places = [0] * len(pieces)
    for place, index in enumerate(frames.arrange(range(len(pieces)), order or Order.ASCEND)):
        places[index] = place
    text = given if isinstance(given, str) else ""
    asked = {"agenda": text, "chunk": chunk, "partitions": partitions, "order": order}
    return Agenda(pieces, tuple(places), {name: value for name, value in asked.items() if value})


def _check_number(pieces: int) -> None:
    if pieces > MOST_PIECES:
        raise Wrong(f"has {pieces} pieces, more than {MOST_PIECES}; chunk puts several frames into one")


def _of_frames(numbers: Sequence[int]) -> Piece:
    if len(numbers) == 1:
        name = str(numbers[0])
        return Piece(name, numbers[0], numbers[0], name)
    text = frames.join(numbers)
    name = text
    if len(name) > LONGEST_PIECE_NAME:  # frames without any rule, many in one chunk
        name = f"{text[: LONGEST_PIECE_NAME // 2].rpartition(',')[0]},...{numbers[-1]}"
    return Piece(name, numbers[0], numbers[-1], text)


# What a command learns of its piece ---------------------------------------------------------------------------------

_TEMPLATE = re.compile(r"(?<!\$)\{(frame|first|last|frames)(?::(0?[0-9]{1,2}d?))?\}")


def piece_environment(piece: Piece) -> dict[str, str]:
    """The variables of a command that is run for one piece: `HQWORK`, and with numbers `HQFRAME`, `HQFRAME_END` and
    `HQFRAMES`, with a package `HQPACKAGE`, which is JSON. None for a job without an agenda."""
    if not piece.name:
        return {}
    found = {"HQWORK": piece.name}
    if piece.first is not None and piece.last is not None:
        found |= {"HQFRAME": str(piece.first), "HQFRAME_END": str(piece.last), "HQFRAMES": piece.frames}
    if piece.package:
        found["HQPACKAGE"] = json.dumps(piece.package, ensure_ascii=False, sort_keys=True)
    return found


def fill_in(command: str, piece: Piece) -> str:
    """The command with `{frame}`, `{frame:04d}`, `{first}`, `{last}` and `{frames}` replaced by the piece's numbers.

    `${...}` and braces that are none of these stay as they are, and so does everything for a piece without numbers.
    """
    if piece.first is None or piece.last is None:
        return command
    numbers = {"frame": piece.first, "first": piece.first, "last": piece.last}

    def number(found: re.Match[str]) -> str:
        if found[1] == "frames":
            return found[0] if found[2] else piece.frames
        return format(numbers[found[1]], f"{(found[2] or '').removesuffix('d')}d")

    return _TEMPLATE.sub(number, command)
