"""Frame ranges and their tools (CONTRACT 10, Work items)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqserver.domain.frames import MOST_FRAMES, Order, arrange, chunk, expand, join, partition
from hqserver.domain.values import Wrong

RANGES = {
    "7": [7],
    "1-5": [1, 2, 3, 4, 5],
    "1-10x2": [1, 3, 5, 7, 9],
    "1-10X4": [1, 5, 9],
    "-10--1": [-10, -9, -8, -7, -6, -5, -4, -3, -2, -1],
    "-10--1x2": [-10, -8, -6, -4, -2],
    "-2-2": [-2, -1, 0, 1, 2],
    "5-1": [5, 4, 3, 2, 1],
    "10-1x3": [10, 7, 4, 1],
    "10-1x-3": [10, 7, 4, 1],
    "1-5x2,10-12": [1, 3, 5, 10, 11, 12],
    " 1 - 3 , 9 ": [1, 2, 3, 9],
    "1-3,": [1, 2, 3],
    "10,1-3,2-4": [10, 1, 2, 3, 4],
}


@pytest.mark.parametrize("text", RANGES)
def test_a_range_is_expanded_as_it_is_written_each_frame_once(text: str) -> None:
    assert expand(text) == RANGES[text]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'', which is no frame range"),
        ("a-b", "'a-b', which is no frame range"),
        ("1-", "'1-', which is no frame range"),
        ("1..5", "no frame range"),
        ("1-10x0", "step must be 1 or more"),
        ("1-10x-2", "step must be 1 or more"),
        ("1-2147483648", "beyond 2147483647"),
        ("1-2000001", f"more than {MOST_FRAMES} frames"),
        ("1-1500000," * 2, f"more than {MOST_FRAMES} frames"),
        ("1-2000000000", f"more than {MOST_FRAMES} frames"),
    ],
)
def test_what_is_no_range_is_refused_with_the_part_that_is_wrong(text: str, words: str) -> None:
    with pytest.raises(Wrong, match=r".") as refused:
        expand(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([1, 2, 3, 4, 5], "1-5"),
        ([1, 3, 5, 7, 9, 11, 13], "1-13x2"),
        ([1, 2, 4, 6, 8], "1-2,4-8x2"),
        ([1, 5], "1,5"),
        ([5, 4, 3], "5-3"),
        ([-3, -2, -1, 0], "-3-0"),
        ([7], "7"),
        ([], ""),
    ],
)
def test_frames_are_joined_to_a_range(frames: list[int], text: str) -> None:
    assert join(frames) == text


@given(st.lists(st.integers(-50, 50), unique=True, min_size=1))
def test_what_was_joined_expands_to_the_same_frames(frames: list[int]) -> None:
    assert expand(join(frames)) == frames


@given(st.lists(st.integers(), max_size=60), st.integers(1, 20))
def test_chunks_and_partitions_hold_every_frame_once_in_order(frames: list[int], count: int) -> None:
    for pieces in (chunk(frames, count), partition(frames, count)):
        assert [frame for piece in pieces for frame in piece] == frames
    assert all(len(piece) == count for piece in chunk(frames, count)[:-1])
    sizes = {len(piece) for piece in partition(frames, count)}
    assert not sizes or max(sizes) - min(sizes) <= 1
    assert len(partition(frames, count)) == min(count, len(frames))


def test_binary_order_is_first_last_then_midpoints_rounded_up() -> None:
    assert arrange(range(1, 21), Order.BINARY)[:9] == [1, 20, 11, 6, 16, 4, 9, 14, 18]
    assert arrange([1], Order.BINARY) == [1]
    assert arrange([1, 2], Order.BINARY) == [1, 2]
    assert arrange([], Order.BINARY) == []


@given(st.lists(st.integers(), unique=True, max_size=200), st.sampled_from(Order))
def test_every_order_holds_every_frame_once(frames: list[int], order: Order) -> None:
    assert sorted(arrange(frames, order)) == sorted(frames)


@pytest.mark.slow
def test_a_million_frames_are_no_work() -> None:
    """Bounded by what the tools do, not by the clock: each frame is touched a few times and no more."""
    frames = expand("1-1000000")
    assert join(frames) == "1-1000000"
    assert len(chunk(frames, 10)) == 100_000
    assert arrange(frames, Order.BINARY)[:3] == [1, 1_000_000, 500_001]
    assert join(expand("1-1000000x7")) == "1-1000000x7"
