"""`hq list`, `wait`, `output`, `cancel` and `note`: what is asked about jobs, and of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hqclient.errors import NotFound
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
    """The jobs' last attributes once all have ended; meanwhile a person sees how far they are."""
    jobs: list[dict[str, Any]] = []
    attribs = ("id", "name", "status", "overallProgress", "startTime", "endTime")
    try:
        for jobs in watch(farm, job_ids, attribs, timeout_seconds=timeout_seconds):
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


def cancel_jobs(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq cancel`. What the server ignores silently, unknown and ended jobs, is told here."""
    before = {job["id"]: job["status"] for job in farm.read_jobs(args.job, ["id", "status"])}
    known = [job_id for job_id in dict.fromkeys(args.job) if job_id in before]
    answer = farm.call("cancelJobs", known) if known else True
    if screen.as_json:
        screen.json(answer)
    else:
        for job in farm.read_jobs(known, ["id", "name", "status", "waitingFor"]):
            if before[job["id"]] in FINISHED_JOB:
                said = f"had ended: {job['status']}"
            elif job["status"] in FINISHED_JOB:
                said = str(job["status"])
            else:
                said = job.get("waitingFor") or "ending"
            screen.line(f"{job['id']}  {harmless(said)}  {harmless(job.get('name', ''))}".rstrip())
    missing = [str(job_id) for job_id in dict.fromkeys(args.job) if job_id not in before]
    if missing:
        raise NotFound(404, f"no job {', '.join(missing)}")
    return Exit.OK


def add_note(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq note`."""
    text = " ".join(args.text)
    if not text.strip():
        raise BadUsage("a note needs a text")
    # addNote answers True for a job that does not exist, and would start a thread that belongs to nothing.
    farm.job(args.job).refresh("status")
    answer = farm.call("addNote", text, None, args.job, None)
    if screen.as_json:
        screen.json(answer)
    return Exit.OK
