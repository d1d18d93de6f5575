"""The words for how far something is: of jobs, work items and runs. The one place they are written.

Database checks, style sheets, name lists and documentation are generated from these enums. Sources: CONTRACT 1.2
(the name lists), 3.1 and 9.9.
"""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """HQueue's internal statuses of a job (CONTRACT 3.1)."""

    QUEUED = "queued"
    RUNNABLE = "runnable"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


class WorkStatus(StrEnum):
    """Statuses of a work item: HQueue's, and `blocked` (CONTRACT 9.9)."""

    QUEUED = "queued"
    BLOCKED = "blocked"
    RUNNABLE = "runnable"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


class RunStatus(StrEnum):
    """Statuses of a run, one attempt at a work item on a client (CONTRACT 9.9)."""

    OFFERED = "offered"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    ENDING = "ending"
    LOST = "lost"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EJECTED = "ejected"
    PREEMPTED = "preempted"
    SUPERSEDED = "superseded"


WAITING = "waiting"
"""A name HQueue accepts wherever a status is, and never stores: it means the runnable jobs (CONTRACT 9.7)."""

FINISHED_JOB = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.ABANDONED)
FAILED_JOB = (JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.ABANDONED)
RUNNING_JOB = (JobStatus.RUNNING, JobStatus.PAUSING, JobStatus.RESUMING)

FINISHED_WORK = (WorkStatus.SUCCEEDED, WorkStatus.FAILED, WorkStatus.CANCELLED, WorkStatus.ABANDONED)
WORK_ON_CLIENT = (WorkStatus.RUNNING, WorkStatus.PAUSING, WorkStatus.RESUMING, WorkStatus.PAUSED)
"""Work that a live run holds. The order is that in which they decide a job's status."""

LIVE_RUN = (
    RunStatus.OFFERED,
    RunStatus.RUNNING,
    RunStatus.PAUSING,
    RunStatus.PAUSED,
    RunStatus.RESUMING,
    RunStatus.ENDING,
    RunStatus.LOST,
)
"""Runs that own their work item. The database allows one a work item and slot (PROMISES 2.1)."""

JOB_NAME_LISTS: dict[str, tuple[str, ...]] = {
    "getAllJobStatusNames": (
        *("abandoned", "cancelled", "failed", "paused", "pausing", "queued"),
        *("resuming", "running", "runnable", "succeeded", WAITING),
    ),
    "getRunningJobStatusNames": RUNNING_JOB,
    "getPausedJobStatusNames": (JobStatus.PAUSED,),
    "getFinishedJobStatusNames": FINISHED_JOB,
    "getUnfinishedJobStatusNames": (
        *(JobStatus.QUEUED, JobStatus.RUNNABLE, WAITING, JobStatus.RUNNING),
        *(JobStatus.PAUSING, JobStatus.PAUSED, JobStatus.RESUMING),
    ),
    "getSucceededStatusNames": (JobStatus.SUCCEEDED,),
    "getFailedJobStatusNames": FAILED_JOB,
    "getWaitingJobStatusNames": (JobStatus.RUNNABLE, WAITING, JobStatus.QUEUED),
    "getStartedJobEventNames": (JobStatus.RUNNING,),
    "getPriorityChangedEventNames": ("priority changed",),
    "getRescheduledEventNames": ("rescheduled",),
    "getResumedEventNames": ("resumed",),
}
"""HQueue's name lists, by the method that answers each (CONTRACT 1.2, decision 9.7)."""
