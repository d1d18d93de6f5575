"""Logs of runs: appended by offset, whole or not at all (PROMISES 2.6)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hqserver.domain.run import Stream
from hqserver.store.output import OutputFiles

RUN = "0123456789abcdef" * 2


@pytest.fixture
def files(tmp_path: Path) -> OutputFiles:
    return OutputFiles(tmp_path / "output")


def test_pieces_in_order_make_the_log(files: OutputFiles) -> None:
    assert files.append(1, RUN, 0, b"hello ") == 6
    assert files.append(1, RUN, 6, b"world") == 11
    assert files.read(1, RUN) == b"hello world"
    assert files.size(1, RUN) == 11


def test_a_piece_that_is_there_already_changes_nothing(files: OutputFiles) -> None:
    files.append(1, RUN, 0, b"hello")
    assert files.append(1, RUN, 0, b"hello") == 5
    assert files.append(1, RUN, 2, b"llo and more") == 5
    assert files.read(1, RUN) == b"hello"


def test_a_piece_that_leaves_a_gap_changes_nothing_and_is_told_where_to_go_on(files: OutputFiles) -> None:
    files.append(1, RUN, 0, b"hello")
    assert files.append(1, RUN, 9, b"late") == 5
    assert files.read(1, RUN) == b"hello"


def test_no_output_makes_no_file(files: OutputFiles) -> None:
    assert files.append(1, RUN, 0, b"") == 0
    assert files.size(1, RUN) == 0
    assert files.read(1, RUN) == b""
    assert not files.folder.exists()


def test_a_part_is_read_by_offset_and_limit(files: OutputFiles) -> None:
    files.append(1, RUN, 0, bytes(range(256)))
    assert files.read(1, RUN, 250) == bytes(range(250, 256))
    assert files.read(1, RUN, 10, 3) == b"\n\x0b\x0c"
    assert files.read(1, RUN, 1000) == b""


def test_jobs_are_spread_over_folders_and_runs_over_files(files: OutputFiles) -> None:
    other = "f" * 32
    files.append(1, RUN, 0, b"a")
    files.append(1, other, 0, b"b")
    files.append(123_456, RUN, 0, b"c")
    assert files.path(123_456, RUN).parent.name == "123"
    assert [files.read(1, RUN), files.read(1, other), files.read(123_456, RUN)] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("name", ["", "../../../etc/passwd", "0" * 31, "0" * 33, "G" * 32, "0" * 32 + "\n", "A" * 32])
def test_anything_but_a_run_id_is_no_path(files: OutputFiles, name: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a run"):
        files.path(1, name)
    with pytest.raises(ValueError, match="is not the id of a run"):
        files.append(1, name, 0, b"x")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_a_log_is_never_written_through_a_link(files: OutputFiles, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"")
    path = files.path(1, RUN)
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        files.append(1, RUN, 0, b"x")
    assert target.read_bytes() == b""


def test_a_log_is_nobody_elses_to_read(files: OutputFiles) -> None:
    files.append(1, RUN, 0, b"x")
    assert files.path(1, RUN).stat().st_mode & 0o777 == 0o600


def test_two_beats_with_the_same_piece_write_it_once(files: OutputFiles) -> None:
    pieces = [os.urandom(100) for _ in range(50)]

    def send(_: int) -> None:
        offset = 0
        for piece in pieces:
            files.append(1, RUN, offset, piece)
            offset += len(piece)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    assert files.read(1, RUN) == b"".join(pieces)


def test_the_log_of_stderr_is_another_file_and_goes_with_its_run(files: OutputFiles) -> None:
    files.append(1, RUN, 0, b"out")
    assert files.append(1, RUN, 3, b"err", Stream.STDERR) == 0
    assert files.append(1, RUN, 0, b"error", Stream.STDERR) == 5
    assert (files.size(1, RUN), files.size(1, RUN, Stream.STDERR)) == (3, 5)
    assert (files.read(1, RUN), files.read(1, RUN, 1, 3, Stream.STDERR)) == (b"out", b"rro")
    files.remove(1, [RUN])
    assert [path for path in files.folder.rglob("*") if path.is_file()] == []
