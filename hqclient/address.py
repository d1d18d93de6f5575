"""Where a server is called: what people write, and what the environment says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import BadAddress

DEFAULT_URL = "http://127.0.0.1:5000"
DEFAULT_PORT = 5000
"""The port of an address that is only a host. A full URL without one means 80 or 443, as everywhere."""

ENVIRONMENT_NAMES = ("HQSERVER", "HOUDINI_HQUEUE_SERVER")
"""Where the server's address is looked for, in this order. The farm sets the first one for its commands."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is called. `host` may hold credentials (`user:password@host:port`), `shown` never."""

    scheme: str
    host: str
    path: str
    shown: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address in `text`: `http://host:port`, `host:port` or `host`. Raises `BadAddress`."""
        text = text.strip()
        has_scheme = "://" in text
        try:
            parts = urlsplit(text if has_scheme else f"http://{text}")
            port = parts.port
        except ValueError as problem:
            raise _bad_address(text, str(problem)) from None
        if parts.scheme not in ("http", "https"):
            raise _bad_address(text, f"it starts with {parts.scheme}://, not with http:// or https://")
        if not parts.hostname or re.search(r"[\s\x00-\x1f\x7f]", text):
            raise _bad_address(text, "it names no host")
        if parts.query or parts.fragment:
            raise _bad_address(text, "it ends in more than a path")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        if port is None and not has_scheme:
            port = DEFAULT_PORT
        place = host if port is None else f"{host}:{port}"
        credentials = parts.netloc.rpartition("@")[0]
        return cls(
            scheme=parts.scheme,
            host=f"{credentials}@{place}" if credentials else place,
            path=parts.path if parts.path not in ("", "/") else "/RPC2",
            shown=f"{parts.scheme}://{place}",
        )


def _bad_address(text: str, reason: str) -> BadAddress:
    shown = re.sub(r"[^/@]*@", "", text)
    return BadAddress(f"server address {shown!r} cannot be used: {reason} (say http://host:port)")


def find_address(url: str | None = None, environ: Mapping[str, str] = os.environ) -> Address:
    """The address given, else that of $HQSERVER, else of $HOUDINI_HQUEUE_SERVER, else http://127.0.0.1:5000.

    Raises `BadAddress`.
    """
    given = [url, *(environ.get(name) for name in ENVIRONMENT_NAMES)] if url is None else [url]
    return Address.parse(next((text for text in given if text is not None and text.strip()), DEFAULT_URL))
