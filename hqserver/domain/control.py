"""What can be asked of jobs and of their work, and when it means anything (CONTRACT 10, Control).

One table: `changeJobs`, `changeWork`, the command line, the page and the dialects all name these actions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .errors import BadParameters, TooLarge, near_match
from .status import FINISHED_WORK, WORK_ON_CLIENT, WorkStatus
from .values import Wrong, as_flag, as_integer, as_text

LONGEST_REASON = 5_000
"""Characters of a reason. It is kept in the history of each job that changes, so a long one would fill the disk."""

MOST_IN_CHANGES = 32_000_000
"""Characters that `modifyJobs` may write in one transaction: those of its changes, for each job."""


class Action(StrEnum):
    """An action by the name under which callers ask for it."""

    PAUSE = "pause"
    RESUME = "resume"
    BLOCK = "block"
    UNBLOCK = "unblock"
    SUSPEND = "suspend"
    PREEMPT = "preempt"
    MIGRATE = "migrate"
    CANCEL = "cancel"
    RETRY = "retry"
    REQUEUE = "requeue"
    RERUN = "rerun"
    COMPLETE = "complete"
    TOP = "top"
    BOTTOM = "bottom"
    PRIORITY = "priority"
    MODIFY = "modify"
    DELETE = "delete"


MEANINGS: dict[Action, str] = {
    Action.PAUSE: "what runs is stopped in place, and what waits is held back",
    Action.RESUME: "what was paused or suspended goes on",
    Action.BLOCK: "what does not run is held back from dispatch",
    Action.UNBLOCK: "what was blocked is put back into the queue",
    Action.SUSPEND: "live runs are stopped in place; work that was not started goes on being given out",
    Action.PREEMPT: "the current work ends, what was not started is withdrawn, and it goes last among its priority",
    Action.MIGRATE: "killed now and put back into the queue, another client preferred",
    Action.CANCEL: "killed, and cancelled",
    Action.RETRY: "what did not succeed is put back into the queue; what did is kept",
    Action.REQUEUE: "all of it is reset, and blocked until somebody unblocks it",
    Action.RERUN: "all of it is reset and put back into the queue, with what failed below and what waits above",
    Action.COMPLETE: "marked as done by hand; what waits for it may go on",
    Action.TOP: "first among its priority",
    Action.BOTTOM: "last among its priority",
    Action.PRIORITY: "given another priority",
    Action.MODIFY: "properties of its specification are changed",
    Action.DELETE: "removed for good, with its output",
}
"""What each action does."""

ALIASES: dict[str, Action] = {
    "eject": Action.MIGRATE,
    "kill": Action.CANCEL,
    "reschedule": Action.RERUN,
    "remove": Action.DELETE,
    "skip": Action.COMPLETE,
}
"""Other names of some of them: HQueue's own, and those of other farms."""

NOT_ON_WORK: dict[Action, str] = {
    Action.PREEMPT: "a running piece ends by itself; migrate takes it off its client, bottom puts a waiting one last",
    Action.PRIORITY: "pieces have the priority of their job; top and bottom order them within it",
    Action.MODIFY: "the specification is that of their job; modifyJobs changes it",
    Action.DELETE: "pieces are removed with their job",
}
"""Actions that mean nothing for a single work item, and why."""

ON_WORK = tuple(action for action in Action if action not in NOT_ON_WORK)
"""Actions that mean something for a single work item."""

ON_RUNS = (Action.MIGRATE, Action.CANCEL, Action.SUSPEND, Action.RESUME)
"""Actions that mean something for a single run."""


def as_action(text: str, among: tuple[Action, ...] = tuple(Action)) -> Action:
    """The action of this name or alias. Raises `BadParameters`: with the near match, or why it is not among these."""
    word = text.strip().lower()
    known = {str(action): action for action in Action} | ALIASES
    found = known.get(word)
    if found in among:
        return found
    taken = [name for name, action in known.items() if action in among]
    if found is None:
        raise BadParameters(f"there is no action {text!r}{near_match(word, taken)}")
    what, why = ("single runs", "") if among is ON_RUNS else ("work items", f": {NOT_ON_WORK[found]}")
    raise BadParameters(f"{word} is no action on {what}{why}. They take {', '.join(map(str, among))}")


@dataclass(frozen=True, slots=True)
class Options:
    """How an action is carried out. `limit`: refuse it where more jobs would change, None for any number."""

    dry_run: bool = False
    limit: int | None = None
    reason: str = ""
    descendants: bool = True
    priority: int | None = None
    changes: Mapping[str, Any] | None = None


def _as_reason(value: object) -> str:
    text = as_text(value)
    if len(text) > LONGEST_REASON:
        raise Wrong(f"must have at most {LONGEST_REASON} characters")
    return text


_READERS = {
    "dryRun": ("dry_run", as_flag),
    "limit": ("limit", as_integer(0)),
    "reason": ("reason", _as_reason),
    "descendants": ("descendants", as_flag),
    "priority": ("priority", as_integer(0)),
    "changes": ("changes", lambda value: value),
}


