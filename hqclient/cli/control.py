"""`hq cancel`, `pause`, `resume`, `retry`, `eject`, `delete` and `priority`: what jobs are told.

The server carries such a call out for every job that has a use for it, ignores the others silently, and answers before
clients have done their part. So each command looks at its jobs before and afterwards and tells what became of each.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from hqclient.errors import Conflict, NotFound
from hqclient.farm import JOBS_A_CALL, Farm
from hqserver.domain.status import FAILED_JOB, FINISHED_JOB, JobStatus

from .exits import BadUsage, Exit
from .screen import Screen, harmless
from .words import count

_ATTRIBS = ("id", "name", "status", "uiStatus", "waitingFor", "priority")
_ATTRIBS_OF_MANY = ("id", "status", "priority")

Job = dict[str, Any]
Told = Callable[[Job, Job | None], str]
"""What became of a job, from its attributes before and after; None where it is gone."""


def cancel(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq cancel`."""
    return _control(farm, args.job, screen, "cancelJobs", told=_unless_ended)


def pause(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq pause`."""
    return _control(farm, args.job, screen, "pauseJobs", told=_unless_ended)


def resume(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq resume`."""
    return _control(farm, args.job, screen, "resumeJobs", told=_unless_ended)


def eject(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq eject`."""
    return _control(farm, args.job, screen, "ejectJobs", told=_unless_ended)


def retry(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq retry`, also called `reschedule`."""

    def told(was: Job, now: Job | None) -> str:
        if was["status"] not in FINISHED_JOB:
            return f"has not ended: {_situation(now)}"
        return _situation(now)

    if _wants_all(args, args.failed):
        moved = _control_all(farm, FAILED_JOB, "rescheduleJobs")
        return _tell_all(screen, moved, f"rescheduled {count(len(moved), 'job')}")
    return _control(farm, args.job, screen, "rescheduleJobs", told=told)


def delete(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq delete`. A job that was named and could not be deleted is exit code 3."""
    if _wants_all(args, args.failed or args.finished):
        moved = _control_all(farm, FINISHED_JOB if args.finished else FAILED_JOB, "deleteJobs")
        kept = [str(now["id"]) for _, now in moved if now is not None]
        done = _tell_all(screen, moved, f"deleted {count(len(moved) - len(kept), 'job')}")
        if kept:
            shown = ", ".join(kept[:10]) + (f" and {len(kept) - 10} more" if len(kept) > 10 else "")
            screen.note(f"not deleted: job {shown}; a client may still run some of it")
        return done
    left: list[int] = []

    def told(was: Job, now: Job | None) -> str:
        if now is None:
            return "deleted"
        left.append(was["id"])
        if was["status"] in FINISHED_JOB:
            return "not deleted: a client may still run some of it"
        return f"not deleted: has not ended ({_situation(now)})"

    _control(farm, args.job, screen, "deleteJobs", told=told)
    if left:
        raise Conflict(409, f"not deleted: job {', '.join(map(str, left))}")
    return Exit.OK


def set_priority(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq priority`."""

    def told(was: Job, now: Job | None) -> str:
        if was["status"] in FINISHED_JOB or now is None:
            return _unless_ended(was, now)
        return f"priority {now['priority']}, was {was['priority']}"

    return _control(farm, args.job, screen, "setJobPriority", args.priority, told=told)


def _situation(job: Job | None) -> str:
    """The status of a job, and where it waits why."""
    if job is None:
        return "gone"
    status = str(job.get("uiStatus") or job["status"])
    waits = job["status"] in (JobStatus.QUEUED, JobStatus.RUNNABLE, JobStatus.RUNNING)
    return f"{status}: {job['waitingFor']}" if waits and job.get("waitingFor") else status


def _unless_ended(was: Job, now: Job | None) -> str:
    if was["status"] in FINISHED_JOB:
        return f"had ended: {was['status']}"
    return _situation(now)


# One by one ----------------------------------------------------------------------------------------------------------


def _control(farm: Farm, asked: Sequence[int], screen: Screen, method: str, *parameters: object, told: Told) -> Exit:
    """Call the method for the jobs that there are, print a line each, and then complain of those that there are not."""
    job_ids = list(dict.fromkeys(asked))
    before = {job["id"]: job for job in farm.read_jobs(job_ids, _ATTRIBS)}
    known = [job_id for job_id in job_ids if job_id in before]
    if known:
        farm.call(method, known, *parameters)
    after = {job["id"]: job for job in farm.read_jobs(known, _ATTRIBS)}
    lines = []
    for job_id in known:
        said = told(before[job_id], after.get(job_id))
        lines.append(f"{job_id}  {harmless(said)}  {harmless(before[job_id].get('name', ''))}".rstrip())
    if screen.as_json:
        screen.json([_news(before[job_id], after.get(job_id)) for job_id in known])
    else:
        for line in lines:
            screen.line(line)
    missing = [str(job_id) for job_id in job_ids if job_id not in before]
    if missing:
        raise NotFound(404, f"no job {', '.join(missing)}")
    return Exit.OK


def _news(was: Job, now: Job | None) -> dict[str, Any]:
    """What programs are told of a job: `now` is None where it is gone, `why` is why it waits ("" for all of a kind)."""
    return {
        "id": was["id"],
        "was": was["status"],
        "now": now["status"] if now else None,
        "why": (now or {}).get("waitingFor") or "",
        "priority": (now or was)["priority"],
    }


# All of a kind -------------------------------------------------------------------------------------------------------


def _wants_all(args: argparse.Namespace, every: bool) -> bool:
    if every and args.job:
        raise BadUsage("name jobs, or take all of a kind; not both")
    if not every and not args.job:
        raise BadUsage("name at least one job, or say --failed")
    return every


def _control_all(farm: Farm, statuses: Sequence[str], method: str) -> list[tuple[Job, Job | None]]:
    """Call the method for every job in these statuses, so many a call: each job before and after, None if gone."""
    before = farm.read_jobs(farm.job_ids(statuses), _ATTRIBS_OF_MANY)
    job_ids = [job["id"] for job in before]
    for start in range(0, len(job_ids), JOBS_A_CALL):
        farm.call(method, job_ids[start : start + JOBS_A_CALL])
    after = {job["id"]: job for job in farm.read_jobs(job_ids, _ATTRIBS_OF_MANY)}
    return [(job, after.get(job["id"])) for job in before]


def _tell_all(screen: Screen, moved: Sequence[tuple[Job, Job | None]], sentence: str) -> Exit:
    """One sentence for people, however many jobs there were; each of them for programs."""
    if screen.as_json:
        screen.json([_news(was, now) for was, now in moved])
    else:
        screen.line(sentence)
    return Exit.OK
