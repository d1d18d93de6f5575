"""Frame ranges and their tools: expand, join, chunk, partition, order (CONTRACT 10, Work items).

A range is text: `"1-100"`, `"1-100x2"`, `"-10--1"`, `"10-1"` (downwards), or several of them: `"1-5x2,10-12"`. All
functions are pure, and quick enough for a million frames.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TypeVar

from .values import LARGEST_INTEGER, Wrong

MOST_FRAMES = 2_000_000

_PART = re.compile(r"\s*([+-]?[0-9]{1,10})\s*(?:-\s*([+-]?[0-9]{1,10})\s*(?:[xX]\s*(-?[0-9]{1,10}))?)?\s*")
_Piece = TypeVar("_Piece")


class Order(StrEnum):
    """In which order pieces are worked on."""

    ASCEND = "ascend"
    DESCEND = "descend"
    BINARY = "binary"
    """The first, the last, then midpoints breadth first, rounded up: 1-20 gives 1, 20, 11, 6, 16, ..."""


def expand(text: str, most: int = MOST_FRAMES) -> list[int]:
    """The frames of a range as they are written, each once. Raises `Wrong` for what is no range or over `most`."""
    frames: dict[int, None] = {}
    left = most
    for found in ranges(text):
        left -= len(found)
        if left < 0:
            raise Wrong(f"holds more than {most} frames")
        frames.update(dict.fromkeys(found))
    if not frames:
        raise Wrong("holds no frames")
    return list(frames)


def ranges(text: str) -> Iterator[range]:
    """The parts of a range, not expanded: quick for any number of frames. Raises `Wrong` for what is none."""
    for part in text.split(","):
        if part.strip() or not text.strip():  # "1-5," as people type it
            yield _part(part)


def _part(part: str) -> range:
    found = _PART.fullmatch(part)
    if found is None:
        raise Wrong(f"has the part {part.strip()[:80]!r}, which is no frame range such as 1-100, 1-100x2 or -10--1")
    first = int(found[1])
    last = first if found[2] is None else int(found[2])
    if max(abs(first), abs(last)) > LARGEST_INTEGER:
        raise Wrong(f"has the part {part.strip()!r}, whose numbers are beyond {LARGEST_INTEGER}")
    down = last < first
    step = 1 if found[3] is None else int(found[3])
    if step == 0 or (step < 0 and not down):
        raise Wrong(f"has the part {part.strip()!r}, whose step must be 1 or more")
    return range(first, last - 1, -abs(step)) if down else range(first, last + 1, step)


def join(frames: Sequence[int]) -> str:
    """The shortest plain way to write these frames in their order: `[1, 2, 3, 10]` gives `"1-3,10"`."""
    parts = []
    start = 0
    while start < len(frames):
        end = start
        step = frames[start + 1] - frames[start] if start + 1 < len(frames) else 0
        if step:
            end = start + 1
            while end + 1 < len(frames) and frames[end + 1] - frames[end] == step:
                end += 1
        if end == start or (end == start + 1 and step != 1):
            parts.append(str(frames[start]))
            start += 1
            continue
        every = "" if abs(step) == 1 else f"x{abs(step)}"
        parts.append(f"{frames[start]}-{frames[end]}{every}")
        start = end + 1
    return ",".join(parts)


def chunk(frames: Sequence[int], size: int) -> list[Sequence[int]]:
    """The frames in pieces of `size`, the last one with what is left."""
    return [frames[start : start + size] for start in range(0, len(frames), size)]


def partition(frames: Sequence[int], count: int) -> list[Sequence[int]]:
    """The frames in `count` pieces whose lengths differ by one at most; fewer where there are fewer frames."""
    count = min(count, len(frames))
    return [frames[len(frames) * n // count : len(frames) * (n + 1) // count] for n in range(count)]


def arrange(pieces: Sequence[_Piece], order: Order) -> list[_Piece]:
    """Pieces, or frames, that stand in ascending order, in the order in which they are worked on."""
    match order:
        case Order.ASCEND:
            return list(pieces)
        case Order.DESCEND:
            return list(reversed(pieces))
        case Order.BINARY:
            return [pieces[index] for index in _binary(len(pieces))]


def _binary(count: int) -> Iterable[int]:
    if count:
        yield 0
    if count > 1:
        yield count - 1
    gaps = deque([(0, count - 1)])
    while gaps:
        low, high = gaps.popleft()
        middle = (low + high + 1) // 2
        if low < middle < high:
            yield middle
            gaps.append((low, middle))
            gaps.append((middle, high))
