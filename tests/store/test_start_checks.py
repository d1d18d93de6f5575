"""A damaged database is never served: what is checked before the first request (PROMISES P13, T8)."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hqserver.store.database import Database, StoreDamaged
from hqserver.store.idfloor import IdFloor
from hqserver.store.opening import has_wal_reset_race, wal_of

pytestmark = pytest.mark.slow

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A farm's database that was used and closed."""
    found = tmp_path / "farm.db"
    with closing(Database(found)) as database:
        for number in range(300):
            database.write(
                lambda t, number=number: t.connection.execute(
                    "INSERT INTO farm VALUES (?, ?)", (str(number), "x" * 500)
                )
            )
    return found


@pytest.fixture
def unfolded(path: Path, tmp_path: Path) -> Path:
    """A database whose server was killed: what it wrote last is in its write-ahead log alone."""
    with closing(Database(path)) as database:
        database.write(lambda t: t.connection.execute("INSERT INTO farm VALUES ('last', 'x')"))
        killed = tmp_path / "killed"
        killed.mkdir()
        for each in (path, wal_of(path), path.with_name("id.floor")):
            shutil.copy(each, killed)
    return killed / "farm.db"


def refusal(path: Path) -> str:
    with pytest.raises(StoreDamaged) as found:
        Database(path)
    sentence = str(found.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("page", [1, 2, 3, 7, 20])
def test_a_page_that_was_overwritten_is_found(path: Path, page: int) -> None:
    overwrite(path, (page - 1) * PAGE, random.Random(page).randbytes(PAGE))
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("left", [0, 50, PAGE, PAGE * 10 + 17, -1, -PAGE])
def test_a_file_cut_short_is_found(path: Path, left: int) -> None:
    with path.open("r+b") as file:
        file.truncate(left if left >= 0 else path.stat().st_size + left)
    refusal(path)


def test_a_header_of_zeros_is_found(path: Path) -> None:
    overwrite(path, 0, bytes(100))
    assert "damaged" in refusal(path)


def test_a_database_that_is_gone_is_not_taken_for_a_new_farm(path: Path) -> None:
    path.unlink()
    assert "is gone" in refusal(path)
    assert not path.exists()


def test_a_row_that_refers_to_none_is_found(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO note (thread_id, at, text) VALUES (77, 1, 'lost')")
    assert "row 1 of note refers to a row of note_thread that is not there" in refusal(path)


def test_a_log_that_is_garbage_is_refused_rather_than_left_out(unfolded: Path) -> None:
    """SQLite would start without it, and without what was acknowledged last."""
    overwrite(wal_of(unfolded), 0, random.Random(1).randbytes(32))
    assert "is not its write-ahead log" in refusal(unfolded)


@pytest.mark.parametrize("seed", range(8))
def test_garbage_within_the_log_never_gives_wrong_data(unfolded: Path, seed: int) -> None:
    """T8: start or refuse, never wrong data: what is there is what was written, up to some moment."""
    chance = random.Random(seed)
    size = wal_of(unfolded).stat().st_size
    overwrite(wal_of(unfolded), chance.randrange(32, size), chance.randbytes(500))
    try:
        database = Database(unfolded)
    except StoreDamaged:
        return
    with closing(database), database.read() as connection:
        rows = {row["key"]: row["value"] for row in connection.execute("SELECT key, value FROM farm")}
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert {str(number) for number in range(300)} <= rows.keys()
    assert all(value == "x" * 500 for key, value in rows.items() if key.isdecimal())


@pytest.mark.parametrize("content", [b"", bytes(32), bytes(5000)])
def test_a_log_that_was_never_begun_is_no_damage(path: Path, content: bytes) -> None:
    """What a machine that lost power may leave."""
    wal_of(path).write_bytes(content)
    with closing(Database(path)) as database, database.read() as connection:
        assert connection.execute("SELECT count(*) FROM farm WHERE key <> 'timeline'").fetchone()[0] == 300


@pytest.mark.parametrize(
    ("version", "has_race"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_the_versions_of_sqlite_with_the_race_of_two_writers_are_known(
    version: tuple[int, int, int], has_race: bool
) -> None:
    """PROMISES 1.3."""
    assert has_wal_reset_race(version) is has_race


def test_a_farm_whose_first_start_was_cut_short_starts_again(tmp_path: Path) -> None:
    """The database is made before the file that says that there is one."""
    (tmp_path / "farm.db").touch()
    with closing(Database(tmp_path / "farm.db")):
        assert IdFloor(tmp_path / "id.floor").read() is not None
