"""What a page is asked by and answers with, whoever carries it: the port, or a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hqserver.spool import Spooled


@dataclass(frozen=True, slots=True)
class WebRequest:
    """A GET or HEAD. `path` is decoded; of a name that stands twice in the query the last value counts, and `repeated`
    holds all of them."""

    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    peer: str = "127.0.0.1"
    repeated: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WebResponse:
    """A page, file or stream. An iterator is asked for its next piece only when the last one has gone out."""

    body: bytes | Spooled | Iterator[bytes] = b""
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
