"""The sentences of `waitingFor`, on a small farm and on a large one (CONTRACT 1.3, 10 Why)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hqserver.domain.conditions import ClientFacts, Condition
from hqserver.domain.placement import Board, Seat, Wanted
from hqserver.domain.requirement import Requirement
from hqserver.domain.resources import Counting, Stock, Supply
from hqserver.domain.waiting import ITS_TURN, why_waiting


def farm_of(count: int, *, cpus: int = 4, platform: str = "linux-x86_64", **differences: Any) -> list[Seat]:
    """So many clients that are alike."""
    facts = ClientFacts("node", "", platform, cpus, 1, frozenset())
    return [Seat(0, facts, taking="why_not" not in differences, **differences) for _ in range(count)]


def why(seats: list[Seat], stock: Stock | None = None, blocked: frozenset[int] = frozenset(), **wanted: Any) -> str:
    """What work that requires this waits for among these clients, which are called `node1`, `node2`, ..."""
    for number, seat in enumerate(seats, start=1):
        seat.client_id, seat.facts = number, replace(seat.facts, hostname=f"node{number}")
    return why_waiting(Board(seats, stock), Wanted(7, Requirement(**wanted), blocked))


def test_of_a_farm_without_clients_work_waits_for_one() -> None:
    assert why([]) == "no client is registered with the farm"


def test_what_nothing_keeps_from_a_client_waits_its_turn() -> None:
    assert why(farm_of(1)) == ITS_TURN
    assert why(farm_of(1, cpus_used=4, spare=1)) == ITS_TURN
    assert why(farm_of(2), min_hosts=2, max_hosts=2) == ITS_TURN


def test_one_client_that_cannot_run_it_says_why() -> None:
    assert why(farm_of(1), cpus=9) == "node1 has 4 CPUs, the job needs 9"
    assert why(farm_of(1, why_not="is disabled")) == "node1 is disabled"


def test_of_few_clients_each_says_why() -> None:
    seats = farm_of(1, why_not="is disabled") + farm_of(1)
    assert why(seats, cpus=8) == "no client can run it: node1 is disabled; node2 has 4 CPUs, the job needs 8"


def test_of_many_clients_those_that_say_the_same_are_counted() -> None:
    seats = [*farm_of(480, why_not="is disabled"), *farm_of(19), *farm_of(1, platform="windows-x86_64")]
    where = (Condition("os", "==", ("macosx",)),)
    assert why(seats, conditions=where) == (
        "no client can run it: 480 clients are disabled; 20 clients do not meet os == macosx"
    )
    assert why(seats, platforms=("windows",), cpus=9) == (
        "no client can run it: 480 clients are disabled; "
        "19 clients are linux-x86_64 and the job has a command for windows only; node500 has 4 CPUs, the job needs 9"
    )


def test_of_many_reasons_the_three_most_common_are_told() -> None:
    seats = [seat for reason in "abcdef" for seat in farm_of(ord(reason) - 94, why_not=f"is {reason}")]
    assert why(seats) == ("no client can run it: 8 clients are f; 7 clients are e; 6 clients are d; and 12 more")


def test_of_full_clients_few_are_named_and_many_are_counted() -> None:
    assert why(farm_of(1, cpus_used=4)) == "free CPUs on node1"
    assert why(farm_of(3, cpus_used=3), cpus=2) == "2 free CPUs on node1, node2, node3"
    assert why(farm_of(2, cpus_used=1), cpus=0) == "all CPUs of node1, node2"
    assert why(farm_of(500, cpus_used=4)) == "free CPUs on one of 500 clients"
    assert why(farm_of(500, cpus_used=1), cpus=0) == "all CPUs of one of 500 clients"


def test_clients_that_cannot_run_it_are_left_out_of_what_it_waits_for() -> None:
    assert why([*farm_of(1, cpus_used=4), *farm_of(9, why_not="is disabled")]) == "free CPUs on node1"


def test_different_obstacles_are_told_one_by_one_or_counted() -> None:
    full, held, tagged = farm_of(1, cpus_used=4), farm_of(1, held_for=8), farm_of(1, live_runs=1)
    tagged[0].sharing.add("single")
    assert why([*full, *held, *tagged]) == (
        "node1 has 0 of 4 CPUs free, the job needs 1; node2 is held for job 8; "
        "node3 runs a job that shares its machine with nothing"
    )
    many = [*farm_of(40, cpus_used=4), *farm_of(50, held_for=8), *farm_of(60, sharing={"single"}), *farm_of(9, cpus=2)]
    assert why(many, cpus=3) == (
        "60 clients run a job that shares its machine with nothing; 50 clients are held for job 8; "
        "40 clients have too few CPUs free"
    )


def test_a_resource_that_nobody_could_get_is_the_reason_whatever_else_is() -> None:
    stock = Stock(
        {"plugin": Supply(2), "house": Supply(1, Counting.MACHINE)}, [("x", "plugin", 2), ("node2", "house", 1)]
    )
    assert why(farm_of(500, cpus_used=4), stock, resources=(("plugin", 1),)) == "resource 'plugin': 2 of 2 are in use"
    assert why(farm_of(1), stock, resources=(("plugni", 1),)) == (
        "resource 'plugni', which the farm does not have; did you mean 'plugin'?"
    )
    beside = [*farm_of(1), *farm_of(1, cpus_used=4)]
    assert why(beside, stock, resources=(("house", 1),)) == (
        "node1 lacks resource 'house': all 1 are in use; node2 has 0 of 4 CPUs free, the job needs 1"
    )


def test_blocked_clients_are_told() -> None:
    assert why(farm_of(1), blocked=frozenset({1})) == "node1 is blocked for this job: too much of it failed there"
    assert why(farm_of(500), blocked=frozenset(range(1, 501))) == (
        "500 clients are blocked for this job: too much of it failed there"
    )


def test_a_job_for_several_says_how_many_there_are() -> None:
    pair: dict[str, Any] = {"min_hosts": 3, "max_hosts": 3}
    assert why(farm_of(2), **pair) == "3 clients together, but only 2 can run it"
    assert why(farm_of(3), blocked=frozenset({1}), **pair) == "3 clients together, but only 2 can run it"
    assert why([*farm_of(2), *farm_of(9, cpus_used=4)], **pair) == "3 clients together, of which 2 are free"
    assert why([*farm_of(1), *farm_of(9, cpus_used=4)], **pair) == "3 clients together, of which 1 is free"
    assert why(farm_of(9, cpus_used=4), **pair) == "3 clients together, of which none are free"
    assert why(farm_of(9), cpus=5, **pair) == "no client can run it: 9 clients have 4 CPUs, the job needs 5"
    stock = Stock({"house": Supply(2, Counting.MACHINE)})
    assert why(farm_of(9), stock, resources=(("house", 1),), **pair) == "3 machines that can have 'house' at once"
