"""gzip in both directions, bounded (CVE-2013-1753: a few kilobytes that unpack to gigabytes)."""

from __future__ import annotations

import gzip
import zlib

from hqserver.http.messages import Refusal

WORTH_COMPRESSING = 16 * 1024
"""Answers shorter than this many bytes are sent as they are."""

_GZIP_WINDOW = 31  # zlib's word for "gzip header and trailer, largest window"


def unzipped(body: bytes, limit: int) -> bytes:
    """The body that was compressed; never more than `limit` bytes of it are unpacked.

    Raises `Refusal` 400 where it is damaged or goes on after its end, 413 where it is larger than `limit`.
    """
    stream = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error:
        raise Refusal(400, "the body is not gzip, as its Content-Encoding says") from None
    if len(plain) > limit:
        raise Refusal(413, f"the body unpacks to more than {limit} bytes")
    if not stream.eof:
        raise Refusal(400, "the gzip body ends too early")
    if stream.unused_data:
        raise Refusal(400, "the gzip body goes on after its end")
    return plain


def zipped(body: bytes) -> bytes:
    """The body compressed, quickly rather than well: farm answers are repetitive enough."""
    return gzip.compress(body, compresslevel=3, mtime=0)
