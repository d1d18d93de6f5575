"""`hq wait` and `output`: what is asked about jobs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from hqclient.farm import Farm
from hqclient.follow import watch
from hqclient.job import Job
from hqclient.news import QUIET_SECONDS
from hqserver.domain.status import FINISHED_JOB, JobStatus

from .exits import BadUsage, Exit
from .screen import Screen, harmless
from .words import between, count

_SHOWN_SECONDS = 2.0
"""How often somebody who looks on sees how far jobs are."""


def wait_for_jobs(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq wait`."""
    finished = wait(farm, args.job, screen, args.timeout)
    if screen.as_json:
        screen.json([{"id": job["id"], "status": job["status"]} for job in finished])
    else:
        for line in status_lines(screen, finished):
            screen.line(line)
    return outcome(finished)


def wait(
    farm: Farm, job_ids: Sequence[int], screen: Screen, timeout_seconds: float | None = None
) -> list[dict[str, Any]]:
    """The jobs' last attributes once all have ended; meanwhile a person sees how far they are.

    A paused job has not ended, and nothing ends it but people: it is told once, whenever it is found paused.
    """
    jobs: list[dict[str, Any]] = []
    paused: set[int] = set()
    attribs = ("id", "name", "status", "uiStatus", "overallProgress", "startTime", "endTime")
    quiet = _SHOWN_SECONDS if screen.err.isatty() else QUIET_SECONDS  # no event tells that a command got further
    try:
        for jobs in watch(farm, job_ids, attribs, timeout_seconds=timeout_seconds, quiet_seconds=quiet):
            now_paused = {job["id"] for job in jobs if job.get("uiStatus") == JobStatus.PAUSED}
            for job_id in sorted(now_paused - paused):
                screen.passing("")
                screen.note(f"job {job_id} is paused; to let it go on: hq resume {job_id}")
            paused = now_paused
            done = sum(job["status"] in FINISHED_JOB for job in jobs)
            fraction = sum(float(job.get("overallProgress") or 0.0) for job in jobs) / len(jobs)
            screen.passing(f"{screen.bar(fraction, 20)}  {done} of {count(len(jobs), 'job')} ended")
    finally:
        screen.passing("")
    return jobs


def status_lines(screen: Screen, jobs: Sequence[dict[str, Any]]) -> list[str]:
    """A line each: id, status, name and how long it took."""
    lines = []
    for job in jobs:
        took = between(job.get("startTime"), job.get("endTime"))
        status = screen.paint(f"{job['status']:9}", job["status"])
        lines.append(f"{job['id']}  {status}  {harmless(job.get('name', ''))}{f' ({took})' if took else ''}")
    return lines


def outcome(finished: Sequence[dict[str, Any]]) -> Exit:
    """The exit code for jobs that have ended."""
    return Exit.OK if all(job["status"] == JobStatus.SUCCEEDED for job in finished) else Exit.JOBS_FAILED


def show_output(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq output`."""
    job = farm.job(args.job)
    if not args.follow:
        text = _stderr(job, args.tail, screen) if args.stderr else job.output(args.tail)
        if screen.as_json:
            screen.json(text)
        else:
            screen.raw(text)
        return Exit.OK
    if screen.as_json:
        raise BadUsage("--follow prints text as it comes; it has no --json")
    if args.tail is not None:
        raise BadUsage("--follow starts at the beginning; it has no --tail")
    for piece in job.follow("stderr" if args.stderr else None):
        screen.raw(piece)
    return Exit.OK


def _stderr(job: Job, last_chars: int | None, screen: Screen) -> str:
    """What the job's runs wrote to stderr; somebody who looks for it where it is not kept apart is told so."""
    text = job.stderr()
    if not text and not job["splitOutput"]:
        screen.note(f"job {job.id} does not keep stderr apart (splitOutput): its output has both")
    return text if last_chars is None else text[-last_chars:]
