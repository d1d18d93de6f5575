"""What the counters on a job's row say: progress and time left (CONTRACT 9.19)."""

from __future__ import annotations

from hqserver.domain.job import PROGRESS_UNIT, TREE_FIELDS, Tree, overall_progress, seconds_left


def test_adding_a_tree_adds_every_field() -> None:
    one = Tree(**{name: number for number, name in enumerate(TREE_FIELDS, 1)})
    one.add(Tree(**dict.fromkeys(TREE_FIELDS, 10)))
    assert [getattr(one, name) for name in TREE_FIELDS] == [number + 10 for number in range(1, len(TREE_FIELDS) + 1)]


def test_overall_progress_is_the_mean_over_the_work_items() -> None:
    assert overall_progress(Tree(work=4, progress=PROGRESS_UNIT + PROGRESS_UNIT // 2), finished=False) == 0.375


def test_with_nothing_to_weigh_progress_is_one_once_finished_and_nought_before() -> None:
    assert overall_progress(Tree(), finished=True) == 1.0
    assert overall_progress(Tree(), finished=False) == 0.0


def test_progress_is_never_more_than_one() -> None:
    assert overall_progress(Tree(work=1, progress=PROGRESS_UNIT + 1), finished=True) == 1.0


def test_the_time_left_is_unknown_before_the_first_work_has_ended() -> None:
    assert seconds_left(Tree(work=3, progress=PROGRESS_UNIT, progress_live=PROGRESS_UNIT), 1, finished=False) == -1.0


def test_the_time_left_is_what_remains_times_the_mean_divided_by_the_clients() -> None:
    tree = Tree(work=10, work_ended=4, work_timed=4, durations_ms=40_000)
    assert seconds_left(tree, 1, finished=False) == 60.0
    assert seconds_left(tree, 2, finished=False) == 30.0
    assert seconds_left(tree, 0, finished=False) == 60.0


def test_half_done_work_counts_half() -> None:
    tree = Tree(work=2, work_ended=1, work_timed=1, durations_ms=10_000, progress_live=PROGRESS_UNIT // 2)
    assert seconds_left(tree, 1, finished=False) == 5.0


def test_a_finished_job_has_no_time_left() -> None:
    assert seconds_left(Tree(work=5), 1, finished=True) == 0.0
