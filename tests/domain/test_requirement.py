"""What a job requires, and the key by which equal requirements are one (DESIGN, Dispatch)."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hqserver.domain.conditions import Condition
from hqserver.domain.requirement import Requirement, requirement_from, requirement_of


@pytest.mark.parametrize("command", ["echo", "", {"linux": "a", "windows": "b"}, {"macosx": "c"}])
@pytest.mark.parametrize("cpus", [0, 1, 16])
def test_a_requirement_comes_back_from_its_key(command: str | dict[str, str], cpus: int) -> None:
    requirement = requirement_of(command, cpus)
    assert requirement_from(requirement.key()) == requirement


@given(
    st.integers(0, 9),
    st.sets(st.sampled_from(["single", "single:1", "single,two", "other"])),
    st.dictionaries(st.text(min_size=1, max_size=8), st.integers(1, 2**31 - 1), max_size=3),
    st.integers(1, 5),
    st.integers(0, 5),
    st.booleans(),
)
def test_every_part_of_a_requirement_comes_back(
    cpus: int, tags: set[str], resources: dict[str, int], low: int, more: int, conditions: bool
) -> None:
    some = (Condition("hostname", "in", ("alpha", "beta:")), Condition("group", "==", ("a, b",))) if conditions else ()
    found = requirement_of("x", cpus, conditions=some, tags=tags, resources=resources, hosts=(low, low + more))
    assert requirement_from(found.key()) == found


def test_jobs_that_require_the_same_share_a_key_however_it_was_written() -> None:
    one = requirement_of({"windows": "a", "linux": "b"}, 1, tags=["single:2", "single:1"], resources={"b": 1, "a": 2})
    other = requirement_of({"linux": "x", "windows": "y"}, 1, tags=["single:1", "single:2"], resources={"a": 2, "b": 1})
    assert one.key() == other.key()
    assert requirement_of("text", 1).key() != one.key()


def test_a_plain_job_has_a_short_key() -> None:
    assert requirement_of("x", 1).key() == '{"cpus":1,"platforms":[]}'


def test_tags_that_limit_no_sharing_make_no_difference() -> None:
    """CONTRACT 2.5, 9.5: only what begins with `single` does."""
    assert requirement_of("x", 1, tags=["excludeProgress", "mine"]) == Requirement()


def test_other_conditions_replace_those_it_had() -> None:
    one, other = Condition("hostname", "==", ("alpha",)), Condition("group", "==", ("fast",))
    assert Requirement(2, conditions=(one,)).with_conditions((other,)) == Requirement(2, conditions=(other,))


def test_a_job_that_may_get_several_clients_says_so() -> None:
    assert requirement_of("x", 1, hosts=(1, 3)).several_hosts
    assert not requirement_of("x", 1).several_hosts
