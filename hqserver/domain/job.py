"""A job's counters: what lets its status, progress and tasks be read from one row (CONTRACT 9.19)."""

from __future__ import annotations

from dataclasses import dataclass

PROGRESS_UNIT = 1_000_000
"""Progress is counted in millionths: whole numbers, so that a recount always equals the counters."""


@dataclass(slots=True)
class Tree:
    """Counters over a job and its distinct descendants, each counted once."""

    jobs: int = 0
    jobs_finished: int = 0
    jobs_failed: int = 0
    work: int = 0
    work_ended: int = 0
    progress: int = 0
    """Sum over all work items, in `PROGRESS_UNIT`; an item that succeeded counts one whole."""
    progress_live: int = 0
    """The part of `progress` that stands on work items which have not ended."""
    durations_ms: int = 0
    """Sum of the run times of the work items that succeeded."""
    work_timed: int = 0
    """How many items `durations_ms` sums."""

    def add(self, other: Tree) -> None:
        """Add a change, field by field."""
        self.jobs += other.jobs
        self.jobs_finished += other.jobs_finished
        self.jobs_failed += other.jobs_failed
        self.work += other.work
        self.work_ended += other.work_ended
        self.progress += other.progress
        self.progress_live += other.progress_live
        self.durations_ms += other.durations_ms
        self.work_timed += other.work_timed


TREE_FIELDS = tuple(Tree.__dataclass_fields__)


def overall_progress(tree: Tree, finished: bool) -> float:
    """The mean over the work items of a job and its descendants, each weighing the same (CONTRACT 9.19)."""
    if tree.work == 0:
        return 1.0 if finished else 0.0
    return min(tree.progress / (PROGRESS_UNIT * tree.work), 1.0)


def seconds_left(tree: Tree, clients_at_work: int, finished: bool) -> float:
    """`ETA`: remaining weight x mean duration of finished work / clients at work, -1 unknown (CONTRACT 9.19)."""
    if finished:
        return 0.0
    if tree.work_timed == 0:
        return -1.0
    remaining = (tree.work - tree.work_ended) - tree.progress_live / PROGRESS_UNIT
    mean_seconds = tree.durations_ms / 1000 / tree.work_timed
    return round(max(remaining, 0.0) * mean_seconds / max(clients_at_work, 1), 1)
