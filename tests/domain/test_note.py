"""Which notes may go, and which threads go with them (CONTRACT 1.2 and 9.26)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hqserver.domain.note import Removal, plan_removal


def test_the_first_note_of_a_thread_goes_only_when_it_is_the_last() -> None:
    """9.26."""
    threads = {1: [10, 11, 12]}
    assert plan_removal([10, 11, 12], threads) == Removal([11, 12], [], [10])
    assert plan_removal([12, 11, 10], threads) == Removal([12, 11, 10], [1], [])
    assert plan_removal([10], {1: [10]}) == Removal([10], [1], [])


def test_what_is_not_there_cannot_be_removed_and_what_is_named_twice_counts_once() -> None:
    assert plan_removal([5, 11, 11], {1: [10, 11]}) == Removal([11], [], [5])


@given(
    st.lists(st.lists(st.booleans(), min_size=1, max_size=4), max_size=4),
    st.lists(st.integers(0, 20), max_size=30),
)
def test_whatever_is_asked_no_thread_is_left_empty_or_without_its_first_note(
    shape: list[list[bool]], wanted: list[int]
) -> None:
    numbers = iter(range(100))
    threads = {thread: [next(numbers) for _ in notes] for thread, notes in enumerate(shape)}
    plan = plan_removal(wanted, threads)
    assert sorted(plan.notes + plan.refused) == sorted(set(wanted))
    for thread, notes in threads.items():
        left = [note for note in notes if note not in plan.notes]
        assert (thread in plan.emptied) == (not left)
        assert not left or left[0] == notes[0]
