"""Locks: one holder at a time, leases by the server's monotonic clock, restarts, bounds (CONTRACT 10)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from farm_kit import Asked, SetClock, restarted

from hqserver.domain import lock
from hqserver.domain.errors import BadParameters, Conflict, TooLarge
from hqserver.domain.event import EventKind
from hqserver.services import locks
from hqserver.services.events import events
from hqserver.services.farm import Farm


def acquired(farm: Farm, name: str = "nightly", seconds: float = 30.0, owner: str = "ana") -> dict[str, Any]:
    found = locks.acquire(farm, name, seconds, owner)
    assert found is not None
    return found


def names(farm: Farm) -> list[str]:
    return [each["name"] for each in locks.listed(farm, None)]


def rows(farm: Farm) -> int:
    with farm.database.read() as connection:
        return int(connection.execute("SELECT count(*) FROM lock").fetchone()[0])


def broken(farm: Farm) -> list[str]:
    found = events.get_events(farm, 0, 100, {"kind": str(EventKind.LOCK)})["events"]
    assert all(each["now"] == "broken" for each in found)
    return [each["reason"] for each in found]


def test_a_lock_has_one_holder_until_it_is_released(farm: Farm) -> None:
    held = acquired(farm)
    assert locks.acquire(farm, "nightly", 30, "ben") is None
    assert acquired(farm, "another", owner="ben")["token"] != held["token"]
    assert locks.release(farm, "nightly", held["token"]) is True
    assert locks.release(farm, "nightly", held["token"]) is False
    theirs = acquired(farm, owner="ben")
    assert theirs["token"] != held["token"]
    assert locks.release(farm, "nightly", held["token"]) is False, "an old token lets nothing go"
    assert locks.renew(farm, "nightly", held["token"], 30) is None
    assert locks.listed(farm, ["nightly"])[0]["owner"] == "ben"


def test_only_one_of_many_that_ask_at_once_gets_it(farm: Farm) -> None:
    """P4's spirit: the database decides."""
    count = 16
    start = Barrier(count)

    def ask(number: int) -> dict[str, Any] | None:
        start.wait()
        return locks.acquire(farm, "nightly", 30, f"owner {number}")

    for _ in range(5):
        with ThreadPoolExecutor(count) as threads:
            answers = [each for each in threads.map(ask, range(count)) if each is not None]
        (winner,) = answers
        assert locks.listed(farm, None)[0]["owner"] == winner["owner"]
        assert locks.release(farm, "nightly", winner["token"])


def test_its_owner_may_ask_again_and_keeps_the_token(farm: Farm, clock: SetClock) -> None:
    """P2: a call whose answer was lost is repeated."""
    first = acquired(farm, seconds=30)
    clock.advance(20)
    second = acquired(farm, seconds=60)
    assert (second["token"], second["since"]) == (first["token"], first["since"])
    assert second["until"] - first["until"] == timedelta(seconds=50)
    clock.advance(59)
    assert locks.acquire(farm, "nightly", 30, "ben") is None


def test_a_lock_ends_with_its_lease(farm: Farm, clock: SetClock) -> None:
    held = acquired(farm, seconds=30)
    clock.advance(29.9)
    assert locks.acquire(farm, "nightly", 30, "ben") is None
    assert names(farm) == ["nightly"]
    clock.advance(0.1)
    assert names(farm) == []
    assert locks.renew(farm, "nightly", held["token"], 30) is None
    theirs = acquired(farm, owner="ben")
    assert locks.release(farm, "nightly", held["token"]) is False
    assert locks.renew(farm, "nightly", theirs["token"], None) is not None


def test_a_lock_whose_lease_is_over_is_not_released_nor_broken(farm: Farm, clock: SetClock) -> None:
    held = acquired(farm, seconds=5)
    clock.advance(5)
    assert locks.break_lock(farm, "nightly", "eve") is False
    assert broken(farm) == []
    held = acquired(farm, seconds=5)
    clock.advance(5)
    assert locks.release(farm, "nightly", held["token"]) is False
    again = acquired(farm, seconds=5)
    assert again["token"] != held["token"], "whoever had it before may have missed that it was lost"


def test_renewing_counts_from_then_on_and_may_change_the_lease(farm: Farm, clock: SetClock) -> None:
    held = acquired(farm, seconds=30)
    for _ in range(5):
        clock.advance(20)
        renewed = locks.renew(farm, "nightly", held["token"], None)
        assert renewed is not None
        assert (renewed["token"], renewed["seconds"]) == (held["token"], 30)
    shorter = locks.renew(farm, "nightly", held["token"], 2)
    assert shorter is not None
    assert shorter["seconds"] == 2
    clock.advance(2)
    assert names(farm) == []


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_neither_ends_a_lock_nor_keeps_it(farm: Farm, clock: SetClock, step: float) -> None:
    """P11."""
    held = acquired(farm, seconds=30)
    clock.wall += step
    locks.forget_ended(farm)
    assert locks.acquire(farm, "nightly", 30, "ben") is None
    assert locks.listed(farm, None)[0]["until"] - held["until"] == timedelta(seconds=step), "for people, by the clock"
    clock.advance(30)
    assert names(farm) == []
    acquired(farm, owner="ben")


