"""Rates: how much may be started in a minute (CONTRACT 10, Limits)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqserver.domain.rate import RATE_SECONDS, Starts
from hqserver.domain.resources import UNCOUNTED, Counting, Stock, Supply

SUPPLIES = {
    "api": Supply(3, Counting.RATE),
    "open": Supply(UNCOUNTED, Counting.RATE),
    "shut": Supply(0, Counting.RATE),
    "seat": Supply(2),
}


def test_starts_of_the_last_minute_count_and_no_others() -> None:
    stock = Stock(SUPPLIES, starts=[("api", 59.9, 2), ("api", 60.0, 5), ("open", 1.0, 99)])
    assert stock.why_not([("api", 1)], "alpha") == ""
    assert stock.why_not([("api", 2)], "alpha") == "rate of 'api': 2 of 3 starts in the last minute; again in 1 s"
    assert stock.where([("api", 1)]) is None
    assert stock.where([("api", 2)]) == frozenset()
    assert stock.why_not([("open", 7)], "alpha") == ""


def test_it_says_when_enough_will_have_passed() -> None:
    stock = Stock(SUPPLIES, starts=[("api", 50.0, 1), ("api", 20.0, 1), ("api", 5.0, 1)])
    waits = [stock.why_not([("api", amount)], "alpha").rpartition("again ")[2] for amount in (1, 2, 3)]
    assert waits == ["in 10 s", "in 40 s", "in 55 s"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("api", "rate of 'api': it needs 4 starts a minute, the farm has 3"),
        ("shut", "resource 'shut', of which the farm has none"),
    ],
)
def test_what_never_comes_is_said(name: str, sentence: str) -> None:
    stock = Stock(SUPPLIES)
    assert stock.why_not([(name, 4)], "alpha") == sentence
    assert stock.where([(name, 4)]) == frozenset()


def test_a_rate_is_taken_by_a_start_and_held_by_nobody() -> None:
    stock = Stock(SUPPLIES)
    wanted = [("api", 2), ("seat", 1)]
    assert stock.share(wanted, first=True) == [("seat", 1)]
    assert stock.start(wanted) == [("api", 2)]
    assert "2 of 3 starts" in stock.why_not([("api", 2)], "alpha")
    assert stock.why_not([("api", 1)], "alpha") == ""


@given(st.lists(st.tuples(st.floats(0, 70), st.integers(1, 3)), max_size=8), st.integers(1, 4))
def test_the_wait_that_is_told_is_long_enough_and_not_a_second_longer(
    starts: list[tuple[float, int]], amount: int
) -> None:
    told = Starts(("x", age, taken) for age, taken in starts).why_not("x", amount, 4)
    if not told:
        return
    seconds = int(told.rpartition("again in ")[2].removesuffix(" s"))
    assert 1 <= seconds <= RATE_SECONDS

    def later(by: float) -> str:
        return Starts(("x", age + by, taken) for age, taken in starts).why_not("x", amount, 4)

    assert later(seconds) == ""
    assert seconds == 1 or later(seconds - 1) != ""
