"""Who gets what, and why not the others (CONTRACT 3.4, 9.5, 9.17)."""

from __future__ import annotations

import pytest

from hqserver.domain.placement import Seat, choose, cpus_wanted, fits, fits_queued, refusal, take, why_waiting
from hqserver.domain.requirement import Requirement, requirement_of


def a_seat(
    client_id: int = 1,
    *,
    label: str = "alpha",
    platform: str = "linux-x86_64",
    cpus: int = 4,
    cpus_used: int = 0,
    spare: int = 0,
    load: float = 0.0,
    why_not: str = "",
) -> Seat:
    return Seat(client_id, label, platform, cpus, cpus_used, 0, spare, load, not why_not, why_not)


def test_work_fits_where_enough_cpus_are_free() -> None:
    assert fits(Requirement(2), a_seat(cpus_used=2))
    assert not fits(Requirement(3), a_seat(cpus_used=2))


def test_cpus_nought_takes_the_whole_machine_and_needs_it_empty() -> None:
    assert cpus_wanted(Requirement(0), a_seat()) == 4
    assert fits(Requirement(0), a_seat())
    assert not fits(Requirement(0), a_seat(cpus_used=1))


@pytest.mark.parametrize("platform", ["linux-x86_64", "linux", "LINUX-arm64"])
def test_a_command_for_a_platform_runs_there(platform: str) -> None:
    assert not refusal(Requirement(1, ("linux",)), a_seat(platform=platform))


@pytest.mark.parametrize("platform", ["macosx-arm64", "macos-arm64", "darwin-x86_64"])
def test_every_name_of_the_mac_is_macosx(platform: str) -> None:
    assert not refusal(Requirement(1, ("macosx",)), a_seat(platform=platform))


def test_a_client_without_a_command_for_its_platform_is_not_eligible_and_the_reason_says_so() -> None:
    found = refusal(Requirement(1, ("linux", "macosx")), a_seat(platform="windows-x86_64"))
    assert found == "alpha is windows-x86_64 and the job has a command for linux, macosx only"


def test_a_client_with_too_few_cpus_is_never_used_for_the_job() -> None:
    assert refusal(Requirement(5), a_seat()) == "alpha has 4 CPUs, the job needs 5"
    assert not fits_queued(Requirement(5), a_seat(spare=3))


def test_a_client_that_takes_nothing_says_why() -> None:
    assert refusal(Requirement(), a_seat(why_not="is disabled")) == "alpha is disabled"


def test_the_least_busy_client_is_chosen_then_the_least_loaded_then_the_oldest() -> None:
    busy, loaded, old, young = (
        a_seat(1, cpus_used=1),
        a_seat(2, load=2.0),
        a_seat(3, load=0.5),
        a_seat(4, load=0.5),
    )
    assert choose(Requirement(), [busy, loaded, young, old]) is old
    assert choose(Requirement(), [busy, loaded]) is loaded
    assert choose(Requirement(), [busy]) is busy


def test_busyness_is_relative_to_the_size_of_the_machine() -> None:
    large, small = a_seat(1, cpus=64, cpus_used=4), a_seat(2, cpus=4, cpus_used=1)
    assert choose(Requirement(), [small, large]) is large


def test_work_is_queued_behind_other_work_only_where_nobody_has_cpus_free() -> None:
    full, free = a_seat(1, cpus_used=4, spare=2), a_seat(2, cpus_used=3)
    assert choose(Requirement(), [full, free]) is free
    assert choose(Requirement(2), [full, free]) is full
    fuller = a_seat(3, cpus_used=4, spare=3)
    assert choose(Requirement(), [full, fuller]) is fuller


def test_nobody_is_chosen_where_nobody_fits() -> None:
    assert choose(Requirement(), [a_seat(cpus_used=4)]) is None
    assert choose(Requirement(), []) is None


def test_what_is_given_out_is_counted_onto_the_client() -> None:
    seat = a_seat(cpus_used=3, spare=1)
    take(Requirement(1), seat)
    assert (seat.cpus_free, seat.spare, seat.live_runs) == (0, 1, 1)
    take(Requirement(2), seat)
    assert (seat.cpus_free, seat.spare, seat.live_runs) == (-2, 0, 2)
    assert choose(Requirement(1), [seat]) is None


def test_waiting_is_explained_by_the_same_predicates() -> None:
    assert why_waiting(Requirement(), []) == "no client is registered with the farm"
    assert why_waiting(Requirement(9), [a_seat()]) == "alpha has 4 CPUs, the job needs 9"
    assert why_waiting(Requirement(), [a_seat(cpus_used=4), a_seat(2, label="beta", why_not="is disabled")]) == (
        "free CPUs on alpha"
    )
    assert why_waiting(Requirement(), [a_seat()]) == "its turn"


def test_of_many_refusals_three_are_told_and_the_rest_counted() -> None:
    seats = [a_seat(number, label=f"node{number}", why_not="is disabled") for number in range(5)]
    assert why_waiting(Requirement(), seats) == (
        "no client can run it: node0 is disabled; node1 is disabled; node2 is disabled; and 2 more"
    )


@pytest.mark.parametrize("command", ["echo", "", {"linux": "a", "windows": "b"}, {"macosx": "c"}])
@pytest.mark.parametrize("cpus", [0, 1, 16])
def test_a_requirement_comes_back_from_its_key(command: str | dict[str, str], cpus: int) -> None:
    requirement = requirement_of(command, cpus)
    assert Requirement.from_key(requirement.key()) == requirement


def test_jobs_that_require_the_same_share_a_key_however_it_was_written() -> None:
    one = requirement_of({"windows": "a", "linux": "b"}, 1)
    other = requirement_of({"linux": "x", "windows": "y"}, 1)
    assert one.key() == other.key()
    assert requirement_of("text", 1).key() != one.key()
