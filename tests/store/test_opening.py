"""Opening a database: what is found as it was left, and what is refused (PROMISES 4)."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from database_kit import keys, put

from hqserver.store.database import Database, StoreUnusable
from hqserver.store.migrations import MIGRATIONS


def test_the_writer_keeps_the_rules_of_sqlite(database: Database) -> None:
    """PROMISES 4."""
    found = {name: database._writer.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert found == {"journal_mode": "wal", "synchronous": 2}
    assert database._writer.execute("PRAGMA foreign_keys").fetchone()[0] == 1


def test_a_database_is_found_as_it_was_left(tmp_path: Path) -> None:
    for number in range(3):
        with closing(Database(tmp_path / "farm.db")) as database:
            database.write(put(str(number)))
            assert keys(database) == {str(each) for each in range(number + 1)}


def refusal(path: Path) -> str:
    with pytest.raises(StoreUnusable) as found:
        Database(path)
    sentence = str(found.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    path.write_bytes(b"this is a letter to my grandmother\n" * 1000)
    assert "damaged or not a database of this farm" in refusal(path)
    assert path.read_bytes().startswith(b"this is a letter")


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    with closing(Database(path)) as database:
        for number in range(200):
            database.write(put(str(number), "x" * 1000))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(random.Random(1).randbytes(size // 4))
    assert "damaged or not a database of this farm" in refusal(path)


def test_a_database_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    Database(path).close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    assert "damaged or not a database of this farm" in refusal(path)


def test_a_database_of_a_newer_server_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    Database(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, 'm999_future', 'then')",
            [MIGRATIONS.name],
        )
    assert refusal(path).endswith("was written by a newer hqserver (m999_future)")


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE job (title TEXT)")
    assert "damaged or not a database of this farm" in refusal(path)


@pytest.mark.parametrize("name", ["no/such/folder/farm.db", "."])
def test_a_path_that_cannot_be_opened_is_refused(tmp_path: Path, name: str) -> None:
    assert "cannot be opened" in refusal(tmp_path / name)


def test_a_half_made_schema_is_never_left_behind(tmp_path: Path) -> None:
    """A server killed in its very first second starts again."""
    path = tmp_path / "farm.db"
    code = (
        "import os, sys, sqlite3\n"
        "from pathlib import Path\n"
        "from hqserver.store.database import Database\n"
        "made = 0\n"
        "def end(action, *rest):\n"
        "    global made\n"
        "    made += action == sqlite3.SQLITE_CREATE_TABLE\n"
        "    if made > 4: os.kill(os.getpid(), 9)\n"
        "    return sqlite3.SQLITE_OK\n"
        "class Ending(sqlite3.Connection):\n"
        "    def __init__(self, *a, **k):\n"
        "        super().__init__(*a, **k)\n"
        "        self.set_authorizer(end)\n"
        "connect = sqlite3.connect\n"
        "sqlite3.connect = lambda *a, **k: connect(*a, factory=Ending, **k)\n"
        "Database(Path(sys.argv[1]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with closing(Database(path)) as database:
        assert database.write(put("a")) == "a"
