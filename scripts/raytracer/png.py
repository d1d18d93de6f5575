"""PNG files: writing one, and joining several into one that moves (APNG), with the standard library alone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SUB, _UP = 1, 2  # filter types of the PNG specification, section 9.2


class BadPicture(Exception):
    """Bytes that are no PNG, or pictures that cannot be frames of one animation."""


class Still(NamedTuple):
    """What an animation needs of a PNG: IHDR, its PLTE and tRNS chunks if any, its pixels still packed."""

    header: bytes
    palette: tuple[tuple[bytes, bytes], ...]
    data: bytes


def encode(width: int, height: int, rows: Sequence[bytes]) -> bytes:
    """A PNG of 8-bit RGB `rows`, each of 3 * `width` bytes, from the top."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    filtered = bytearray()
    before = bytes(3 * width)
    for row in rows:
        # Whichever of two filters leaves the smaller numbers is likely to be packed better.
        left = bytes(3) + row[:-3]
        sub = bytes([(a - b) & 255 for a, b in zip(row, left, strict=True)])
        up = bytes([(a - b) & 255 for a, b in zip(row, before, strict=True)])
        if _weight(up) <= _weight(sub):
            filtered.append(_UP)
            filtered += up
        else:
            filtered.append(_SUB)
            filtered += sub
        before = row
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(filtered, 9)) + _chunk(b"IEND")


def parse(file: bytes) -> Still:
    """The picture in a PNG file. Raises `BadPicture` for anything cut short, damaged or of another kind."""
    header, palette, data, ended = b"", [], bytearray(), False
    for kind, body in _chunks(file):
        if kind == b"IHDR":
            header = body
        elif kind in (b"PLTE", b"tRNS"):
            palette.append((kind, body))
        elif kind == b"IDAT":
            data += body
        elif kind == b"IEND":
            ended = True
    if len(header) != 13 or not data or not ended:
        raise BadPicture("is cut short")
    return Still(header, tuple(palette), bytes(data))


def animate(stills: Sequence[Still], frames_per_second: int) -> bytes:
    """An animated PNG that shows `stills` in order, for ever.

    A program that knows only PNG shows the first. The pixels are taken over as they are packed. Raises
    `BadPicture` when the stills differ in size, depth or palette: an APNG has one header for all.
    """
    first = stills[0]
    for number, still in enumerate(stills, 1):
        if (still.header, still.palette) != (first.header, first.palette):
            raise BadPicture(f"frame {number} differs from frame 1 in its size or kind of colours")
    size = first.header[:8]  # width and height, as the frame chunks want them
    file = [SIGNATURE, _chunk(b"IHDR", first.header), _chunk(b"acTL", struct.pack(">II", len(stills), 0))]
    file += [_chunk(kind, body) for kind, body in first.palette]
    sequence = 0
    for number, still in enumerate(stills):
        control = struct.pack(">I", sequence) + size + struct.pack(">IIHHBB", 0, 0, 1, frames_per_second, 0, 0)
        file.append(_chunk(b"fcTL", control))
        sequence += 1
        if number == 0:
            file.append(_chunk(b"IDAT", still.data))
        else:
            file.append(_chunk(b"fdAT", struct.pack(">I", sequence) + still.data))
            sequence += 1
    return b"".join([*file, _chunk(b"IEND")])


def _weight(filtered: bytes) -> int:
    """The sum of the bytes' distances from 0: the specification's rule of thumb (section 12.8)."""
    return sum(filtered.translate(_MAGNITUDES))


_MAGNITUDES = bytes(min(value, 256 - value) for value in range(256))


def _chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each chunk. Raises `BadPicture` where the file is not as the specification says."""
    if not file.startswith(SIGNATURE):
        raise BadPicture("is not a PNG")
    place = len(SIGNATURE)
    while place < len(file):
        end = place + 8 + int.from_bytes(file[place : place + 4], "big")
        if len(file) < end + 4:
            raise BadPicture("is cut short")
        kind, body = file[place + 4 : place + 8], file[place + 8 : end]
        if zlib.crc32(kind + body) != int.from_bytes(file[end : end + 4], "big"):
            raise BadPicture("is damaged")
        yield kind, body
        place = end + 4
