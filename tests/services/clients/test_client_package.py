from __future__ import annotations

from pathlib import Path

from hqclient.daemon.machine import code_version
from hqserver.domain.package import unpack
from hqserver.http.downloads import with_package
from hqserver.services.clients.package import client_package
from hqserver.web import WebRequest, WebResponse

ROOT = Path(__file__).resolve().parents[3]


def test_a_client_of_the_same_code_has_the_version_of_the_servers_package() -> None:
    """9.28: both sides make the package by themselves, from the code they have."""
    assert client_package().version == code_version()


def test_the_package_holds_the_code_of_the_client_as_it_stands() -> None:
    files = unpack(client_package().data)
    assert files["hqclient/daemon/cli.py"] == (ROOT / "hqclient" / "daemon" / "cli.py").read_bytes()
    assert "hqclient/requirements.txt" in files
    assert "hqserver/domain/package.py" in files
    assert not any(name.startswith("hqserver/services") for name in files)


def test_the_package_is_made_once() -> None:
    assert client_package() is client_package()


def test_the_package_has_one_address_and_others_are_not_found() -> None:
    package = client_package()
    respond = with_package(package, lambda request: WebResponse(b"page"))
    found = respond(WebRequest(package.path))
    assert (found.status, found.body, found.content_type) == (200, package.data, "application/zip")
    assert "immutable" in found.headers["Cache-Control"]
    for path in (f"/client/{'0' * 64}.zip", "/client/.zip", "/client/../x.zip"):
        assert respond(WebRequest(path)).status == 404
    for path in ("/", "/clients", "/client/", "/clients/view/1"):
        assert respond(WebRequest(path)).body == b"page"
