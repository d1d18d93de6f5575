"""One rendering serves all who ask within a second (PROMISES 6.1)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from farm_kit import SetClock

from hqserver.web import WebResponse
from webui.snapshots import Snapshots


class Counting:
    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> WebResponse:
        self.made += 1
        return WebResponse(str(self.made).encode())


def test_a_page_is_rendered_anew_after_a_second_and_not_before(clock: SetClock) -> None:
    snapshots, render = Snapshots(clock.monotonic), Counting()
    assert snapshots.get("/", render).body == b"1"
    clock.advance(0.9)
    assert snapshots.get("/", render).body == b"1"
    clock.advance(0.1)
    assert snapshots.get("/", render).body == b"2"


def test_pages_that_differ_are_rendered_each(clock: SetClock) -> None:
    snapshots, render = Snapshots(clock.monotonic), Counting()
    assert snapshots.get("/", render).body != snapshots.get("/clients", render).body


def test_threads_that_ask_at_once_wait_for_one_rendering(clock: SetClock) -> None:
    snapshots, render, go = Snapshots(clock.monotonic), Counting(), threading.Barrier(8)

    def ask() -> object:
        go.wait(10)
        return snapshots.get("/", render).body

    with ThreadPoolExecutor(8) as pool:
        answers = [asked.result(10) for asked in [pool.submit(ask) for _ in range(8)]]
    assert answers == [b"1"] * 8


def test_those_who_waited_for_a_slow_rendering_do_not_start_another(clock: SetClock) -> None:
    snapshots, made, waiting = Snapshots(clock.monotonic), Counting(), threading.Event()

    def slow() -> WebResponse:
        second.start()
        waiting.wait(10)
        clock.advance(30)
        return made()

    answers: list[object] = []

    def ask() -> None:
        # Asked before the clock moved: `get` notes the time before it waits.
        monotonic = snapshots._monotonic
        snapshots._monotonic = lambda: (monotonic(), waiting.set())[0]  # type: ignore[func-returns-value]
        answers.append(snapshots.get("/", made).body)

    second = threading.Thread(target=ask)
    assert snapshots.get("/", slow).body == b"1"
    second.join(10)
    assert answers == [b"1"]


def test_a_rendering_that_fails_is_not_kept(clock: SetClock) -> None:
    snapshots = Snapshots(clock.monotonic)

    def broken() -> WebResponse:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        snapshots.get("/", broken)
    assert snapshots.get("/", Counting()).body == b"1"


@pytest.mark.parametrize(("most", "most_bytes"), [(2, 10**6), (10**6, 2)])
def test_no_more_is_kept_than_there_is_room_for(clock: SetClock, most: int, most_bytes: int) -> None:
    snapshots, render = Snapshots(clock.monotonic, most=most, most_bytes=most_bytes), Counting()
    for number in range(50):
        snapshots.get(number, render)
    assert snapshots.get(49, render).body == b"50"
    assert snapshots.get(0, render).body == b"51"
    assert len(snapshots._kept) <= 4
