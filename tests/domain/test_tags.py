"""Which jobs may share a machine (CONTRACT 2.5, 9.16)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hqserver.domain.tags import sharing_tags, why_not_beside

tags = st.sets(st.sampled_from(["single", "single:1", "single:2"]), max_size=2)


def test_only_what_begins_with_single_limits_sharing() -> None:
    assert sharing_tags(["single:b", "excludeProgress", "single", "a single", "single"]) == ("single", "single:b")


def test_each_obstacle_is_said() -> None:
    """9.16"""
    assert why_not_beside([], [], 3) == ""
    assert why_not_beside([], ["single"], 1) == "runs a job that shares its machine with nothing"
    assert why_not_beside(["single:1"], ["single"], 1) == "runs a job that shares its machine with nothing"
    assert why_not_beside(["single"], [], 1) == "runs other jobs and this one shares its machine with nothing"
    assert why_not_beside(["single:1"], ["single:1", "single:2"], 2) == "runs a job with the same tag 'single:1'"
    assert why_not_beside(["single:1"], ["single:2"], 1) == ""


@given(tags, tags)
def test_sharing_is_mutual(one: set[str], other: set[str]) -> None:
    assert bool(why_not_beside(one, other, 1)) == bool(why_not_beside(other, one, 1))
