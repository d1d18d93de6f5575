"""The files pages are made of: a fixed list, read once, each under an address that changes with its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files

from hqserver.web import WebRequest, WebResponse

_TYPES = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icons.svg": "image/svg+xml",
    "icon.svg": "image/svg+xml",
}
_FOLDER = files("webui") / "static"
_BODIES: Mapping[str, bytes] = {name: (_FOLDER / name).read_bytes() for name in _TYPES}
_TAGS = {name: hashlib.sha256(body).hexdigest()[:16] for name, body in _BODIES.items()}


def asset_url(name: str) -> str:
    """The address of a file; it may be kept for ever, because other content has another address."""
    return f"/static/{name}?v={_TAGS[name]}"


def asset(name: str, request: WebRequest) -> WebResponse | None:
    """The file, or 304 for a browser that has it; None for a name that is not on the list."""
    if name not in _BODIES:
        return None
    tag = f'"{_TAGS[name]}"'
    lasting = request.query.get("v") == _TAGS[name]
    headers = {"ETag": tag, "Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache"}
    if is_held(request, tag):
        return WebResponse(b"", 304, _TYPES[name], headers)
    return WebResponse(_BODIES[name], 200, _TYPES[name], headers)


def is_held(request: WebRequest, tag: str) -> bool:
    """Whether the visitor holds the version with this ETag (quotes included) and only asks whether it changed."""
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return tag in known or "*" in known
