"""Hooks: commands of a job that follow its outcome (CONTRACT 2.1, 9.13).

A hook is a run of its own on the client where the job's command ended, with `HQSTATUS` in its environment; it has no
effect on the outcome. A job that never had a run dispatches one for its hooks.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from .lifecycle import WorkEvent
from .status import JobStatus


class Hook(StrEnum):
    """The properties that hold hooks, in the order in which they run."""

    ON_SUCCESS = "onSuccess"
    ON_CANCEL = "onCancel"
    ON_CHILD_ERROR = "onChildError"
    ON_ERROR = "onError"
    CLEANUP = "cleanup"


_AFTER: dict[WorkEvent, tuple[JobStatus, tuple[Hook, ...]]] = {
    WorkEvent.RUN_SUCCEEDED: (JobStatus.SUCCEEDED, (Hook.ON_SUCCESS, Hook.CLEANUP)),
    WorkEvent.RUN_FAILED: (JobStatus.FAILED, (Hook.ON_ERROR, Hook.CLEANUP)),
    WorkEvent.RUN_CANCELLED: (JobStatus.CANCELLED, (Hook.ON_CANCEL, Hook.CLEANUP)),
    # Cancelled, and rescheduled before its hooks had run: they go on as those of a cancelled job.
    WorkEvent.RUN_RETURNED: (JobStatus.CANCELLED, ()),
    WorkEvent.CHILDREN_SUCCEEDED: (JobStatus.SUCCEEDED, (Hook.ON_SUCCESS, Hook.CLEANUP)),
    WorkEvent.CHILDREN_FAILED: (JobStatus.FAILED, (Hook.ON_CHILD_ERROR, Hook.ON_ERROR, Hook.CLEANUP)),
}


def hooks_after(event: WorkEvent, has: Iterable[str]) -> tuple[str, ...]:
    """Which of the hooks a job `has` follow what its work was told, in their order; () for events without any."""
    having = set(has)
    return tuple(hook for hook in _AFTER.get(event, (None, ()))[1] if hook in having)


def outcome_of(event: WorkEvent) -> JobStatus:
    """What `HQSTATUS` says in the hooks that follow `event`. Raises `KeyError` for an event without hooks."""
    return _AFTER[event][0]
