"""Room on the disk: the ballast that a full disk throws out, and new work again when there is room (P12, T6)."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from hqserver.store import room as room_module
from hqserver.store.output import OutputFiles
from hqserver.store.room import Room

SIZE = 1024 * 1024
RUN, LARGE = "0" * 32, "1" * 32


@pytest.fixture
def free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that are free on the disk, as the test sets them."""
    found, usage = [10 * SIZE], room_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(room_module.shutil, "disk_usage", lambda path: usage._replace(free=found[0]))
    return found


def test_the_ballast_takes_its_room_at_start(tmp_path: Path, free: list[int]) -> None:
    room = Room(tmp_path / "ballast", SIZE)
    room.prepare()
    assert not room.full
    stat = (tmp_path / "ballast").stat()
    assert stat.st_size == SIZE
    assert stat.st_blocks * 512 >= SIZE  # no hole


def test_a_full_disk_takes_no_new_work_until_there_is_room(
    tmp_path: Path, free: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    room = Room(tmp_path / "ballast", SIZE)
    room.prepare()
    room.run_out()
    room.run_out()
    assert room.full
    assert not (tmp_path / "ballast").exists()
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    free[0] = 2 * SIZE - 1
    room.look()
    assert room.full
    free[0] = 2 * SIZE
    room.look()
    assert not room.full
    assert (tmp_path / "ballast").stat().st_size == SIZE


def test_a_server_starts_on_a_full_disk_by_throwing_out_its_ballast(tmp_path: Path, free: list[int]) -> None:
    Room(tmp_path / "ballast", SIZE).prepare()
    free[0] = 100
    room = Room(tmp_path / "ballast", SIZE)
    room.prepare()
    assert room.full
    assert not (tmp_path / "ballast").exists()


def test_a_ballast_that_somebody_removed_is_made_again(tmp_path: Path, free: list[int]) -> None:
    room = Room(tmp_path / "ballast", SIZE)
    room.prepare()
    (tmp_path / "ballast").unlink()
    room.look()
    assert (tmp_path / "ballast").stat().st_size == SIZE


def test_a_piece_of_a_log_goes_into_the_room_that_the_ballast_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(tmp_path / "ballast", SIZE)
    room.prepare()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if (tmp_path / "ballast").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    files = OutputFiles(tmp_path, room)
    assert files.append(1, RUN, 0, b"abc") == 3
    assert room.full
    assert files.read(1, RUN) == b"abc"


def test_logs_leave_room_to_the_database_and_large_ones_to_small_ones(tmp_path: Path, free: list[int]) -> None:
    """P12: one job that prints much does not keep the others from ending."""
    room = Room(tmp_path / "ballast", SIZE)
    room.prepare()
    files = OutputFiles(tmp_path, room)
    free[0] = 0
    assert files.append(1, RUN, 0, b"abc") == 3  # only the disk itself says that it is full
    room.run_out()
    free[0] = SIZE // 2 + 1
    assert files.append(2, LARGE, 0, bytes(SIZE)) == SIZE
    free[0] = SIZE // 2
    with pytest.raises(OSError, match="No space left on device"):
        files.append(2, LARGE, SIZE, b"x")
    free[0] = SIZE // 4 + 1
    assert files.append(1, RUN, 3, b"def") == 6
    free[0] = SIZE // 4
    with pytest.raises(OSError, match="No space left on device"):
        files.append(1, RUN, 6, b"ghi")
    assert files.append(1, RUN, 3, b"def") == 6
    free[0] = 2 * SIZE
    room.look()
    assert files.append(1, RUN, 6, b"ghi") == 9
    assert files.append(2, LARGE, SIZE, b"x") == SIZE + 1


def test_a_disk_that_fails_is_not_taken_for_a_full_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(tmp_path / "ballast", SIZE)
    room.prepare()

    def broken(descriptor: int, data: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", broken)
    with pytest.raises(OSError, match="Input/output"):
        OutputFiles(tmp_path, room).append(1, RUN, 0, b"abc")
    assert not room.full
    assert (tmp_path / "ballast").exists()
