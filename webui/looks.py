"""How a status looks: one small set of colours and signs for jobs, runs and clients alike.

Each look has a rule in `static/page.css` and a sign in `static/icons.svg`, so that no status is told by colour alone.
"""

from __future__ import annotations

from enum import StrEnum

from hqserver.domain.status import JobStatus, RunStatus, WorkStatus
from hqserver.services.queries.overview_clients import Availability


class Look(StrEnum):
    """The name is a class of the style sheet and the id of a sign."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


JOB_LOOKS: dict[JobStatus, Look] = {
    JobStatus.QUEUED: Look.WAITING,
    JobStatus.RUNNABLE: Look.WAITING,
    JobStatus.RUNNING: Look.RUNNING,
    JobStatus.PAUSING: Look.PAUSED,
    JobStatus.PAUSED: Look.PAUSED,
    JobStatus.RESUMING: Look.PAUSED,
    JobStatus.SUCCEEDED: Look.SUCCEEDED,
    JobStatus.FAILED: Look.FAILED,
    JobStatus.CANCELLED: Look.CANCELLED,
    JobStatus.ABANDONED: Look.ABANDONED,
}

WORK_LOOKS: dict[WorkStatus, Look] = {
    **{WorkStatus(status): look for status, look in JOB_LOOKS.items()},
    WorkStatus.BLOCKED: Look.PAUSED,
}

RUN_LOOKS: dict[RunStatus, Look] = {
    RunStatus.OFFERED: Look.WAITING,
    RunStatus.RUNNING: Look.RUNNING,
    RunStatus.PAUSING: Look.PAUSED,
    RunStatus.PAUSED: Look.PAUSED,
    RunStatus.RESUMING: Look.PAUSED,
    RunStatus.ENDING: Look.CANCELLED,
    RunStatus.LOST: Look.ABANDONED,
    RunStatus.SUCCEEDED: Look.SUCCEEDED,
    RunStatus.FAILED: Look.FAILED,
    RunStatus.CANCELLED: Look.CANCELLED,
    RunStatus.EJECTED: Look.CANCELLED,
    RunStatus.PREEMPTED: Look.CANCELLED,
    RunStatus.SUPERSEDED: Look.CANCELLED,
}

CLIENT_LOOKS: dict[Availability, str] = {
    Availability.AVAILABLE: "client-available",
    Availability.UNAVAILABLE: "client-unavailable",
    Availability.RUNNING: "client-running",
    Availability.OFFLINE: "client-offline",
    Availability.RUNNER: "client-runner",
}
"""HQueue's dots: green, red, orange, dark grey (CONTRACT 6.3); and blue for runners, which HQueue had none of."""


def job_look(status: str, at_work: bool, held: str = "") -> Look:
    """The look of a job, as its `uiStatus` says: a parent whose children run looks as if it ran itself, and one that is
    `held` (what holds it, "" for nothing) as paused while its children wait with it."""
    look = JOB_LOOKS[JobStatus(status)]
    if look is not Look.WAITING:
        return look
    if at_work:
        return Look.RUNNING
    return Look.PAUSED if held else look
