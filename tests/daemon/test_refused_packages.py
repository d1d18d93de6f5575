"""Packages that the daemon does not take: told to the server once, and nothing of them on the disk (CONTRACT 9.28)."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from agent_kit import FakeServer, an_agent, until
from daemon_kit import changed_code

from hqclient.daemon import upgrade

pytestmark = pytest.mark.slow


def refused(tmp_path: Path, order: dict[str, Any], files: dict[str, bytes]) -> str:
    """What the server hears of an order that is repeated in every answer."""

    async def scene() -> str:
        server = FakeServer()
        server.interval = 0.05
        server.files = files
        async with an_agent(tmp_path / "data", server) as daemon:
            server.orders["upgrade"] = {"kind": "upgrade", **order}
            await until(lambda: len(server.registrations) == 2, "it registers again")
            beats = len(server.beats)
            await until(lambda: len(server.beats) > beats + 5, "the order is repeated")
            assert daemon.status is None
        assert len({identity["session"] for identity in server.registrations}) == 1
        assert len(server.registrations) == 2
        assert not list((tmp_path / "data").glob("code/*"))
        return str(server.registrations[1]["upgradeError"])

    said = asyncio.run(scene())
    assert said.startswith(f"version {order['version'][:12]} is not taken: ")
    return said


def given(tmp_path: Path, package: bytes) -> str:
    """What the server hears of a package that comes as it was named."""
    server = FakeServer()
    return refused(tmp_path, server.give(package), server.files)


def test_a_package_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    server = FakeServer()
    named = server.give(changed_code())
    files = {named["path"]: server.files[named["path"]].replace(b"NEWS = 1", b"NEWS = 2")}
    assert "its SHA-256 is another" in refused(tmp_path, named, files)


def test_a_package_that_would_write_elsewhere_is_refused(tmp_path: Path) -> None:
    """The hash is right, and it is refused all the same."""
    written = io.BytesIO(changed_code())
    with zipfile.ZipFile(written, "a") as package:
        package.writestr("hqclient/../../../evil.py", "evil")
    assert "holds a file 'hqclient/../../../evil.py'" in given(tmp_path, written.getvalue())
    assert not list(tmp_path.rglob("evil.py"))


def test_a_package_that_needs_what_is_not_installed_is_refused_with_the_reason(tmp_path: Path) -> None:
    said = given(tmp_path, changed_code(requirements="h11>=0.16,<1\npsutil>=6,<8\nno-such-thing>=2\n"))
    assert said.endswith("it needs no-such-thing>=2, which is not installed")


def test_a_package_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    assert "the package is not a zip" in given(tmp_path, b"<html>")


def test_a_package_that_cannot_be_fetched_is_refused(tmp_path: Path) -> None:
    named = FakeServer().give(changed_code())
    assert "cannot be fetched: the server answered HTTP 404" in refused(tmp_path, named, {})


def test_code_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """The folder of code cannot be made, for a file of its name is in the way."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "code").touch()
    assert "cannot be written" in given(tmp_path, changed_code())


def test_an_order_that_is_given_again_is_answered_again_though_not_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who asks for the upgrade once more must not wait in silence."""
    monkeypatch.setattr(upgrade, "_TELL_AGAIN_SECONDS", 0.3)

    async def scene() -> None:
        server = FakeServer()
        server.interval = 0.02
        async with an_agent(tmp_path, server):
            server.orders["upgrade"] = {"kind": "upgrade", **server.give(b"no zip")}
            await until(lambda: len(server.registrations) == 4, "it says it three times")
            assert len(server.beats) > 2 * len(server.registrations)
        assert len({identity["upgradeError"] for identity in server.registrations[1:]}) == 1

    asyncio.run(scene())
