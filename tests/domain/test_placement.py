"""Who gets what (CONTRACT 3.4, 3.6, 9.5, 9.12, 9.15 to 9.17)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hqserver.domain.conditions import ClientFacts, Condition
from hqserver.domain.placement import Board, Holding, Seat, Wanted, cpus_wanted, refusal
from hqserver.domain.requirement import Requirement, requirement_of
from hqserver.domain.resources import UNCOUNTED, Counting, Stock, Supply
from hqserver.domain.waiting import ITS_TURN, needs, why_waiting


def a_seat(
    client_id: int = 1,
    *,
    hostname: str = "alpha",
    name: str = "",
    platform: str = "linux-x86_64",
    cpus: int = 4,
    cpus_used: int = 0,
    live_runs: int | None = None,
    spare: int = 0,
    load: float = 0.0,
    groups: frozenset[str] = frozenset(),
    why_not: str = "",
    sharing: tuple[str, ...] = (),
    held_for: int | None = None,
) -> Seat:
    return Seat(
        client_id=client_id,
        facts=ClientFacts(hostname, name, platform, cpus, 16_000_000, groups),
        cpus_used=cpus_used,
        live_runs=cpus_used if live_runs is None else live_runs,
        spare=spare,
        load=load,
        taking=not why_not,
        why_not=why_not,
        sharing=set(sharing),
        held_for=held_for,
    )


def wanted(requirement: Requirement | None = None, **more: Any) -> Wanted:
    return Wanted(7, requirement or Requirement(), **more)


def chosen(requirement: Requirement, *seats: Seat, stock: Stock | None = None, **more: Any) -> int | None:
    seat = Board(seats, stock).choose(wanted(requirement, **more))
    return None if seat is None else seat.client_id


def test_work_fits_where_enough_cpus_are_free() -> None:
    assert chosen(Requirement(2), a_seat(cpus_used=2)) == 1
    assert chosen(Requirement(3), a_seat(cpus_used=2)) is None


def test_cpus_nought_takes_the_whole_machine_and_needs_it_empty() -> None:
    assert cpus_wanted(Requirement(0), a_seat()) == 4
    assert chosen(Requirement(0), a_seat()) == 1
    assert chosen(Requirement(0), a_seat(cpus_used=1)) is None


@pytest.mark.parametrize("platform", ["linux-x86_64", "linux", "LINUX-arm64"])
def test_a_command_for_a_platform_runs_there(platform: str) -> None:
    assert not refusal(Requirement(1, ("linux",)), a_seat(platform=platform))
    assert chosen(Requirement(1, ("linux",)), a_seat(platform=platform)) == 1


@pytest.mark.parametrize("platform", ["macosx-arm64", "macos-arm64", "darwin-x86_64"])
def test_every_name_of_the_mac_is_macosx(platform: str) -> None:
    assert not refusal(Requirement(1, ("macosx",)), a_seat(platform=platform))
    assert chosen(Requirement(1, ("macosx",)), a_seat(platform=platform)) == 1


def test_a_client_without_a_command_for_its_platform_is_not_eligible_and_the_reason_says_so() -> None:
    """9.17"""
    seat = a_seat(platform="windows-x86_64")
    found = refusal(Requirement(1, ("linux", "macosx")), seat)
    assert found == "is windows-x86_64 and the job has a command for linux, macosx only"
    assert chosen(Requirement(1, ("linux", "macosx")), seat) is None


def test_a_client_with_too_few_cpus_is_never_used_for_the_job() -> None:
    assert refusal(Requirement(5), a_seat()) == "has 4 CPUs, the job needs 5"
    assert chosen(Requirement(5), a_seat(spare=3)) is None


def test_a_client_that_takes_nothing_says_why() -> None:
    assert refusal(Requirement(), a_seat(why_not="is disabled")) == "is disabled"
    assert chosen(Requirement(), a_seat(why_not="is disabled", spare=2)) is None


def test_a_client_must_meet_all_conditions() -> None:
    """CONTRACT 2.4"""
    both = Requirement(conditions=(Condition("hostname", "!=", ("beta",)), Condition("group", "==", ("fast",))))
    assert chosen(both, a_seat(), a_seat(2, hostname="beta", groups=frozenset({"fast"}))) is None
    assert chosen(both, a_seat(groups=frozenset({"slow", "fast"}))) == 1
    assert refusal(both, a_seat(hostname="beta")) == "does not meet hostname != beta and group == fast"


def test_the_least_busy_client_is_chosen_then_the_least_loaded_then_the_oldest() -> None:
    busy, loaded, old, young = (
        a_seat(1, cpus_used=1),
        a_seat(2, load=2.0),
        a_seat(3, load=0.5),
        a_seat(4, load=0.5),
    )
    assert chosen(Requirement(), busy, loaded, young, old) == 3
    assert chosen(Requirement(), busy, loaded) == 2
    assert chosen(Requirement(), busy) == 1


def test_busyness_is_relative_to_the_size_of_the_machine() -> None:
    large, small = a_seat(1, cpus=64, cpus_used=4), a_seat(2, cpus=4, cpus_used=1)
    assert chosen(Requirement(), small, large) == 1


def test_work_is_queued_behind_other_work_only_where_nobody_has_cpus_free() -> None:
    full, free = a_seat(1, cpus_used=4, spare=2), a_seat(2, cpus_used=3)
    assert chosen(Requirement(), full, free) == 2
    assert chosen(Requirement(2), full, free) == 1
    fuller = a_seat(3, cpus_used=4, spare=3)
    assert chosen(Requirement(), full, fuller) == 3


def test_nobody_is_chosen_where_nobody_fits() -> None:
    assert chosen(Requirement(), a_seat(cpus_used=4)) is None
    assert chosen(Requirement()) is None


def test_what_is_given_out_is_counted_onto_the_client() -> None:
    seat = a_seat(cpus_used=3, live_runs=0, spare=1)
    board = Board([seat])
    board.take(Requirement(1), seat, ())
    assert (seat.cpus_free, seat.spare, seat.live_runs) == (0, 1, 1)
    board.take(Requirement(2), seat, ())
    assert (seat.cpus_free, seat.spare, seat.live_runs) == (-2, 0, 2)
    assert board.choose(wanted()) is None


def test_what_is_given_back_is_counted_off_and_on_again() -> None:
    seat = a_seat(cpus_used=4, live_runs=1, sharing=("single",))
    stock = Stock({"licence": Supply(1)}, [("alpha", "licence", 1)])
    board = Board([seat], stock)
    single = wanted(Requirement(4, sharing=("single",), resources=(("licence", 1),)))
    holding = Holding(1, "alpha", 4, ("single",), (("licence", 1),))
    assert board.choose(single) is None
    board.give_back(holding)
    assert board.choose(single) is seat
    board.keep(holding)
    assert board.choose(single) is None
    assert (seat.cpus_free, seat.live_runs, seat.sharing) == (0, 1, {"single"})


def test_what_a_client_held_that_is_gone_is_given_back_too() -> None:
    stock = Stock({"licence": Supply(1)}, [("gone", "licence", 1)])
    board = Board([a_seat()], stock)
    licensed = wanted(Requirement(resources=(("licence", 1),)))
    assert board.choose(licensed) is None
    board.give_back(Holding(9, "gone", 4, (), (("licence", 1),)))
    assert board.choose(licensed) is not None


# Tags (9.16) ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "running", "live_runs", "fits"),
    [
        (("single",), (), 0, True),
        (("single",), (), 1, False),
        ((), ("single",), 1, False),
        (("single:1",), ("single",), 1, False),
        (("single:1",), ("single:1",), 1, False),
        (("single:1",), ("single:2",), 1, True),
        (("single:1",), (), 1, True),
        ((), ("single:1",), 1, True),
        (("single",), ("single:1",), 1, False),
        (("single:1", "single:2"), ("single:2",), 1, False),
    ],
)
def test_tags_say_who_shares_a_machine(
    tags: tuple[str, ...], running: tuple[str, ...], live_runs: int, fits: bool
) -> None:
    """9.16"""
    seat = a_seat(cpus_used=live_runs, live_runs=live_runs, sharing=running)
    assert (chosen(Requirement(sharing=tags), seat) == 1) is fits


def test_tags_count_among_what_one_pass_gives_out() -> None:
    seat = a_seat()
    board = Board([seat])
    tagged = wanted(Requirement(sharing=("single:1",)))
    assert board.choose(tagged) is seat
    board.take(tagged.requirement, seat, ())
    assert board.choose(tagged) is None
    assert board.choose(wanted(Requirement(sharing=("single:2",)))) is seat
    assert board.choose(wanted()) is seat


def test_nothing_queues_behind_a_single_job_nor_a_tagged_job_behind_anything() -> None:
    """9.16"""
    assert chosen(Requirement(), a_seat(cpus_used=4, spare=2, sharing=("single",))) is None
    assert chosen(Requirement(sharing=("single:1",)), a_seat(cpus_used=4, spare=2)) is None
    assert chosen(Requirement(sharing=("single",)), a_seat(cpus_used=4, spare=2)) is None
    assert chosen(Requirement(), a_seat(cpus_used=4, spare=2, sharing=("single:1",))) == 1


# Resources, holds, blocked clients -----------------------------------------------------------------------------------


def test_work_goes_where_its_resources_are() -> None:
    """CONTRACT 5.6"""
    stock = Stock(
        {"house": Supply(1, Counting.MACHINE), "any": Supply(UNCOUNTED, Counting.MACHINE)}, [("beta", "house", 1)]
    )
    both = Requirement(resources=(("any", 1), ("house", 1)))
    assert chosen(both, a_seat(), a_seat(2, hostname="beta", cpus_used=3), stock=stock) == 2
    assert chosen(both, a_seat(), a_seat(2, hostname="beta", cpus_used=4), stock=stock) is None
    assert chosen(both, a_seat(spare=4), stock=stock) is None


def test_what_is_held_for_a_job_goes_to_no_other() -> None:
    """9.15"""
    assert chosen(Requirement(), a_seat(held_for=8)) is None
    assert chosen(Requirement(), a_seat(cpus_used=4, spare=2, held_for=8)) is None
    assert chosen(Requirement(), a_seat(held_for=7)) == 1
    board = Board([a_seat(held_for=8)])
    board.hold(8, ())
    assert board.choose(wanted()) is not None
    board.hold(9, [1])
    assert board.obstacle(wanted(), board.seats[0]) == "is held for job 9"


def test_a_blocked_client_gets_nothing_and_queues_nothing() -> None:
    """CONTRACT 3.6"""
    assert chosen(Requirement(), a_seat(), a_seat(2, cpus_used=3), blocked=frozenset({1})) == 2
    assert chosen(Requirement(), a_seat(cpus_used=4, spare=2), blocked=frozenset({1})) is None


def test_the_client_to_avoid_comes_last_and_only_then() -> None:
    """9.12"""
    assert chosen(Requirement(), a_seat(), a_seat(2, cpus_used=3), avoid=1) == 2
    assert chosen(Requirement(), a_seat(), a_seat(2, cpus_used=4), avoid=1) == 1
    queues = a_seat(cpus_used=4, spare=3), a_seat(2, cpus_used=4, spare=1)
    assert chosen(Requirement(), *queues, avoid=1) == 2
    assert chosen(Requirement(), *queues) == 1


# Several clients together (9.15) -------------------------------------------------------------------------------------


def together(requirement: Requirement, *seats: Seat, stock: Stock | None = None) -> list[int]:
    return [seat.client_id for seat in Board(seats, stock).choose_several(wanted(requirement))]


def test_a_job_for_several_gets_all_it_may_have_of_what_is_free() -> None:
    two_to_three = Requirement(min_hosts=2, max_hosts=3)
    seats = [a_seat(number, hostname=f"n{number}", load=10 - number) for number in range(1, 5)]
    assert together(two_to_three, *seats) == [4, 3, 2]
    assert together(two_to_three, *seats[:2]) == [2, 1]
    assert together(two_to_three, seats[0]) == []


def test_a_job_for_several_prefers_what_it_holds() -> None:
    pair = Requirement(min_hosts=2, max_hosts=2)
    assert together(pair, a_seat(1), a_seat(2), a_seat(3, held_for=7, cpus_used=3)) == [3, 1]
    assert together(pair, a_seat(1), a_seat(2, held_for=8)) == []


def test_licences_of_machines_must_suffice_for_all_clients_together() -> None:
    pair = Requirement(min_hosts=2, max_hosts=2, resources=(("house", 1),))
    one = Stock({"house": Supply(1, Counting.MACHINE)})
    alpha, beta, second = a_seat(1), a_seat(2, hostname="beta"), a_seat(3, name="second")
    assert together(pair, alpha, beta, stock=one) == []
    assert together(pair, alpha, beta, second, stock=one) == [1, 3]


def test_free_clients_are_held_before_busy_ones_and_those_held_before_others() -> None:
    pair = wanted(Requirement(min_hosts=2, max_hosts=2))
    busy, busier, held = a_seat(1, cpus_used=4), a_seat(2, cpus_used=4, load=3.0), a_seat(3, cpus_used=4, load=4.0)
    held.held_for = 7
    assert [seat.client_id for seat in Board([busier, busy, held]).to_hold(pair)] == [3, 1]
    free = a_seat(4)
    assert [seat.client_id for seat in Board([busier, busy, held, free]).to_hold(pair)] == [4, 3]


def test_nothing_is_held_that_could_not_suffice() -> None:
    pair = Requirement(min_hosts=2, max_hosts=2)
    assert Board([a_seat(1)]).to_hold(wanted(pair)) == []
    assert Board([a_seat(1), a_seat(2, held_for=8)]).to_hold(wanted(pair)) == []
    assert Board([a_seat(1), a_seat(2)]).to_hold(wanted(pair, blocked=frozenset({2}))) == []
    licensed = Requirement(min_hosts=2, max_hosts=2, resources=(("house", 1),))
    assert Board([a_seat(1), a_seat(2)], Stock({"house": Supply(0)})).to_hold(wanted(licensed)) == []


# The shortlist -------------------------------------------------------------------------------------------------------

TAGS = ("single", "single:1", "single:2")
CONDITIONS = (
    Condition("hostname", "in", ("n1", "N2")),
    Condition("hostname:name", "!=", ("n1:two",)),
    Condition("group", "==", ("fast",)),
    Condition("group", "not_in", ("fast", "slow")),
    Condition("os", "==", ("linux",)),
    Condition("platform", "!=", ("windows-x86_64",)),
    Condition("memory", ">=", ("16000000",)),
    Condition("cpus", "<", ("4",)),
    Condition("cpus", "in", ("2", "4")),
)
STOCK = {
    "job": Supply(2),
    "machine": Supply(1, Counting.MACHINE),
    "free": Supply(UNCOUNTED, Counting.MACHINE),
    "rate": Supply(3, Counting.RATE),
}

seats = st.builds(
    lambda client_id, hostname, platform, cpus, used, groups, sharing, held_for, why_not: a_seat(
        client_id,
        hostname=hostname,
        name="two" if client_id % 2 else "",
        platform=platform,
        cpus=cpus,
        cpus_used=used,
        groups=frozenset(groups),
        sharing=tuple(sharing) if used else (),
        held_for=held_for,
        why_not=why_not,
    ),
    st.integers(1, 40),
    st.sampled_from(["n1", "n2", "n3"]),
    st.sampled_from(["linux-x86_64", "windows-x86_64", "macos-arm64"]),
    st.integers(1, 5),
    st.integers(0, 5),
    st.sets(st.sampled_from(["fast", "slow"])),
    st.sets(st.sampled_from(TAGS), max_size=2),
    st.sampled_from([None, None, 7, 8]),
    st.sampled_from(["", "", "", "is disabled"]),
)
requirements = st.builds(
    lambda cpus, platforms, conditions, sharing, resources: Requirement(
        cpus, tuple(platforms), tuple(conditions), tuple(sorted(sharing)), tuple(sorted(resources.items()))
    ),
    st.integers(0, 5),
    st.sets(st.sampled_from(["linux", "windows", "macosx"])),
    st.lists(st.sampled_from(CONDITIONS), max_size=2, unique=True),
    st.sets(st.sampled_from(TAGS), max_size=2),
    st.dictionaries(st.sampled_from(["job", "machine", "free", "rate", "unknown"]), st.integers(1, 3), max_size=2),
)


@given(
    st.lists(seats, max_size=6, unique_by=lambda seat: seat.client_id),
    st.lists(requirements, min_size=1, max_size=4),
    st.sets(st.integers(1, 40), max_size=3),
)
def test_the_shortlist_is_what_the_rules_say_of_each_client(
    found: list[Seat], asked: list[Requirement], blocked: set[int]
) -> None:
    """The sets by which a pass chooses and the sentences that people read are the same rules, also as work is given
    out."""
    board = Board(found, Stock(STOCK, [("n1", "machine", 1), ("n1", "job", 1)]))
    for requirement in asked:
        work = wanted(requirement, blocked=frozenset(blocked))
        eligible = {seat.client_id for seat in found if not refusal(requirement, seat)}
        assert board.eligible(requirement) == eligible
        ready = {seat.client_id for seat in found if seat.client_id in eligible and not board.obstacle(work, seat)}
        assert board.ready(work) == ready
        seat = board.choose(work)
        assert bool(seat) == bool(ready)
        if seat is not None:
            assert seat.client_id in ready
            board.take(requirement, seat, board.stock.share(requirement.resources, first=True))


@given(st.lists(seats, max_size=6, unique_by=lambda seat: seat.client_id), requirements, st.integers(2, 4))
def test_clients_chosen_together_never_take_more_than_there_is(
    found: list[Seat], requirement: Requirement, most: int
) -> None:
    several = Requirement(
        requirement.cpus, requirement.platforms, (), requirement.sharing, requirement.resources, 2, most
    )
    board = Board(found, Stock(STOCK))
    chosen = board.choose_several(wanted(several))
    assert len(chosen) in {0, *range(2, most + 1)}
    machines = {seat.facts.hostname for seat in chosen}
    for name, amount in several.resources if chosen else ():
        supply = STOCK[name]
        if supply.total != UNCOUNTED:
            assert (len(machines) if supply.counting is Counting.MACHINE else amount) <= supply.total


# Why (CONTRACT 10) ---------------------------------------------------------------------------------------------------


def with_spare(found: list[Seat], spare: list[int]) -> list[Seat]:
    """The same clients, some of which queue work behind what they run."""
    for seat, more in zip(found, spare, strict=False):
        seat.spare = more
    return found


@given(
    st.lists(seats, max_size=6, unique_by=lambda seat: seat.client_id),
    st.lists(st.sampled_from([0, 0, 1, 2]), min_size=6, max_size=6),
    requirements,
    st.sampled_from([(1, 1), (1, 1), (1, 3), (2, 2)]),
    st.sets(st.integers(1, 40), max_size=3),
    st.one_of(st.none(), st.integers(1, 40)),
)
def test_all_reasons_hold_where_the_client_would_get_the_work_and_nowhere_else(
    found: list[Seat],
    spare: list[int],
    requirement: Requirement,
    hosts: tuple[int, int],
    blocked: set[int],
    avoid: int | None,
) -> None:
    """The scheduler chooses a client that is alone on the farm if all its reasons hold, and then only; of several it
    chooses the first of `in_order`, which are those; the summary is the sentence of the first need that is not met."""
    requirement = replace(requirement, min_hosts=hosts[0], max_hosts=hosts[1])
    taken = [("n1", "machine", 1), ("n1", "job", 1)], [("rate", 20.0, 2)]
    board = Board(with_spare(found, spare), Stock(STOCK, *taken))
    work = wanted(requirement, blocked=frozenset(blocked), avoid=avoid)
    in_order = board.in_order(work)
    for seat in found:
        reasons = board.reasons(work, seat)
        assert all(reason.holds for reason in reasons) == (seat in in_order)
        assert all(bool(reason.remedy) != reason.holds for reason in reasons if reason.requirement != "standing")
        alone = Board([seat], Stock(STOCK, *taken))
        if requirement.several_hosts:
            assert (alone.ready(work) == {seat.client_id}) == (seat in in_order)
        else:
            assert (alone.choose(work) is seat) == (seat in in_order)
    if not requirement.several_hosts:
        assert board.choose(work) is (in_order[0] if in_order else None)
    told = list(needs(board, work))
    assert all(need.holds for need in told[:-1])
    assert why_waiting(board, work) == (ITS_TURN if told[-1].holds else told[-1].sentence)


def test_clients_come_in_the_order_in_which_they_would_get_the_work() -> None:
    """9.12: those that are free first, the least busy before others, then those that queue it; the one to avoid comes
    last of its kind."""
    least, more, avoided = a_seat(4), a_seat(2, cpus_used=1), a_seat(1)
    queues, queues_more = a_seat(3, cpus_used=4, spare=1), a_seat(5, cpus_used=4, spare=2)
    board = Board([least, more, avoided, queues, queues_more, a_seat(6, cpus_used=4)])
    assert [seat.client_id for seat in board.in_order(wanted(avoid=1))] == [4, 2, 1, 5, 3]


def test_a_job_that_may_have_several_clients_is_not_queued_behind_other_work() -> None:
    """Found by the property above: it waited for "its turn", and no pass gave it out."""
    board = Board([a_seat(cpus_used=4, spare=2)])
    assert why_waiting(board, wanted(Requirement(max_hosts=3))) == "free CPUs on alpha"


def test_a_requirement_of_a_command_for_some_platforms_names_them() -> None:
    assert requirement_of({"windows": "a", "linux": "b"}, 1).platforms == ("linux", "windows")
