"""What passes between the connection and those that answer: the heads of requests, and refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

import h11

from hqserver.web import WebRequest

LARGEST_HEAD = 16 * 1024
"""Bytes that the first line and the headers of a request may have."""


class Refusal(Exception):
    """A request that never becomes a call or a page: an HTTP status of 4xx or 5xx and one sentence."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers or {}


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and headers of a request. Header names are in lower case; of equal ones the last counts."""

    method: str
    target: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, request: h11.Request) -> Head:
        """Raises `Refusal` 400 for other versions than 1.0 and 1.1, 431 for more than `LARGEST_HEAD` bytes.

        h11 counts only the bytes of heads that come in pieces, and asks for a Host in version 1.1 only.
        """
        if request.http_version not in (b"1.0", b"1.1"):
            raise Refusal(400, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        if len(request.target) + sum(len(name) + len(value) for name, value in request.headers) > LARGEST_HEAD:
            raise Refusal(431, f"the head of a request has at most {LARGEST_HEAD} bytes")
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in request.headers}
        return cls(request.method.decode("ascii"), request.target.decode("latin-1"), headers)

    @property
    def path(self) -> str:
        """The target without its query, as it was sent."""
        return self.target.partition("?")[0]

    @property
    def accepts_gzip(self) -> bool:
        """Whether the answer may be sent as gzip."""
        offers = self.headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
        return any(offer == "gzip" or re.fullmatch(r"gzip;q=(1|0\.[0-9]*[1-9]).*", offer) for offer in offers)


def web_request(head: Head, peer: str) -> WebRequest:
    """The request that the pages are asked. Raises `Refusal` for a query of more than 100 names."""
    path, _, query = head.target.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Refusal(400, "the query has more than 100 names") from None
    headers = {name: value for name, value in head.headers.items() if name != "authorization"}
    names = dict(pairs)
    repeated = {}
    if len(names) < len(pairs):
        repeated = {name: found for name in names if len(found := [value for each, value in pairs if each == name]) > 1}
    return WebRequest(unquote(path, errors="replace"), names, headers, head.method, peer, repeated)
