"""The dispatch loop: an ask is never lost, and no clock stops it (DESIGN, Dispatch; PROMISES 1.2, P11)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from farm_kit import SetClock

from hqserver import ticks as ticks_module
from hqserver.clock import SystemClock
from hqserver.ticks import Ticks


def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


class Dispatcher:
    """Takes away what waits at the moment a pass begins, as a pass over the queue does."""

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        self.passes = 0
        self.at_once = 0
        self.overlaps = 0
        self.lock = threading.Lock()

    def put(self, name: str) -> None:
        with self.lock:
            self.waiting.add(name)

    def dispatch(self) -> bool:
        with self.lock:
            self.passes += 1
            self.at_once += 1
            self.overlaps += self.at_once > 1
            self.waiting.clear()
        time.sleep(0.0002)
        with self.lock:
            self.at_once -= 1
        return False


@pytest.fixture
def rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No safety interval comes to the rescue of an ask that was lost."""
    monkeypatch.setattr(ticks_module, "_PASS_SECONDS", 3600.0)


@pytest.fixture
def ticks() -> Iterator[Ticks]:
    found = Ticks(SystemClock())
    yield found
    found.stop()


def test_an_idle_farm_begins_a_pass_when_it_is_asked_and_not_at_the_next_tick(rare: None, ticks: Ticks) -> None:
    dispatcher = Dispatcher()
    ticks.start(dispatcher.dispatch, [])
    for number in range(20):
        dispatcher.put(str(number))
        ticks.ask_for_pass()
        wait_until(lambda: not dispatcher.waiting)


def test_no_ask_is_ever_lost_however_many_threads_ask(rare: None, ticks: Ticks) -> None:
    """Whatever moment of a pass an ask falls into, a pass begins after it."""
    dispatcher = Dispatcher()
    ticks.start(dispatcher.dispatch, [])
    slowest = [0.0] * 6

    def ask(number: int) -> None:
        for each in range(60):
            name = f"{number}-{each}"
            dispatcher.put(name)
            began = time.monotonic()
            ticks.ask_for_pass()
            wait_until(lambda name=name: name not in dispatcher.waiting, 20)  # type: ignore[misc]
            slowest[number] = max(slowest[number], time.monotonic() - began)
            time.sleep((each % 7) / 3000)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dispatcher.waiting == set()
    assert dispatcher.overlaps == 0, "two passes at once"
    assert dispatcher.passes > 10


def test_an_ask_during_a_pass_makes_another_follow_it(rare: None, ticks: Ticks) -> None:
    inside, go, passes = threading.Event(), threading.Event(), []

    def dispatch() -> bool:
        passes.append(1)
        inside.set()
        assert go.wait(10)
        return False

    ticks.start(dispatch, [])
    ticks.ask_for_pass()
    assert inside.wait(10)
    for _ in range(5):
        ticks.ask_for_pass()
    go.set()
    wait_until(lambda: len(passes) == 2)


def test_a_pass_that_found_more_to_do_is_repeated_at_once(rare: None, ticks: Ticks) -> None:
    left = [3]

    def dispatch() -> bool:
        left[0] -= 1
        return left[0] > 0

    ticks.start(dispatch, [])
    ticks.ask_for_pass()
    wait_until(lambda: left[0] == 0)


def test_an_ask_before_the_start_is_answered_after_it(rare: None, ticks: Ticks) -> None:
    dispatcher = Dispatcher()
    dispatcher.put("early")
    ticks.ask_for_pass()
    ticks.start(dispatcher.dispatch, [])
    wait_until(lambda: not dispatcher.waiting)


@pytest.mark.slow
def test_without_any_ask_a_pass_comes_from_time_to_time(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticks_module, "_PASS_SECONDS", 0.05)
    dispatcher = Dispatcher()
    ticks.start(dispatcher.dispatch, [])
    wait_until(lambda: dispatcher.passes >= 3)


def test_every_tick_runs_at_its_interval(rare: None, ticks: Ticks) -> None:
    counts = {"fast": 0, "slow": 0}

    def count(name: str) -> Callable[[], None]:
        return lambda: counts.update({name: counts[name] + 1})

    ticks.start(lambda: False, [("fast", 0.02, count("fast")), ("slow", 3600, count("slow"))])
    wait_until(lambda: counts["fast"] >= 5)
    assert counts["slow"] == 0
    assert set(ticks.ages()) == {"dispatch", "fast", "slow"}
    assert all(age >= 0 for age in ticks.ages().values())


