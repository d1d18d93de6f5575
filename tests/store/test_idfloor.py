"""Ids that never repeat (PROMISES 2.5, I10, T9)."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hqserver.store import idfloor
from hqserver.store.copies import make_copy, put_back
from hqserver.store.database import Database
from hqserver.store.idfloor import BLOCK, JUMP, TABLES


def new_ids(database: Database, count: int) -> list[int]:
    """Ids of new groups, one transaction each."""

    def insert(number: int) -> int:
        name = os.urandom(8).hex()
        statement = "INSERT INTO client_group (name) VALUES (?)"
        return database.write(
            lambda transaction: int(transaction.connection.execute(statement, (name,)).lastrowid or 0)
        )

    return [insert(number) for number in range(count)]


def floor(folder: Path) -> int:
    return int(json.loads((folder / "id.floor").read_text())["client_group"])


def timeline(database: Database) -> str:
    with database.read() as connection:
        return str(connection.execute("SELECT value FROM farm WHERE key = 'timeline'").fetchone()[0])


def test_a_block_is_on_disk_before_its_first_id_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    write = idfloor.write_whole
    monkeypatch.setattr(idfloor, "write_whole", lambda path, data: (write(path, data), events.append("floor")))
    with closing(Database(tmp_path / "farm.db")) as database:
        events.clear()
        database._writer.set_trace_callback(lambda text: events.append(text) if text == "COMMIT" else None)
        new_ids(database, 1)
        assert events == ["floor", "COMMIT"]
        assert floor(tmp_path) == 1 + BLOCK
        events.clear()
        assert new_ids(database, BLOCK)[-1] == 1 + BLOCK
        assert events == ["COMMIT"] * BLOCK
        new_ids(database, 1)
        assert events[BLOCK:] == ["floor", "COMMIT"]


def test_ids_follow_each_other_where_the_server_ends_in_order(tmp_path: Path) -> None:
    for start in (1, 4, 7):
        with closing(Database(tmp_path / "farm.db")) as database:
            assert new_ids(database, 3) == [start, start + 1, start + 2]
        assert floor(tmp_path) == start + 2


def test_a_database_put_back_by_hand_gives_no_id_again(tmp_path: Path) -> None:
    """Whoever copies files about does not know of `hqserver restore`."""
    path = tmp_path / "farm.db"
    with closing(Database(path)) as database:
        given = set(new_ids(database, 5))
    shutil.copy(path, tmp_path / "old")
    with closing(Database(path)) as database:
        given |= set(new_ids(database, 250))
    shutil.copy(tmp_path / "old", path)
    with closing(Database(path)) as database:
        assert not given & set(new_ids(database, 5))


def test_a_server_that_was_killed_leaves_out_a_block_at_most(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    with closing(Database(tmp_path / "farm.db")) as database:
        last = new_ids(database, 130)[-1]
        for each in tmp_path.glob("*.*"):
            shutil.copy(each, killed)
    with closing(Database(killed / "farm.db")) as database:
        assert last < new_ids(database, 1)[0] <= last + BLOCK


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"client_group": "x"}'])
def test_where_the_file_is_lost_ids_go_on_a_million_higher(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Database(tmp_path / "farm.db")) as database:
        last, before = new_ids(database, 3)[-1], timeline(database)
    (tmp_path / "id.floor").write_text(damage) if damage else (tmp_path / "id.floor").unlink()
    with caplog.at_level(logging.ERROR), closing(Database(tmp_path / "farm.db")) as database:
        assert new_ids(database, 1) == [last + JUMP + 1]
        assert timeline(database) != before
    assert "leave out 1000000" in caplog.text


def test_a_database_from_before_there_was_such_a_file_goes_on_as_it_was(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "farm.db")) as database:
        new_ids(database, 3)
        database.write(lambda transaction: transaction.connection.execute("DELETE FROM farm"))
    (tmp_path / "id.floor").unlink()
    with closing(Database(tmp_path / "farm.db")) as database:
        assert new_ids(database, 1) == [4]


def test_every_table_that_counts_its_ids_is_known(tmp_path: Path) -> None:
    """Lines of history and waiting mail are counted too; their ids stay in the server."""
    with closing(Database(tmp_path / "farm.db")) as database, database.read() as connection:
        counted = {
            row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")
        }
    assert counted == {*TABLES, "history", "mail", "delivery"}


@pytest.mark.parametrize("floor_is_lost", [False, True])
def test_a_restored_copy_gives_no_id_again_and_begins_a_new_timeline(tmp_path: Path, floor_is_lost: bool) -> None:
    """T9."""
    path = tmp_path / "farm.db"
    with closing(Database(path)) as database:
        given, before = set(new_ids(database, 50)), timeline(database)
        make_copy(database, tmp_path / "copy.db")
        given |= set(new_ids(database, 50))
    if floor_is_lost:
        (tmp_path / "id.floor").unlink()
    put_back(tmp_path / "copy.db", path, tmp_path / "aside.db")
    with closing(Database(path)) as database:
        found = new_ids(database, 50)
        assert not given & set(found)
        assert timeline(database) != before
        with database.read() as connection:
            assert connection.execute("SELECT count(*) FROM client_group").fetchone()[0] == 100
    assert (found[0] > JUMP) is floor_is_lost
    with closing(sqlite3.connect(tmp_path / "aside.db")) as former:
        assert former.execute("SELECT count(*) FROM client_group").fetchone()[0] == 100
