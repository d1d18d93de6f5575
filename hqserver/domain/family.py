"""What a job's status is: a pure function of its intent, its work and its children (CONTRACT 9.9).

A job has no lifecycle of its own. `rollup` reads counters that stand on the job's row, so it costs the same for a
job with one work item as for one with 100,000.
"""

from __future__ import annotations

from collections.abc import Mapping

from .status import FAILED_JOB, WORK_ON_CLIENT, JobStatus, WorkStatus

_HOLDING = {
    WorkStatus.RUNNING: JobStatus.RUNNING,
    WorkStatus.PAUSING: JobStatus.PAUSING,
    WorkStatus.RESUMING: JobStatus.RESUMING,
    WorkStatus.PAUSED: JobStatus.PAUSED,
}
_LEFT = (WorkStatus.QUEUED, WorkStatus.RUNNABLE, WorkStatus.BLOCKED)


def rollup(
    work: Mapping[WorkStatus, int],
    *,
    cancelled: bool,
    has_run: bool,
    children_unfinished: int,
    children_failed: int,
    children_ending: int = 0,
    held: str = "",
    pending: int = 0,
    by_hand: bool = False,
) -> JobStatus:
    """The status of a job, the first rule that holds deciding.

    `work` counts its work items by status, `cancelled` says that somebody cancelled the job, `has_run` that its
    command was started at least once, `held` what holds it back ("pause", "block" or ""); the children are its direct
    ones; `children_ending` of them were cancelled and have not ended yet: a job is not `cancelled` while clients may
    still kill what was cancelled below it. `pending` of its work items wait only for their hooks. `by_hand`: somebody
    marked the job as done.
    """
    for status in WORK_ON_CLIENT:
        if work.get(status):
            return _HOLDING[status]
    if cancelled and not children_ending:
        return JobStatus.CANCELLED
    left = work.get(WorkStatus.QUEUED) or work.get(WorkStatus.RUNNABLE) or work.get(WorkStatus.BLOCKED)
    if children_unfinished:
        # A command that ended while children it added still live keeps its job running until they end (9.8).
        left_to_run = sum(work.get(status, 0) for status in _LEFT) - pending
        if not has_run or left_to_run:
            return JobStatus.QUEUED
        return JobStatus.PAUSED if held else JobStatus.RUNNING
    if left:
        all_blocked = not (work.get(WorkStatus.QUEUED) or work.get(WorkStatus.RUNNABLE))
        return JobStatus.PAUSED if held or all_blocked else JobStatus.RUNNABLE
    if by_hand:
        return JobStatus.SUCCEEDED
    if work.get(WorkStatus.FAILED) or children_failed:
        return JobStatus.FAILED
    if work.get(WorkStatus.ABANDONED):
        return JobStatus.ABANDONED
    if work.get(WorkStatus.CANCELLED):
        return JobStatus.CANCELLED
    return JobStatus.SUCCEEDED


def fails_its_parent(status: JobStatus) -> bool:
    """Whether a child that ended so fails its parents: failed, cancelled and abandoned alike (CONTRACT 9.8)."""
    return status in FAILED_JOB


def ui_status(status: JobStatus, *, has_children: bool, clients: int, held: str = "") -> str:
    """The text HQueue's page shows (CONTRACT 3.2). `clients` counts those at work for the job and below.

    A held job whose children wait, held with it, is shown as paused though it is `queued` itself (9.9); their clients
    keep them, so that they are counted no less.
    """
    if held and status is JobStatus.QUEUED:
        return str(JobStatus.PAUSED)
    if has_children and clients and status in (JobStatus.QUEUED, JobStatus.RUNNABLE, JobStatus.RUNNING):
        return f"running ({clients} clients assigned)"
    if status in (JobStatus.QUEUED, JobStatus.RUNNABLE):
        return "waiting for resources"
    return str(status)
