from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hqclient.daemon.identity import DataFolder, DataFolderError, Identity, IdentityFile

SERVER = "http://farm:5000"


def test_two_daemons_cannot_use_one_folder(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path / "data"), DataFolder(tmp_path / "data")
    first.lock()
    with pytest.raises(DataFolderError, match="another hqclient uses"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_the_lock_goes_with_the_process_that_held_it(tmp_path: Path) -> None:
    program = "import sys, pathlib; from hqclient.daemon.identity import DataFolder; "
    program += "DataFolder(pathlib.Path(sys.argv[1])).lock(); print('locked', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", program, str(tmp_path)]
    ours = DataFolder(tmp_path)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(DataFolderError):
            ours.lock()
        other.kill()
        other.wait()
    ours.lock()
    ours.unlock()


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "a" / "b")
    folder.lock()
    folder.unlock()
    for path in (folder.path, folder.runs, folder.orphans):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderError, match=r"the data folder .*/file/data cannot be written: Not a directory"):
        DataFolder(tmp_path / "file" / "data").lock()


def test_the_secret_is_kept_where_only_its_owner_reads_it(tmp_path: Path) -> None:
    identity = Identity(SERVER, 3, "secret")
    old = os.umask(0)
    try:
        IdentityFile(tmp_path).write(identity)
    finally:
        os.umask(old)
    assert IdentityFile(tmp_path).read(SERVER) == identity
    assert stat.S_IMODE((tmp_path / "identity.json").stat().st_mode) == 0o600


def test_a_secret_is_not_shown_to_another_server(tmp_path: Path) -> None:
    IdentityFile(tmp_path).write(Identity(SERVER, 3, "secret"))
    assert IdentityFile(tmp_path).read("http://elsewhere:5000") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"server": "http://farm:5000"}', '{"server": 1, "x": 2}', "\udcff"])
def test_a_damaged_file_is_no_identity(tmp_path: Path, text: str) -> None:
    (tmp_path / "identity.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert IdentityFile(tmp_path).read(SERVER) is None


def test_a_write_that_was_interrupted_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "identity.new").write_text("half")
    IdentityFile(tmp_path).write(Identity(SERVER, 3, "secret"))
    assert IdentityFile(tmp_path).read(SERVER) is not None
