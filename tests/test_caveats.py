"""What the server says at its start of the folders and the library that it has to live with (PROMISES P1 and 4)."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from hqserver import config, safeguards
from hqserver.config import ServerConfig

NETWORK = "30 1 0:41 / {folder} rw,relatime - nfs4 nas:/farm rw,vers=4.2\n"


def settings(data: Path) -> ServerConfig:
    return config.load({"data": str(data)}, {}, None)


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    return tmp_path / "mountinfo"


@pytest.fixture(autouse=True)
def sound_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))


def test_a_data_folder_on_a_network_is_told_in_one_sentence(tmp_path: Path, mounts: Path) -> None:
    mounts.write_text(NETWORK.format(folder=tmp_path), encoding="utf-8")
    (said,) = safeguards.caveats(settings(tmp_path / "data"), mounts)
    assert said.startswith(f"the data folder {tmp_path / 'data'} lies on a network file system (nfs4)")


def test_copies_elsewhere_are_looked_at_too(tmp_path: Path, mounts: Path) -> None:
    copies = tmp_path / "copies"
    mounts.write_text(f"30 1 0:41 / {copies} rw - tmpfs tmpfs rw\n", encoding="utf-8")
    found = safeguards.caveats(replace(settings(tmp_path / "data"), copies=copies), mounts)
    assert found == [f"the folder of copies {copies} lies in memory (tmpfs): nothing in it survives a reboot"]


def test_nothing_is_said_of_a_disk_nor_where_nothing_is_known(tmp_path: Path, mounts: Path) -> None:
    assert safeguards.caveats(settings(tmp_path), mounts) == []
    mounts.write_text("22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n", encoding="utf-8")
    assert safeguards.caveats(settings(tmp_path), mounts) == []


def test_an_sqlite_that_bears_no_second_writer_is_told(
    tmp_path: Path, mounts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    (said,) = safeguards.caveats(settings(tmp_path), mounts)
    assert said.endswith("no other program may open the file while the server runs")