def test_a_restart_keeps_locks_and_begins_their_leases_anew(farm: Farm, clock: SetClock, asked: Asked) -> None:
    """PROMISES 2.2: after a restart of the server every clock starts anew."""
    held = acquired(farm, seconds=30)
    clock.advance(20)
    with restarted(farm, clock, asked) as again:
        clock.steady = 7.0  # the machine was started anew as well, an hour later
        clock.wall += 3600
        locks.begin_anew(again)
        assert locks.acquire(again, "nightly", 30, "ben") is None
        clock.advance(29)
        renewed = locks.renew(again, "nightly", held["token"], None)
        assert renewed is not None
        assert (renewed["token"], renewed["since"]) == (held["token"], held["since"])
        clock.advance(30)
        assert names(again) == []


def test_a_restart_without_locks_writes_nothing(farm: Farm, clock: SetClock) -> None:
    before = farm.database._writer.total_changes
    locks.begin_anew(farm)
    acquired(farm)
    locks.begin_anew(farm)
    assert farm.database._writer.total_changes == before + 2


def test_breaking_a_lock_is_told_in_the_journal(farm: Farm) -> None:
    held = acquired(farm)
    assert locks.break_lock(farm, " nightly ", "eve") is True
    assert locks.break_lock(farm, "nightly", "eve") is False
    assert broken(farm) == ["nightly: taken from ana by eve"]
    assert locks.renew(farm, "nightly", held["token"], 30) is None
    acquired(farm, owner="ben")


def test_locks_are_listed_by_name_without_their_tokens(farm: Farm) -> None:
    for name in ("c", "a", "b"):
        acquired(farm, name)
    assert names(farm) == ["a", "b", "c"]
    found = locks.listed(farm, ["c", " a", "unknown"])
    assert [each["name"] for each in found] == ["a", "c"]
    assert set(found[0]) == {"name", "owner", "seconds", "since", "until"}
    assert locks.listed(farm, []) == []
    with pytest.raises(TooLarge, match="10001 names"):
        locks.listed(farm, ["x"] * (lock.MOST_LOCKS + 1))


def test_locks_whose_lease_is_over_are_forgotten(farm: Farm, clock: SetClock) -> None:
    acquired(farm, "short", seconds=5)
    acquired(farm, "long", seconds=50)
    clock.advance(5)
    locks.forget_ended(farm)
    assert (rows(farm), names(farm)) == (1, ["long"])


def test_there_is_a_bound_on_the_number_of_locks(farm: Farm, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "MOST_LOCKS", 3)
    for number in range(3):
        acquired(farm, str(number), seconds=10 + number)
    with pytest.raises(Conflict, match="3 locks are held"):
        locks.acquire(farm, "one more", 30, "ana")
    acquired(farm, "0", seconds=10)
    clock.advance(11)
    acquired(farm, "one more")
    assert names(farm) == ["2", "one more"]


@pytest.mark.parametrize(
    ("name", "seconds", "owner", "words"),
    [
        ("", 30, "ana", "name must have from 1 to 255 characters, not 0"),
        ("   ", 30, "ana", "name must have"),
        ("x" * 256, 30, "ana", "not 256"),
        ("a\nb", 30, "ana", "name must not hold a control character"),
        ("a\ud800", 30, "ana", "name must not hold a control character"),
        ("a", 30, "", "owner must have"),
        ("a", 30, "b\x1b[31m", "owner must not hold"),
        ("a", 0, "ana", "seconds must be from 1 to 86400, not 0"),
        ("a", -1, "ana", "not -1"),
        ("a", 86_401, "ana", "not 86401: a lock that is needed for longer is renewed"),
        ("a", float("nan"), "ana", "not nan"),
    ],
)
def test_what_is_no_lock_is_refused(farm: Farm, name: str, seconds: float, owner: str, words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        locks.acquire(farm, name, seconds, owner)
    assert rows(farm) == 0


def test_names_of_all_kinds_are_one_lock_each(farm: Farm) -> None:
    for name in ("a,b", "née", "'; DROP TABLE lock --", "x" * 255, "job 1", "Job 1", "%", "{}"):
        acquired(farm, name)
        assert [each["name"] for each in locks.listed(farm, [name])] == [name]
    assert len(names(farm)) == 8
