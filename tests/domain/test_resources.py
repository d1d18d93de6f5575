"""Counted resources (CONTRACT 5.6)."""

from __future__ import annotations

import pytest

from hqserver.domain.resources import UNCOUNTED, Counting, Stock, Supply

SUPPLIES = {
    "job": Supply(3),
    "machine": Supply(2, Counting.MACHINE),
    "free": Supply(UNCOUNTED, Counting.MACHINE),
    "none": Supply(0, Counting.MACHINE),
}


def test_amounts_counted_per_job_add_up() -> None:
    stock = Stock(SUPPLIES, [("alpha", "job", 1)])
    assert stock.why_not([("job", 2)], "beta") == ""
    stock.take([("job", 2)], "beta")
    assert stock.why_not([("job", 1)], "beta") == "resource 'job': 3 of 3 are in use"
    stock.give_back([("job", 2)], "beta")
    assert stock.why_not([("job", 2)], "gamma") == ""
    assert stock.why_not([("job", 3)], "gamma") == "resource 'job': 1 of 3 are in use"


def test_a_machine_takes_one_however_many_of_its_jobs_need_it() -> None:
    stock = Stock(SUPPLIES, [("alpha", "machine", 1), ("alpha", "machine", 1), ("beta", "machine", 1)])
    assert stock.why_not([("machine", 5)], "alpha") == ""
    assert stock.why_not([("machine", 1)], "gamma") == "resource 'machine': all 2 are in use"
    assert stock.where([("machine", 1)]) == {"alpha", "beta"}
    stock.give_back([("machine", 1)], "alpha")
    assert stock.why_not([("machine", 1)], "gamma") != ""
    stock.give_back([("machine", 1)], "alpha")
    assert stock.why_not([("machine", 1)], "gamma") == ""
    assert stock.where([("machine", 1)]) is None


def test_of_what_is_not_counted_there_is_always_enough() -> None:
    stock = Stock(SUPPLIES, [("alpha", "free", 9)])
    assert stock.why_not([("free", 10**6)], "beta") == ""
    assert stock.where([("free", 10**6)]) is None


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ([("jbo", 1)], "resource 'jbo', which the farm does not have; did you mean 'job'?"),
        ([("job", 4)], "resource 'job': it needs 4, the farm has 3"),
        ([("none", 1)], "resource 'none', of which the farm has none"),
        ([("free", 1), ("job", 4)], "resource 'job': it needs 4, the farm has 3"),
    ],
)
def test_what_nobody_can_ever_have_is_said(wanted: list[tuple[str, int]], sentence: str) -> None:
    stock = Stock(SUPPLIES)
    assert stock.why_not(wanted, "alpha") == sentence
    assert stock.where(wanted) == frozenset()


def test_a_job_on_several_clients_takes_its_own_amounts_once_and_a_licence_on_each() -> None:
    stock = Stock(SUPPLIES)
    wanted = [("free", 2), ("job", 2), ("machine", 4)]
    assert stock.share(wanted, first=True) == [("free", 1), ("job", 2), ("machine", 1)]
    assert stock.share(wanted, first=False) == [("free", 1), ("machine", 1)]


def test_machines_that_are_to_run_together_share_what_is_left() -> None:
    stock = Stock(SUPPLIES, [("alpha", "machine", 1)])
    together = stock.machines_together([("machine", 1), ("free", 1)], ["beta", "gamma", "beta", "alpha"])
    assert together == [True, False, True, True]
    assert stock.machines_together([("job", 1)], ["beta", "gamma"]) == [True, True]
