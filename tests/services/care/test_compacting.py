"""`compactDatabase`: space of deleted rows goes back to the disk while others work (CONTRACT 10, Keeping)."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from farm_kit import Asked, SetClock, TestClient, open_farm, submit
from live_farm import wait_until

from hqserver.domain.errors import Conflict, DiskFull
from hqserver.services.care import backup, compacting
from hqserver.services.care.compacting import compact
from hqserver.services.control import commands, deletion
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.store import compaction
from hqserver.store.database import Database
from hqserver.store.opening import check

PATIENCE_SECONDS = 60.0

pytestmark = pytest.mark.slow


def fill(farm: Farm, jobs: int = 1000) -> list[int]:
    """Jobs with large commands, ended; their ids."""
    ids = submission.submit(
        farm, [{"name": f"shot {number}", "command": f"render {number} {'x' * 4000}"} for number in range(jobs)]
    )
    commands.cancel(farm, ids, "test")
    return ids


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little in each transaction, so that there is a while in which it is done."""
    monkeypatch.setattr(compacting, "_SLICE_SECONDS", 0.0)
    monkeypatch.setattr(compaction, "_PAGES_AT_ONCE", 64)


def test_space_of_deleted_jobs_goes_back_to_the_disk(farm: Farm) -> None:
    ids = fill(farm)
    kept = ids[::50]
    deletion.delete(farm, [each for each in ids if each not in set(kept)])
    found = compact(farm, PATIENCE_SECONDS)
    assert (found["running"], found["failed"]) == (False, "")
    assert found["after"] == farm.database.size() < found["before"] / 4
    with farm.database.read() as connection:
        check(connection, thorough=True)
        assert compaction.free_bytes(connection) == 0
        assert [row[0] for row in connection.execute("SELECT id FROM job ORDER BY id")] == kept
        matching = "SELECT rowid FROM job_text WHERE job_text MATCH '\"shot 950\"'"
        assert [row[0] for row in connection.execute(matching)] == [ids[950]]


def test_a_database_without_free_space_stays_as_it_is(farm: Farm) -> None:
    submit(farm, command="x")
    first = compact(farm, PATIENCE_SECONDS)
    second = compact(farm, PATIENCE_SECONDS)
    assert (second["before"], second["after"]) == (first["after"], first["after"])


def test_who_asks_while_it_is_done_is_told_of_the_same_one(farm: Farm, slowly: None) -> None:
    deletion.delete(farm, fill(farm))
    first = compact(farm, 0.0)
    second = compact(farm, 0.0)
    assert first["running"] and second["running"]
    last = wait_until(lambda: (found := compact(farm, 1.0)) and not found["running"] and found, what="its end")
    assert last["after"] < last["before"] / 4  # nobody was told of that end before
    anew = compact(farm, PATIENCE_SECONDS)
    assert anew["before"] == last["after"]


def test_clients_beat_and_jobs_come_while_it_is_done(farm: Farm, client: TestClient, slowly: None) -> None:
    deletion.delete(farm, fill(farm))
    found = compact(farm, 0.0)
    jobs = 0
    while found["running"]:
        submit(farm, command="true")
        jobs += client.run_all()
        found = compact(farm, 0.0)
    assert found["failed"] == "" and jobs > 1
    with farm.database.read() as connection:
        check(connection, thorough=True)


def test_a_copy_that_is_made_meanwhile_is_sound(farm: Farm, tmp_path: Path, slowly: None) -> None:
    deletion.delete(farm, fill(farm))
    kept = submit(farm, name="kept", command="true")
    copies: list[Path] = []

    def make_copies() -> None:
        while not copies or farm.compaction.running:
            target = tmp_path / f"copy-{len(copies)}.db"
            copies.append(backup.back_up(farm.database, tmp_path, 0.0, target, lambda: True))

    thread = threading.Thread(target=make_copies)
    compact(farm, 0.0)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    for copy in copies:
        with closing(sqlite3.connect(copy)) as connection:
            check(connection, thorough=True)
            assert connection.execute("SELECT id FROM job").fetchall() == [(kept,)]


def test_a_reader_keeps_the_log_and_nobody_waiting(farm: Farm) -> None:
    deletion.delete(farm, fill(farm))
    with farm.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchone()[0] == 0
        found = compact(farm, PATIENCE_SECONDS)
        assert (found["running"], found["failed"]) == (False, "")
    assert compact(farm, PATIENCE_SECONDS)["after"] < found["before"] / 4


def test_a_disk_without_any_room_is_refused(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3 << 20))
    with pytest.raises(DiskFull, match=r"needs 8 MB of room .* which has 3 MB"):
        compact(farm)


def test_a_disk_that_becomes_full_ends_it_and_loses_nothing(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """T7: what was not given back yet stays free within the file."""
    deletion.delete(farm, fill(farm))
    kept = submit(farm, name="kept", command="true")

    def full(connection: sqlite3.Connection, seconds: float) -> bool:
        connection.execute("PRAGMA incremental_vacuum(1)").close()
        problem = sqlite3.OperationalError("database or disk is full")
        problem.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise problem

    with monkeypatch.context() as patched:
        patched.setattr(compaction, "give_back", full)
        assert "disk is full" in compact(farm, PATIENCE_SECONDS)["failed"]
    with farm.database.read() as connection:
        check(connection, thorough=True)
        assert compaction.free_bytes(connection) > 0
        assert connection.execute("SELECT id FROM job").fetchall()[0][0] == kept
    assert compact(farm, PATIENCE_SECONDS)["failed"] == ""


def test_it_ends_with_the_server(tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy, slowly: None) -> None:
    farm = open_farm(tmp_path, clock, asked, policy)
    deletion.delete(farm, fill(farm))
    assert compact(farm, 0.0)["running"]
    farm.database.close()
    wait_until(lambda: not farm.compaction.running, what="its end")
    again = open_farm(tmp_path, clock, asked, policy)
    assert compact(again, PATIENCE_SECONDS)["failed"] == ""
    again.database.close()


# Files of servers that did not prepare them ---------------------------------------------------------------------------


@pytest.fixture
def old_file(tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy) -> Path:
    """A farm's file as an older server made it, with a job that has had two runs."""
    farm = open_farm(tmp_path, clock, asked, policy)
    client = TestClient(farm)
    client.register()
    submit(farm, name="old", command="x", triesLeft=1)
    client.run_all(code=1)
    farm.database.close()
    with closing(sqlite3.connect(farm.database.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum=NONE")
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("VACUUM")
        assert not compaction.can_shrink(connection)
    return farm.database.path


def runs_of(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT id, status FROM run ORDER BY rowid").fetchall()


def test_the_file_of_an_older_server_is_written_anew_once(old_file: Path) -> None:
    before = runs_of(old_file)
    assert len(before) == 2
    Database(old_file).close()
    with closing(sqlite3.connect(old_file)) as connection:
        assert compaction.can_shrink(connection)
        check(connection, thorough=True)
    assert runs_of(old_file) == before  # in the order in which they were given out


def test_without_room_it_stays_and_is_served_and_only_compacting_is_refused(
    old_file: Path,
    clock: SetClock,
    asked: Asked,
    policy: Policy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=32 << 20))
        farm = open_farm(old_file.parent, clock, asked, policy)
    assert "cannot give space back" in caplog.text
    submit(farm, command="x")
    with pytest.raises(Conflict, match="made by an older hqserver"):
        compact(farm)
    farm.database.close()
