"""The heads of answers, and the one answer that needs no thread: `ping`."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import h11

from hqserver.domain.errors import FarmError
from hqserver.rpc.parse import parse
from hqserver.rpc.wire import to_wire
from hqserver.spool import Spooled
from hqserver.web import WebResponse

XML = "text/xml; charset=utf-8"
ZIPPED = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
WEB_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
"""What every page and refusal carries (PROMISES 6.4)."""

PONG = to_wire(True)
"""The answer to `ping`."""

_LONGEST_PING = 400
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


def response_head(response: WebResponse, closing: bool) -> h11.Response:
    """The first line and headers of an answer; `closing` tells the peer that it is the last on this connection."""
    headers = {"Date": formatdate(usegmt=True), "Content-Type": response.content_type, **response.headers}
    if isinstance(response.body, bytes | Spooled):
        headers["Content-Length"] = str(len(response.body))
    if closing:
        headers["Connection"] = "close"
    reason = _PHRASES.get(response.status, b"")
    return h11.Response(status_code=response.status, headers=list(headers.items()), reason=reason)


@lru_cache(maxsize=2)
def pong_head(second: int, closing: bool) -> h11.Response:
    """The head of the answer to `ping`, made once in each second, as it holds the date."""
    return response_head(WebResponse(PONG, content_type=XML), closing)


def is_ping(body: bytes | Spooled) -> bool:
    """Whether the body is a call of `ping` without parameters."""
    return isinstance(body, bytes) and len(body) < _LONGEST_PING and b"ping" in body and _parses_as_ping(body)


@lru_cache(maxsize=64)
def _parses_as_ping(body: bytes) -> bool:
    # Remembered, because the pings of a caller are all alike.
    try:
        return parse(body) == ("ping", [])
    except FarmError:
        return False
