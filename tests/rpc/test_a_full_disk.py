"""A disk that is full, by SQLite's own limit: new work is refused, what clients report is taken (P12, T6)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm, submit

from hqserver.domain.errors import DiskFull
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.retries import Retries
from hqserver.store.calls import CallBook
from hqserver.store.database import Transaction
from hqserver.store.room import Room


class SmallDisk:
    """A farm whose database has a few pages left; throwing out the ballast gives it more."""

    def __init__(self, farm: Farm, folder: Path, clock: SetClock):
        self.farm, self.retries = farm, Retries(farm.database, CallBook(folder / "calls.answered"), clock, "boot")
        disk = self

        class Ballast(Room):
            def run_out(self) -> None:
                super().run_out()
                disk.set_pages_left(200)

        farm.database.room = Ballast(folder / "ballast", size=4096)
        farm.database.room.prepare()

    def set_pages_left(self, count: int) -> None:
        writer = self.farm.database._writer
        pages = (
            writer.execute("PRAGMA page_count").fetchone()[0] - writer.execute("PRAGMA freelist_count").fetchone()[0]
        )
        writer.execute(f"PRAGMA max_page_count = {pages + count}")

    def newjob(self, **specification: Any) -> list[int]:
        attempt = self.retries.attempt("10.0.0.1", str(specification).encode())
        try:
            with attempt.once():
                return submission.submit(self.farm, {"name": "x", **specification})
        finally:
            attempt.answered()
            attempt.ended()


@pytest.fixture
def disk(tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy) -> Iterator[SmallDisk]:
    farm = open_farm(tmp_path, clock, asked, policy)
    with closing(farm.database):
        yield SmallDisk(farm, tmp_path, clock)
        check_counters(farm)


def fill(disk: SmallDisk) -> int:
    """Submit until it is refused; how many were taken."""
    disk.set_pages_left(5)
    for count in range(1000):
        try:
            disk.newjob(description="y" * 3000 + str(count))
        except DiskFull as problem:
            assert "full" in str(problem)
            return count
    raise AssertionError("the disk never became full")


def test_new_work_is_refused_and_reports_are_taken(disk: SmallDisk) -> None:
    client = TestClient(disk.farm)
    client.register()
    client.beat()
    job = submit(disk.farm, command="c")
    (order,) = client.fetch()
    fill(disk)
    assert disk.farm.database.room.full
    with pytest.raises(DiskFull, match="nothing new is taken"):
        disk.newjob()
    answer = client.beat(client.ended(order["run"]))
    assert list(answer.results.values()) == ["applied"]
    with disk.farm.database.read() as connection:
        assert connection.execute("SELECT status FROM job WHERE id = ?", (job,)).fetchone()[0] == "succeeded"


def test_with_room_again_new_work_is_taken_without_a_restart(disk: SmallDisk, tmp_path: Path) -> None:
    fill(disk)
    assert not (tmp_path / "ballast").exists()
    disk.set_pages_left(100_000)
    disk.farm.database.room.look()
    assert disk.newjob(command="c")
    assert (tmp_path / "ballast").exists()


def test_what_was_taken_before_the_disk_was_full_is_all_there(disk: SmallDisk) -> None:
    taken = fill(disk)
    with disk.farm.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchone()[0] == taken


def test_a_report_in_one_group_with_a_submission_is_taken_alone(disk: SmallDisk) -> None:
    """The commit that has no room for both has room for one."""
    database = disk.farm.database
    disk.set_pages_left(0)

    def report(transaction: Transaction) -> str:
        transaction.connection.execute("INSERT INTO farm VALUES ('report', ?)", ("r" * 20_000,))
        return "taken"

    with ThreadPoolExecutor(2) as pool:
        with database._leader:  # both wait for their turn, and get it together
            new_work = pool.submit(disk.newjob, description="z" * 20_000)
            taken = pool.submit(database.write, report)
            while len(database._waiting) < 2:
                pass
        assert taken.result(10) == "taken"
        with pytest.raises(DiskFull):
            new_work.result(10)