def test_a_tick_that_fails_is_told_of_and_tried_again(
    rare: None, ticks: Ticks, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def failing() -> None:
        calls.append(1)
        raise RuntimeError("out of paper")

    ticks.start(lambda: False, [("printer", 0.02, failing)])
    wait_until(lambda: len(calls) >= 3)
    assert "the tick printer failed" in caplog.text
    assert "out of paper" in caplog.text


def test_a_pass_that_fails_is_tried_again(rare: None, ticks: Ticks, caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    def failing() -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no")
        return False

    ticks.start(failing, [])
    ticks.ask_for_pass()
    wait_until(lambda: len(calls) == 1)
    wait_until(lambda: "the tick dispatch failed" in caplog.text)
    ticks.ask_for_pass()
    wait_until(lambda: len(calls) >= 2)


def test_a_wall_clock_that_stepped_back_does_not_stop_the_ticks(rare: None, caplog: pytest.LogCaptureFixture) -> None:
    """After a step back APScheduler's next run lies far ahead; the watchdog counts by the clock that never jumps."""
    clock = SetClock()
    ticks = Ticks(clock)
    dispatcher, flushed = Dispatcher(), threading.Event()
    ticks.start(dispatcher.dispatch, [("flush", 3600.0, flushed.set)])
    try:
        with caplog.at_level(logging.WARNING):
            for name in ("dispatch", "flush"):
                ticks._scheduler.modify_job(name, next_run_time=datetime.now(UTC) + timedelta(hours=30))
            assert dispatcher.passes == 0
            clock.advance(3600 + 2)
            wait_until(lambda: dispatcher.passes > 0 and flushed.is_set())
        for name in ("dispatch", "flush"):
            assert f"the tick {name} is overdue: the clock has stepped back, its next run was 10" in caplog.text
    finally:
        ticks.stop()


def test_a_pass_asked_for_comes_even_when_the_next_run_lies_far_ahead(rare: None, ticks: Ticks) -> None:
    dispatcher = Dispatcher()
    ticks.start(dispatcher.dispatch, [])
    ticks._scheduler.modify_job("dispatch", next_run_time=datetime.now(UTC) + timedelta(hours=30))
    ticks.ask_for_pass()
    wait_until(lambda: dispatcher.passes > 0)


def test_the_end_waits_for_the_pass_that_runs_and_begins_no_other(rare: None) -> None:
    ticks = Ticks(SystemClock())
    inside, ended = threading.Event(), []

    def dispatch() -> bool:
        inside.set()
        time.sleep(0.05)
        ended.append(1)
        return True

    ticks.start(dispatch, [])
    ticks.ask_for_pass()
    assert inside.wait(10)
    ticks.stop()
    assert len(ended) == 1
    ticks.ask_for_pass()
    assert len(ended) == 1


def test_ticks_that_never_started_end_at_once() -> None:
    ticks = Ticks(SystemClock())
    ticks.ask_for_pass()
    ticks.stop()


def test_a_tick_that_takes_long_is_not_taken_for_one_that_fell_asleep(ticks: Ticks) -> None:
    """A copy of the database may take minutes; the watchdog asks only for what nobody is at."""
    begun, go = threading.Event(), threading.Event()

    def copy() -> None:
        begun.set()
        go.wait(10)

    ticks.start(lambda: False, [("copy", 0.05, copy)])
    assert begun.wait(10)
    now = ticks._clock.monotonic()
    assert not ticks._ticks["copy"].late(now + 1000)
    go.set()
    wait_until(lambda: ticks._ticks["copy"].late(now + 1000))


@pytest.mark.slow
def test_a_tick_that_waited_long_is_not_said_to_be_late_when_it_ends(
    rare: None, caplog: pytest.LogCaptureFixture
) -> None:
    """While a long transaction is written every other writer waits: no clock has stepped, and no tick fell asleep."""
    clock = SetClock()
    ticks = Ticks(clock)
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def flush() -> None:
        begun.set()
        assert go.wait(10)
        ended.set()

    ticks.start(lambda: False, [("flush", 1800.0, flush)])
    try:
        with caplog.at_level(logging.WARNING):
            ticks._kick("flush")
            assert begun.wait(10)
            clock.advance(1800 + 50)
            wait_until(lambda: "the tick flush has been running for 1850 s: a long write" in caplog.text)
            go.set()
            wait_until(lambda: ended.is_set() and not ticks._ticks["flush"].running)
            assert not ticks._ticks["flush"].late(clock.monotonic() + 1800)
            clock.advance(1802)  # and then it is due again
            ended.clear()
            ticks._scheduler.modify_job("flush", next_run_time=datetime.now(UTC) + timedelta(seconds=1700))
            wait_until(ended.is_set)
        assert caplog.text.count("the tick flush has been running") == 1
        assert "the tick flush is overdue, which a busy machine makes it" in caplog.text
        assert "stepped back" not in caplog.text
    finally:
        go.set()
        ticks.stop()


@pytest.mark.slow
def test_a_tick_that_waits_for_others_to_end_is_not_said_to_be_late(
    rare: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So many are at work, all waiting for the same write, that it cannot begin; it does when one of them ends."""
    monkeypatch.setattr(ticks_module, "_TICKS_AT_ONCE", 2)
    clock = SetClock()
    ticks = Ticks(clock)
    inside, go, ran = threading.Semaphore(0), threading.Event(), threading.Event()

    def wait() -> None:
        inside.release()
        assert go.wait(10)

    ticks.start(lambda: False, [("one", 3600.0, wait), ("two", 3600.0, wait), ("flush", 1.0, ran.set)])
    try:
        with caplog.at_level(logging.WARNING):
            for name in ("one", "two"):
                ticks._kick(name)
            assert inside.acquire(timeout=10) and inside.acquire(timeout=10)
            ran.clear()
            clock.advance(60)
            looks = threading.Semaphore(0)
            monkeypatch.setattr(clock, "monotonic", _counted(clock.monotonic, looks))
            for _ in range(3):
                assert looks.acquire(timeout=10)  # the watchdog has looked, and said nothing
            assert "flush is overdue" not in caplog.text
            go.set()
            wait_until(ran.is_set)
    finally:
        go.set()
        ticks.stop()


def _counted(function: Callable[[], float], calls: threading.Semaphore) -> Callable[[], float]:
    def call() -> float:
        calls.release()
        return function()

    return call
