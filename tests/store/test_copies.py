"""Copies of a database in use, and putting one back (PROMISES 4, P13)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hqserver.domain.errors import Busy
from hqserver.store import copies
from hqserver.store.copies import CopyFailed, check_copy, is_sound, make_copy, put_back
from hqserver.store.database import Database, StoreDamaged
from hqserver.store.opening import wal_of

pytestmark = pytest.mark.slow


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "farm.db")) as found:
        yield found


def put(database: Database, key: str, size: int = 10) -> None:
    database.write(
        lambda transaction: transaction.connection.execute("INSERT INTO farm VALUES (?, ?)", (key, "x" * size))
    )


def keys(path: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {row[0] for row in connection.execute("SELECT key FROM farm WHERE key NOT IN ('timeline')")}


def test_a_copy_holds_what_was_written_and_is_one_file(database: Database, tmp_path: Path) -> None:
    put(database, "a")
    make_copy(database, tmp_path / "copies.db")
    assert keys(tmp_path / "copies.db") == {"a"}
    check_copy(tmp_path / "copies.db")
    assert (tmp_path / "copies.db").stat().st_mode & 0o777 == 0o600
    assert not [each for each in tmp_path.iterdir() if each.name.startswith("copies.db") and each.name != "copies.db"]


def test_writers_go_on_while_a_copy_is_made_and_the_copy_is_of_one_moment(database: Database, tmp_path: Path) -> None:
    """Pairs are written in one transaction each: a copy never holds half a pair, and misses none from before it."""
    for number in range(2000):
        put(database, f"old {number}", 3000)
    written, steps, stop = [0], [0], threading.Event()

    def write() -> None:
        while not stop.is_set():
            number = written[0]

            def pair(transaction: object, number: int = number) -> None:
                for half in "ab":
                    transaction.connection.execute(  # type: ignore[attr-defined]
                        "INSERT INTO farm VALUES (?, ?)", (f"new {number} {half}", "y" * 3000)
                    )

            database.write(pair)
            written[0] += 1

    def may_go_on() -> bool:
        steps[0] += 1
        while written[0] < steps[0]:  # at least one pair between any two pieces
            pass
        return True

    thread = threading.Thread(target=write)
    thread.start()
    while not written[0]:
        pass
    before = written[0]
    try:
        make_copy(database, tmp_path / "copy.db", may_go_on)
        after = written[0]
    finally:
        stop.set()
        thread.join()
    found = keys(tmp_path / "copy.db")
    assert {f"old {number}" for number in range(2000)} <= found
    pairs = {key[:-2] for key in found if key.startswith("new")}
    assert all({f"{pair} a", f"{pair} b"} <= found for pair in pairs)
    assert {f"new {number}" for number in range(before)} <= pairs
    assert steps[0] > 3
    assert after > before + 3


def test_a_copy_ends_when_the_server_does(database: Database, tmp_path: Path) -> None:
    for number in range(1000):
        put(database, str(number), 3000)
    with pytest.raises(Busy, match="was not finished"):
        make_copy(database, tmp_path / "copy.db", lambda: False)
    assert not list(tmp_path.glob("copy.db*"))


def test_closing_waits_for_a_copy_to_notice(tmp_path: Path) -> None:
    database = Database(tmp_path / "farm.db")
    for number in range(1000):
        put(database, str(number), 3000)
    begun, problems = threading.Event(), []

    def may_go_on() -> bool:
        begun.set()
        return True

    def copy() -> None:
        try:
            make_copy(database, tmp_path / "copy.db", may_go_on)
        except Busy as problem:
            problems.append(problem)

    thread = threading.Thread(target=copy)
    thread.start()
    assert begun.wait(10)
    database.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(problems) == 1
    with closing(Database(tmp_path / "farm.db")):
        pass


def test_nothing_is_overwritten(database: Database, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(CopyFailed, match="is there already"):
        make_copy(database, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_a_copy_that_cannot_be_written_is_a_sentence_and_no_file(database: Database, tmp_path: Path) -> None:
    with pytest.raises(CopyFailed, match="cannot be made"):
        make_copy(database, tmp_path / "no" / "folder" / "copy.db")


def test_where_a_copy_would_fill_the_disk_none_is_begun(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = copies.shutil.disk_usage(tmp_path)._replace(free=30 * 1024 * 1024)
    monkeypatch.setattr(copies.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(CopyFailed, match="too little room"):
        make_copy(database, tmp_path / "copy.db")


def test_a_copy_that_is_damaged_never_gets_its_name(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(connection: sqlite3.Connection, *, thorough: bool) -> None:
        raise sqlite3.DatabaseError("row 5 missing from index")

    monkeypatch.setattr(copies, "check", wrong)
    with pytest.raises(CopyFailed, match="row 5 missing"):
        make_copy(database, tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy.db*"))


def test_only_whole_copies_of_a_farm_are_taken(database: Database, tmp_path: Path) -> None:
    make_copy(database, tmp_path / "good.db")
    letter, other, cut, newer = (tmp_path / name for name in ("letter", "other.db", "cut.db", "newer.db"))
    letter.write_text("to my grandmother")
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE x (y)")
    cut.write_bytes((tmp_path / "good.db").read_bytes()[: 4096 * 10])
    newer.write_bytes((tmp_path / "good.db").read_bytes())
    with closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('farm', 'm9', '')")
    for path, words in ((letter, "damaged"), (other, "not the database of a farm"), (cut, "damaged"), (newer, "newer")):
        with pytest.raises(CopyFailed, match=words):
            put_back(path, tmp_path / "farm.db", tmp_path / "aside.db")
        assert not is_sound(path)
    with pytest.raises(CopyFailed):
        check_copy(tmp_path / "none.db")
    assert is_sound(tmp_path / "good.db")
    assert not (tmp_path / "aside.db").exists()


def test_a_restore_keeps_the_former_database_with_its_log(tmp_path: Path) -> None:
    """What a killed server wrote last is in its log alone, and no log may meet another database."""
    path = tmp_path / "farm.db"
    with closing(Database(path)) as database:
        put(database, "old")
        make_copy(database, tmp_path / "copy.db")
        put(database, "new")
        left = {each.name: each.read_bytes() for each in (path, wal_of(path))}
    for name, content in left.items():
        (tmp_path / name).write_bytes(content)
    put_back(tmp_path / "copy.db", path, tmp_path / "aside.db")
    assert not wal_of(path).exists()
    with closing(sqlite3.connect(tmp_path / "aside.db")) as former:
        assert former.execute("SELECT count(*) FROM farm WHERE key IN ('old', 'new')").fetchone()[0] == 2
    with closing(Database(path)):
        assert keys(path) == {"old"}


def test_a_restore_replaces_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    with closing(Database(path)) as database:
        put(database, "old")
        make_copy(database, tmp_path / "copy.db")
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(StoreDamaged):
        Database(path)
    put_back(tmp_path / "copy.db", path, tmp_path / "aside.db")
    with closing(Database(path)):
        assert keys(path) == {"old"}