def parse_options(action: Action, given: Mapping[str, Any] | None) -> Options:
    """The options that a dictionary means. Raises `BadParameters` naming the key, and the near match of an unknown."""
    found: dict[str, Any] = {}
    for key, value in (given or {}).items():
        if key not in _READERS:
            raise BadParameters(f"options: there is no key {key!r}{near_match(str(key), _READERS)}")
        if value is None or value == "":
            continue
        field, read = _READERS[key]
        try:
            found[field] = read(value)
        except Wrong as problem:
            raise BadParameters(f"options.{key} {problem}, not {value!r:.60}") from None
    for key, field, owner in (("priority", "priority", Action.PRIORITY), ("changes", "changes", Action.MODIFY)):
        if (field in found) != (action is owner):
            word = "needs" if action is owner else "takes no"
            raise BadParameters(f"the action {action} {word} options.{key}")
    if "changes" in found and not isinstance(found["changes"], Mapping):
        raise BadParameters("options.changes must be a dictionary of properties")
    return Options(**found)


def check_size(changes: Mapping[str, Any], jobs: int) -> None:
    """Raises `TooLarge` where these changes of so many jobs are too much to write at once. One can be changed always.

    What a caller sends once would be stored for each job, while everybody who writes waits.
    """
    characters = len(json.dumps(changes, ensure_ascii=False, default=str))
    most = max(MOST_IN_CHANGES // characters, 1)
    if jobs > most:
        raise TooLarge(
            f"{characters} characters of changes for each of {jobs} jobs are more than {MOST_IN_CHANGES}; "
            f"at most {most} {'job' if most == 1 else 'jobs'} at once can have them"
        )


@dataclass(frozen=True, slots=True)
class JobNow:
    """What decides whether an action means anything to a job: read from its row."""

    status: str
    held: str
    finished: bool
    cancelled: bool
    work: Mapping[WorkStatus, int]
    children_unfinished: int


def why_not(action: Action, job: JobNow, *, with_children: bool = True) -> str:
    """Why an action changes nothing about a job as it is now, "" where it does.

    `with_children`: the jobs below it are changed with it.
    """
    on_client = sum(job.work[status] for status in WORK_ON_CLIENT)
    if action in (Action.RETRY, Action.REQUEUE, Action.RERUN, Action.DELETE):
        return _why_not_again(action, job)
    if job.finished:
        return f"it is {job.status}"
    if job.cancelled:
        return "it is being cancelled"
    match action:
        case Action.PAUSE:
            return "it is paused" if job.held == "pause" else "it is blocked" if job.held else ""
        case Action.RESUME:
            if job.held == "pause" or job.work[WorkStatus.PAUSED] or job.work[WorkStatus.PAUSING]:
                return ""
            # On the wire it is `paused` (9.9), so "not paused" would contradict what the caller reads.
            return "it is blocked: unblock lets it go on" if job.held else "it is not paused"
        case Action.BLOCK:
            if job.held:
                return "it is blocked" if job.held == "block" else "it is paused"
            return "it runs; suspend, preempt or migrate take it off its client" if on_client else ""
        case Action.UNBLOCK:
            return "" if job.held == "block" or job.work[WorkStatus.BLOCKED] else "it is not blocked"
        case Action.SUSPEND:
            stands = on_client and not any(job.work[status] for status in TAKEN_FROM[Action.SUSPEND])
            return "it stands still already" if stands else "" if on_client else "it does not run"
        case Action.PREEMPT | Action.MIGRATE:
            return "" if on_client else "it does not run"
        case Action.COMPLETE:
            return "its children have not ended" if job.children_unfinished and not with_children else ""
    return ""


def _why_not_again(action: Action, job: JobNow) -> str:
    if not (job.finished or (job.cancelled and action is not Action.DELETE)):
        return f"it is {job.status}, not finished"
    if action is Action.RETRY and job.status == "succeeded":
        return "it has succeeded"
    return ""


_FAILED_WORK = tuple(status for status in FINISHED_WORK if status is not WorkStatus.SUCCEEDED)

TAKEN_FROM: dict[Action, tuple[WorkStatus, ...]] = {
    Action.PAUSE: (WorkStatus.RUNNING, WorkStatus.RESUMING, WorkStatus.QUEUED, WorkStatus.RUNNABLE),
    Action.RESUME: (WorkStatus.PAUSED, WorkStatus.PAUSING, WorkStatus.BLOCKED),
    Action.BLOCK: (WorkStatus.QUEUED, WorkStatus.RUNNABLE),
    Action.UNBLOCK: (WorkStatus.BLOCKED,),
    Action.SUSPEND: (WorkStatus.RUNNING, WorkStatus.RESUMING),
    Action.MIGRATE: WORK_ON_CLIENT,
    Action.CANCEL: (WorkStatus.QUEUED, WorkStatus.RUNNABLE, WorkStatus.BLOCKED, *WORK_ON_CLIENT),
    Action.RETRY: _FAILED_WORK,
    Action.REQUEUE: FINISHED_WORK,
    Action.RERUN: FINISHED_WORK,
    Action.COMPLETE: (WorkStatus.QUEUED, WorkStatus.RUNNABLE, WorkStatus.BLOCKED, *WORK_ON_CLIENT),
    Action.TOP: (WorkStatus.QUEUED, WorkStatus.RUNNABLE, WorkStatus.BLOCKED),
    Action.BOTTOM: (WorkStatus.QUEUED, WorkStatus.RUNNABLE, WorkStatus.BLOCKED),
}
"""The statuses of a work item in which an action means something."""
