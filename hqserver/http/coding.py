"""gzip in both directions, bounded (CVE-2013-1753: a few kilobytes that unpack to gigabytes)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from hqserver.http.messages import Refusal
from hqserver.spool import Spooled, in_pieces

WORTH_COMPRESSING = 16 * 1024
"""Answers shorter than this many bytes are sent as they are."""

_UNPACKED_PIECE = 1024 * 1024
_QUICK = 3
_GZIP_WINDOW = 31  # zlib's word for "gzip header and trailer, largest window"


def unzip(body: bytes | Spooled, limit: int, write: Callable[[bytes], object]) -> None:
    """Write the body that was compressed; never more than `limit` bytes of it are unpacked.

    Raises `Refusal` 400 where it is damaged or goes on after its end, 413 where it is larger than `limit`.
    """
    # Piece by piece: what zlib unpacks in one go, it puts together from a second copy.
    stream, size, fed = zlib.decompressobj(_GZIP_WINDOW), 0, 0
    try:
        for piece in in_pieces(body):
            if stream.eof:
                break
            rest = piece
            fed += len(rest)
            while rest and not stream.eof:
                plain = stream.decompress(rest, min(_UNPACKED_PIECE, limit + 1 - size))
                size += len(plain)
                if size > limit:
                    raise Refusal(413, f"the body unpacks to more than {limit} bytes")
                write(plain)
                rest = stream.unconsumed_tail
    except zlib.error:
        raise Refusal(400, "the body is not gzip, as its Content-Encoding says") from None
    if not stream.eof:
        raise Refusal(400, "the gzip body ends too early")
    if stream.unused_data or fed < len(body):
        raise Refusal(400, "the gzip body goes on after its end")


def zipped(body: bytes) -> bytes:
    """The body compressed, quickly rather than well: farm answers are repetitive enough."""
    return gzip.compress(body, compresslevel=_QUICK, mtime=0)


def zip_into(body: Spooled, write: Callable[[bytes], object]) -> None:
    """The same, piece by piece."""
    stream = zlib.compressobj(_QUICK, zlib.DEFLATED, _GZIP_WINDOW)
    for piece in body.pieces():
        write(stream.compress(piece))
    write(stream.flush())
