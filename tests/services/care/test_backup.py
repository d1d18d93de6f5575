"""Copies every hour and every day, those that are kept, and the one that is named when the database is damaged."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from farm_kit import SetClock

from hqserver.services.care import backup
from hqserver.services.farm import Farm

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def names(folder: Path, kind: str) -> list[str]:
    return sorted(path.name for path in folder.glob(f"{kind}-*"))


def keep(farm: Farm, folder: Path, at: datetime) -> None:
    backup.keep_copies(farm.database, folder, at.timestamp(), lambda: True)


def test_a_copy_is_made_when_the_newest_is_an_hour_old(farm: Farm, tmp_path: Path) -> None:
    for minutes in (0, 1, 59, 60, 61, 125):
        keep(farm, tmp_path / "copies", START + timedelta(minutes=minutes))
    assert names(tmp_path / "copies", "hourly") == [
        "hourly-20260301T120000Z.db",
        "hourly-20260301T130000Z.db",
        "hourly-20260301T140500Z.db",
    ]
    assert names(tmp_path / "copies", "daily") == ["daily-20260301T120000Z.db"]


def test_24_hourly_and_7_daily_copies_are_kept(farm: Farm, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    asked = backup.back_up(farm.database, folder, START.timestamp(), None, lambda: True)
    for day in range(9):
        for hour in range(0, 24, 6 if day < 7 else 1):
            keep(farm, folder, START + timedelta(days=day, hours=hour))
    hourly, daily = names(folder, "hourly"), names(folder, "daily")
    assert (len(hourly), hourly[-1]) == (24, "hourly-20260310T110000Z.db")
    assert daily == [f"daily-202603{day:02}T120000Z.db" for day in range(3, 10)]
    assert asked.exists()
    assert all(backup.newest_good(folder) == folder / hourly[-1] for _ in range(2))


def test_a_clock_that_was_ahead_does_not_stop_the_copies(farm: Farm, tmp_path: Path) -> None:
    keep(farm, tmp_path / "copies", START + timedelta(days=400))
    keep(farm, tmp_path / "copies", START)
    assert "hourly-20260301T120000Z.db" in names(tmp_path / "copies", "hourly")


def test_a_clock_that_is_set_back_by_an_hour_does_not_push_older_copies_out(farm: Farm, tmp_path: Path) -> None:
    """T15, P11: it is asked every minute, and the newest copy is of a time to come."""
    folder = tmp_path / "copies"
    for hour in range(5):
        keep(farm, folder, START + timedelta(hours=hour))
    before = names(folder, "hourly")
    for minute in range(2, 62):
        keep(farm, folder, START + timedelta(hours=3, minutes=minute))
    assert names(folder, "hourly") == before
    assert len(names(folder, "daily")) == 1


def test_copies_of_a_time_to_come_make_room_in_the_end(farm: Farm, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    for hour in range(24):
        keep(farm, folder, START + timedelta(days=400, hours=hour))
    for hour in range(24):
        keep(farm, folder, START + timedelta(hours=hour))
    assert all(name.startswith(("hourly-20260301", "hourly-20260302")) for name in names(folder, "hourly"))


def test_without_links_the_daily_copy_is_a_file_of_its_own(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", no_links)
    keep(farm, tmp_path / "copies", START)
    (daily,) = (tmp_path / "copies").glob("daily-*")
    assert daily.stat().st_nlink == 1
    assert backup.newest_good(tmp_path / "copies") is not None


def test_a_copy_that_fails_is_an_error_that_people_see(
    farm: Farm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "copies").write_text("no folder")
    with caplog.at_level(logging.ERROR):
        keep(farm, tmp_path / "copies", START)
    assert "the hourly copy of the database failed" in caplog.text


def test_the_newest_good_copy_is_named_not_the_newest(farm: Farm, tmp_path: Path, clock: SetClock) -> None:
    folder = tmp_path / "copies"
    assert backup.newest_good(folder) is None
    for hour in range(3):
        keep(farm, folder, START + timedelta(hours=hour))
    (folder / "hourly-20260301T140000Z.db").write_bytes(b"\0" * 10_000)
    (folder / "hourly-zzz.db").write_bytes(b"not a copy of ours")
    assert backup.newest_good(folder) == folder / "hourly-20260301T130000Z.db"


def test_what_an_interrupted_copy_left_is_removed(tmp_path: Path) -> None:
    backup.remove_unfinished(tmp_path / "none")
    for name in ("hourly-x.db.partial", "hourly-x.db.partial-journal", "hourly-20260301T120000Z.db"):
        (tmp_path / name).touch()
    backup.remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["hourly-20260301T120000Z.db"]
