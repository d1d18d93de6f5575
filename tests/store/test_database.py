"""The database: group commit, readers, a full disk, kill -9 (PROMISES P1, P12, P13)."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from database_kit import keys, put

from hqserver.domain.errors import Busy, Conflict, DiskFull
from hqserver.store.database import Database, Transaction


class Held:
    """An operation that stands in the middle of the writer until it is let go, so that others gather behind it."""

    def __init__(self, database: Database):
        self._in, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=database.write, args=[self._operation])
        self._thread.start()
        assert self._in.wait(10)

    def _operation(self, transaction: Transaction) -> None:
        self._in.set()
        self._go.wait(10)

    def let_go(self) -> None:
        self._go.set()
        self._thread.join(10)


def gathered(database: Database, operations: list[Callable[[Transaction], object]]) -> list[object]:
    """Run these in one group; of each its result or what it raised."""

    def attempt(operation: Callable[[Transaction], object]) -> object:
        try:
            return database.write(operation)
        except Exception as problem:
            return problem

    held = Held(database)
    with ThreadPoolExecutor(len(operations)) as pool:
        futures = [pool.submit(attempt, operation) for operation in operations]
        while len(database._waiting) < len(operations):
            pass
        held.let_go()
        return [future.result(10) for future in futures]


# Group commit --------------------------------------------------------------------------------------------------------


def test_what_many_threads_write_at_once_is_all_there(database: Database) -> None:
    def work(number: int) -> list[str]:
        return [database.write(put(f"{number}-{each}")) for each in range(25)]

    with ThreadPoolExecutor(16) as pool:
        answered = {key for found in pool.map(work, range(16)) for key in found}
    assert len(answered) == 400
    assert keys(database) == answered


def test_callers_that_wait_at_the_same_time_share_one_commit(database: Database) -> None:
    commits = []
    database._writer.set_trace_callback(lambda statement: commits.append(statement) if statement == "COMMIT" else None)
    assert gathered(database, [put(str(number)) for number in range(20)]) == [str(number) for number in range(20)]
    database._writer.set_trace_callback(None)
    assert len(commits) == 2  # that of the operation they waited for, and theirs


def test_an_operation_that_fails_takes_back_only_its_own_changes(database: Database) -> None:
    def failing(transaction: Transaction) -> None:
        put("taken back")(transaction)
        raise Conflict("no")

    def twice(transaction: Transaction) -> None:
        put("also taken back")(transaction)
        put("also taken back")(transaction)

    found = gathered(database, [put("a"), failing, put("b"), twice, put("c")])
    assert found[0::2] == ["a", "b", "c"]
    assert isinstance(found[1], Conflict)
    assert isinstance(found[3], sqlite3.IntegrityError)
    assert keys(database) == {"a", "b", "c"}


def test_an_operation_that_fails_alone_leaves_nothing(database: Database) -> None:
    def failing(transaction: Transaction) -> None:
        put("taken back")(transaction)
        raise Conflict("no")

    with pytest.raises(Conflict):
        database.write(failing)
    assert keys(database) == set()
    assert database.write(put("next")) == "next"


def test_what_follows_a_commit_sees_it_on_disk(database: Database) -> None:
    seen: list[set[str]] = []

    def write(transaction: Transaction) -> None:
        transaction.after_commit(lambda: seen.append(keys(database)))
        put("a")(transaction)

    database.write(write)
    assert seen == [{"a"}]


def test_what_follows_a_commit_does_not_happen_where_the_operation_failed(database: Database) -> None:
    happened: list[str] = []

    def failing(transaction: Transaction) -> None:
        transaction.after_commit(lambda: happened.append("failed"))
        raise Conflict("no")

    def working(transaction: Transaction) -> None:
        transaction.after_commit(lambda: happened.append("worked"))

    gathered(database, [failing, working])
    assert happened == ["worked"]


def test_trouble_after_a_commit_is_nobody_elses(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """The caller that commits for the others gets neither their exceptions nor keeps them from going on."""
    happened: list[str] = []

    def bad(transaction: Transaction) -> str:
        transaction.after_commit(lambda: 1 // 0)  # type: ignore[arg-type]
        return put("bad")(transaction)

    def good(transaction: Transaction) -> str:
        transaction.after_commit(lambda: happened.append("good"))
        return put("good")(transaction)

    assert gathered(database, [bad, good, put("other")]) == ["bad", "good", "other"]
    assert happened == ["good"]
    assert "ZeroDivisionError" in caplog.text


def test_a_write_is_visible_to_the_same_caller_at_once(database: Database) -> None:
    for number in range(50):
        database.write(put(str(number)))
        assert len(keys(database)) == number + 1


# Readers -------------------------------------------------------------------------------------------------------------


def test_a_reader_sees_one_picture_however_much_is_written_meanwhile(database: Database) -> None:
    database.write(put("a"))
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM farm").fetchone()[0] == 2
        database.write(put("b"))
        assert connection.execute("SELECT count(*) FROM farm").fetchone()[0] == 2
    assert keys(database) == {"a", "b"}


def test_a_reader_never_sees_half_a_transaction(database: Database) -> None:
    stop = threading.Event()
    halves: list[int] = []

    def look() -> None:
        while not stop.is_set():
            with database.read() as connection:
                count = connection.execute("SELECT count(*) FROM farm").fetchone()[0]
                if not count % 2:  # the timeline and pairs
                    halves.append(count)

    def pair(number: int) -> Callable[[Transaction], None]:
        def write(transaction: Transaction) -> None:
            put(f"{number}a")(transaction)
            put(f"{number}b")(transaction)

        return write

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(look) for _ in range(2)]
        for number in range(100):
            database.write(pair(number))
        stop.set()
        for reader in readers:
            reader.result(10)
    assert halves == []


@pytest.mark.parametrize("statement", ["DELETE FROM farm", "INSERT INTO farm VALUES ('a', 'b')", "DROP TABLE farm"])
def test_a_reader_cannot_write(database: Database, statement: str) -> None:
    with database.read() as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute(statement)


def test_a_reader_that_fails_gives_its_connection_back(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError), database.read() as connection:
        connection.execute("SELECT nonsense")
    with database.read() as again:
        assert again is connection


def test_many_readers_at_once_are_all_served(database: Database) -> None:
    gate = threading.Barrier(24)

    def look(_: int) -> int:
        with database.read() as connection:
            gate.wait(10)
            return int(connection.execute("SELECT count(*) FROM farm").fetchone()[0])

    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(look, range(24))) == [1] * 24


# A full disk and a failing one ---------------------------------------------------------------------------------------


def test_a_full_disk_stores_nothing_and_says_so_and_work_goes_on_when_there_is_room(database: Database) -> None:
    database.write(put("before"))
    pages = database._writer.execute("PRAGMA page_count").fetchone()[0]
    database._writer.execute(f"PRAGMA max_page_count = {pages + 3}")

    def large(transaction: Transaction) -> None:
        for number in range(100):
            put(f"large {number}", "x" * 4000)(transaction)

    with pytest.raises(DiskFull, match="nothing was stored"):
        database.write(large)
    assert keys(database) == {"before"}
    database._writer.execute("PRAGMA max_page_count = 1000000")
    database.write(large)
    assert len(keys(database)) == 101


def test_a_full_disk_leaves_no_half_of_anything_in_a_group(database: Database) -> None:
    pages = database._writer.execute("PRAGMA page_count").fetchone()[0]
    database._writer.execute(f"PRAGMA max_page_count = {pages + 3}")

    def large(transaction: Transaction) -> None:
        for number in range(100):
            put(f"large {number}", "x" * 4000)(transaction)

    found = gathered(database, [put("a"), large, put("b")])
    assert isinstance(found[1], DiskFull)
    answered = {each for each in found if isinstance(each, str)}
    assert keys(database) == answered
    assert all(isinstance(each, DiskFull | str) for each in found)
    assert database.write(put("c")) == "c"


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_CORRUPT])
def test_a_disk_that_fails_ends_the_server_so_that_nobody_is_told_a_guess(tmp_path: Path, code: int) -> None:
    """PROMISES 1.4 and 4: after an I/O error of any kind the outcome is unknown."""
    lost: list[str] = []

    def failing(transaction: Transaction) -> None:
        put("a")(transaction)
        problem = sqlite3.OperationalError("disk I/O error")
        problem.sqlite_errorcode = code
        raise problem

    with closing(Database(tmp_path / "farm.db", on_lost=lost.append)) as database:
        with pytest.raises(sqlite3.OperationalError):
            database.write(failing)
        assert keys(database) == set()
    assert len(lost) == 1
    assert "disk I/O error" in lost[0]


def test_without_anybody_to_tell_the_process_ends_with_75(tmp_path: Path) -> None:
    code = (
        "import sqlite3, sys\n"
        "from pathlib import Path\n"
        "from hqserver.store.database import Database\n"
        "def failing(transaction):\n"
        "    problem = sqlite3.OperationalError('disk I/O error')\n"
        "    problem.sqlite_errorcode = sqlite3.SQLITE_IOERR\n"
        "    raise problem\n"
        "Database(Path(sys.argv[1])).write(failing)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "farm.db")], check=False, capture_output=True)
    assert ended.returncode == 75


# The end -------------------------------------------------------------------------------------------------------------


def test_after_the_end_a_write_is_told_that_the_server_shuts_down(tmp_path: Path) -> None:
    database = Database(tmp_path / "farm.db")
    database.close()
    with pytest.raises(Busy, match="shutting down"):
        database.write(put("a"))
    database.close()


def test_the_end_folds_the_log_into_the_file(tmp_path: Path) -> None:
    database = Database(tmp_path / "farm.db")
    database.write(put("a"))
    with database.read() as connection:
        connection.execute("SELECT 1").fetchone()
    database.close()
    assert {path.name for path in tmp_path.iterdir()} == {"farm.db", "id.floor"}


def test_writes_that_wait_when_the_end_comes_are_done_or_refused_never_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    database = Database(path)
    answered: set[str] = set()

    def work(number: int) -> None:
        for each in range(1000):
            try:
                answered.add(database.write(put(f"{number}-{each}")))
            except Busy:
                return
        raise AssertionError("the end never came")

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work, number) for number in range(4)]
        while len(answered) < 20:
            pass
        database.close()
        for future in futures:
            future.result(10)
    with closing(Database(path)) as again:
        assert keys(again) == answered


WRITER = """
import sys, threading
from pathlib import Path
from hqserver.store.database import Database
database = Database(Path(sys.argv[1]))
lock = threading.Lock()
def work(start):
    for number in range(start, 10**9, 4):
        key = f"{sys.argv[2]}-{number}"
        database.write(lambda t: t.connection.execute("INSERT INTO farm VALUES (?, 'x')", (key,)))
        with lock:
            sys.stdout.write(key + "\\n")
            sys.stdout.flush()
for start in range(4):
    threading.Thread(target=work, args=[start], daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.slow
def test_a_server_killed_at_any_moment_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """P1, T1 in small: SIGKILL after a random number of acknowledged writes, again and again on the same file."""
    path = tmp_path / "farm.db"
    acknowledged: set[str] = set()
    chance = random.Random(7)
    for round_ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(round_)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 400)):
            acknowledged.add(process.stdout.readline().strip())
        process.kill()
        acknowledged.update(line.strip() for line in process.stdout if line.endswith("\n"))
        process.stdout.close()
        process.wait(10)
    with closing(Database(path)) as database:
        assert acknowledged <= keys(database)
        with database.read() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert len(acknowledged) > 100
