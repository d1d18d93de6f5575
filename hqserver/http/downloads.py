"""The one file that is not a page: the client's package, for daemons that upgrade themselves (CONTRACT 9.28)."""

from __future__ import annotations

import re

from hqserver.http.workers import Web
from hqserver.services.clients.package import ClientPackage
from hqserver.web import WebRequest, WebResponse

_PATH = re.compile(r"/client/.*\.zip")
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


def with_package(package: ClientPackage, web: Web) -> Web:
    """`web`, and beside it the package at its own address; 404 for that of another version."""

    def respond(request: WebRequest) -> WebResponse:
        if not _PATH.fullmatch(request.path):
            return web(request)
        if request.path != package.path:
            text = f"the client package of this server is {package.path}\n".encode()
            return WebResponse(text, 404, "text/plain; charset=utf-8")
        return WebResponse(package.data, content_type="application/zip", headers=_FOR_EVER)

    return respond
