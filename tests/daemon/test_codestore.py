from __future__ import annotations

import os
from pathlib import Path

import pytest

from hqclient.daemon.codestore import CodeStore
from hqclient.daemon.handover import CodeState
from hqserver.domain.package import BadPackage, pack, version_of


def a_package(text: str) -> bytes:
    return pack({"hqclient/__init__.py": b"", "hqclient/daemon/cli.py": text.encode(), "hqserver/__init__.py": b""})


@pytest.fixture
def store(tmp_path: Path) -> CodeStore:
    (tmp_path / "code").mkdir()
    return CodeStore(tmp_path / "code")


def add(store: CodeStore, text: str, age_seconds: float = 0.0) -> Path:
    """The folder of a version that came so long ago."""
    folder = store.folder / store.add(a_package(text))
    then = folder.stat().st_mtime - age_seconds
    os.utime(folder, (then, then))
    return folder


def test_a_package_is_unpacked_into_the_folder_of_its_version(store: CodeStore) -> None:
    folder = add(store, "x = 1\n")
    assert folder.name == version_of(a_package("x = 1\n"))
    assert (folder / "hqclient" / "daemon" / "cli.py").read_text() == "x = 1\n"
    assert [path.name for path in store.folder.iterdir()] == [folder.name]


def test_unpacking_again_mends_what_was_changed_and_leaves_what_was_not(store: CodeStore) -> None:
    folder = add(store, "x = 1\n")
    code = folder / "hqclient" / "daemon" / "cli.py"
    before = code.stat().st_ino
    add(store, "x = 1\n")
    assert code.stat().st_ino == before
    code.write_text("x = 2\n")
    add(store, "x = 1\n")
    assert code.read_text() == "x = 1\n"


def test_an_unpacking_that_was_interrupted_does_not_stand_in_the_way(store: CodeStore) -> None:
    (store.folder / "unpacking" / "hqclient").mkdir(parents=True)
    (store.folder / "unpacking" / "hqclient" / "half.py").touch()
    folder = add(store, "x = 1\n")
    assert not list(folder.rglob("half.py"))


def test_a_bad_package_leaves_nothing(store: CodeStore) -> None:
    with pytest.raises(BadPackage):
        store.add(b"PK")
    assert list(store.folder.iterdir()) == []


def test_old_code_goes_but_not_what_a_run_still_uses(store: CodeStore) -> None:
    """The two newest stay, and what HQCLIENT of a command that runs points to."""
    used, old, second, newest = (add(store, f"x = {age}\n", age) for age in (4000, 3000, 2000, 1000))
    store.record(CodeState(current=newest.name))
    store.prune([used / "hqclient"])
    assert {path.name for path in store.folder.iterdir()} == {used.name, second.name, newest.name, "state.json"}
    assert not old.exists()
    assert store.state.current == newest.name
