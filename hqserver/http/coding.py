"""gzip in both directions, bounded (CVE-2013-1753: a few kilobytes that unpack to gigabytes)."""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO

from hqserver.http.messages import Refusal

WORTH_COMPRESSING = 16 * 1024
"""Answers shorter than this many bytes are sent as they are."""

_PIECE, _UNPACKED_PIECE = 64 * 1024, 1024 * 1024
_GZIP_WINDOW = 31  # zlib's word for "gzip header and trailer, largest window"


def unzipped(body: bytes, limit: int) -> bytes:
    """The body that was compressed; never more than `limit` bytes of it are unpacked.

    Raises `Refusal` 400 where it is damaged or goes on after its end, 413 where it is larger than `limit`.
    """
    # Piece by piece: what zlib unpacks in one go, it puts together from a second copy.
    stream, plain, fed = zlib.decompressobj(_GZIP_WINDOW), BytesIO(), 0
    try:
        while fed < len(body) and not stream.eof:
            rest = body[fed : fed + _PIECE]
            fed += len(rest)
            while rest and not stream.eof:
                plain.write(stream.decompress(rest, min(_UNPACKED_PIECE, limit + 1 - plain.tell())))
                if plain.tell() > limit:
                    raise Refusal(413, f"the body unpacks to more than {limit} bytes")
                rest = stream.unconsumed_tail
    except zlib.error:
        raise Refusal(400, "the body is not gzip, as its Content-Encoding says") from None
    if not stream.eof:
        raise Refusal(400, "the gzip body ends too early")
    if stream.unused_data or fed < len(body):
        raise Refusal(400, "the gzip body goes on after its end")
    return plain.getvalue()


def zipped(body: bytes) -> bytes:
    """The body compressed, quickly rather than well: farm answers are repetitive enough."""
    return gzip.compress(body, compresslevel=3, mtime=0)
