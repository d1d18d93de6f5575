"""`hq list`, `wait` and `output`: what is asked about jobs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hqclient.farm import Farm
from hqclient.follow import watch
from hqserver.domain.errors import near_match
from hqserver.domain.status import FINISHED_JOB, JOB_NAME_LISTS, JobStatus

from .exits import BadUsage, Exit
from .screen import Screen, harmless
from .tables import Cell, Column, table_lines
from .words import between, count, tasks

LIST_ATTRIBS = (
    *("id", "name", "status", "uiStatus", "overallProgress", "tasks", "submittedBy", "priority"),
    *("queueTime", "startTime", "endTime", "parents"),
)
DEFAULT_LIMIT = 100

_COLUMNS = (
    Column("ID", right=True),
    Column("NAME", flexible=True),
    Column("STATUS"),
    Column("PROGRESS", rank=3),
    Column("TASKS", rank=2),
    Column("BY", rank=1),
    Column("AGE", right=True, rank=5),
    Column("TIME", right=True, rank=4),
)


def list_jobs(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq list`."""
    statuses = _list_statuses(args)
    ids = farm.job_ids(statuses, roots_only=not args.children)
    shown = ids[: args.limit] if args.limit else ids
    jobs = farm.read_jobs(shown, LIST_ATTRIBS) if shown else []
    if screen.as_json:
        screen.json(jobs)
        return Exit.OK
    if not jobs:
        screen.note("no such jobs" if args.status or args.all else "no unfinished jobs (--all shows every job)")
        return Exit.OK
    now = farm.call("getServerTime")
    for line in table_lines(screen, _COLUMNS, [_row(screen, job, now) for job in jobs]):
        screen.line(line)
    if len(ids) > len(shown):
        screen.note(f"{len(ids) - len(shown)} more; --limit 0 shows all")
    return Exit.OK


def _list_statuses(args: argparse.Namespace) -> tuple[str, ...] | None:
    if args.status:
        known = JOB_NAME_LISTS["getAllJobStatusNames"]
        names = [name for each in args.status for name in each.split(",") if name]
        for name in names:
            if name not in known:
                raise BadUsage(f"no status is called {name!r}{near_match(name, known)}")
        return tuple(names)
    return None if args.all else tuple(status for status in JobStatus if status not in FINISHED_JOB)


def _row(screen: Screen, job: dict[str, Any], now: datetime) -> list[Cell]:
    return [
        Cell(job["id"]),
        Cell(job.get("name", "")),
        Cell(job.get("uiStatus") or job["status"], job["status"]),
        Cell(screen.bar(job.get("overallProgress") or 0.0), job["status"]),
        Cell(tasks(job.get("tasks"))),
        Cell(job.get("submittedBy") or ""),
        Cell(between(job.get("queueTime"), now), "faint"),
        Cell(between(job.get("startTime"), job.get("endTime") or now)),
    ]


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
    try:
        for jobs in watch(farm, job_ids, attribs, timeout_seconds=timeout_seconds):
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
        text = job.output(args.tail)
        if screen.as_json:
            screen.json(text)
        else:
            screen.raw(text)
        return Exit.OK
    if screen.as_json:
        raise BadUsage("--follow prints text as it comes; it has no --json")
    if args.tail is not None:
        raise BadUsage("--follow starts at the beginning; it has no --tail")
    for piece in job.follow():
        screen.raw(piece)
    return Exit.OK
