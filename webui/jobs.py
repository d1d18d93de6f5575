"""The page of jobs: from what `services.overview` says to what the template shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from hqserver.services import overview
from hqserver.services.farm import Farm
from hqserver.services.overview import Count, Counters, JobsOverview, Roots

from . import contexts, pieces, wording
from .actions import jobs_actions
from .looks import Look, job_look
from .parts import thread_url, when

_BLOCKED_NAMED = 5

_HEADINGS: dict[Roots, tuple[str, str]] = {
    Roots.UNFINISHED: ("Unfinished jobs", "Nothing is waiting and nothing runs."),
    Roots.RUNNING: ("Running jobs", "Nothing runs at the moment."),
    Roots.WAITING: ("Waiting jobs", "Nothing is waiting."),
    Roots.FINISHED: ("Finished jobs", "Nothing has finished yet."),
    Roots.FAILED: ("Failed jobs", "Nothing has failed."),
    Roots.ALL: ("All jobs", "There are no jobs."),
}
"""Of each list its heading, and what is said where it is empty."""


def jobs_page(farm: Farm, which: Roots | None, before: int | None, server: str) -> contexts.JobsPage:
    """A list of root jobs; for None HQueue's two tables, the unfinished and the latest finished ones."""
    if which is None:
        wanted = [(Roots.UNFINISHED, overview.JOBS_A_PAGE), (Roots.FINISHED, overview.RECENT_JOBS)]
    else:
        wanted = [(which, overview.JOBS_A_PAGE)]
    found = overview.jobs_overview(farm, wanted, before)
    now = farm.clock.now()
    return contexts.JobsPage(
        title="Jobs" if which is None else _HEADINGS[which][0],
        section="jobs",
        at=when(now, now),
        counters=_counters(found.counters),
        tabs=_tabs(found, which),
        tables=_tables(found, which, now),
        newest=_list_url(which) if before is not None else "",
        welcome=found.counts[Roots.ALL].number == 0,
        server=server,
        no_clients=found.counters.clients == 0,
        actions=jobs_actions(),
    )


def _counters(counters: Counters) -> list[pieces.Counter]:
    return [
        pieces.Counter("active jobs", counters.active_jobs),
        pieces.Counter("running", counters.running_jobs, live=counters.running_jobs > 0),
        pieces.Counter("clients", counters.clients),
        pieces.Counter("clients running jobs", counters.clients_running, live=counters.clients_running > 0),
    ]


def _list_url(which: Roots | None, before: int | None = None) -> str:
    query = {"status": str(which)} if which else {}
    if before is not None:
        query["before"] = str(before)
    return f"/?{urlencode(query)}" if query else "/"


def _tabs(found: JobsOverview, which: Roots | None) -> list[pieces.Tab]:
    return [
        pieces.Tab("Overview", "/", "", which is None),
        *(pieces.Tab(each.capitalize(), _list_url(each), _count(found.counts[each]), each is which) for each in Roots),
    ]


def _count(count: Count) -> str:
    return wording.grouped(count.number) + ("+" if count.more else "")


def _tables(found: JobsOverview, which: Roots | None, now: float) -> list[pieces.JobTable]:
    tables = []
    for each in found.lists:
        heading, empty = _HEADINGS[each.which]
        if which is None and each.which is Roots.FINISHED:
            heading = "Recently finished"
            if not each.jobs:
                continue
        older = _list_url(each.which, each.older) if each.older is not None else ""
        rows = [job_row(job, now) for job in each.jobs]
        tables.append(pieces.JobTable(heading, rows, older, "Older jobs", empty))
    return tables


def job_row(job: Mapping[str, Any], now: float) -> pieces.JobRow:
    """A job of a table (CONTRACT 6.1), from its attributes."""
    look = job_look(job["status"], job["uiStatus"].startswith("running"), job["held"])
    finished = job["endTime"] is not None
    tasks = job["tasks"]
    progress = job["overallProgress"]
    return pieces.JobRow(
        id=job["id"],
        name=job["name"],
        description=job["description"],
        badge=pieces.Badge(job["uiStatus"], look),
        why=_why(job, look),
        progress=pieces.Bar(round(progress, 3), 1, f"{wording.percent(progress)} %", look),
        tasks=f"{wording.grouped(tasks['finished'])}/{wording.grouped(tasks['total'])}" if tasks["total"] else "",
        failed=f"{wording.grouped(tasks['failed'])} failed" if tasks["failed"] else "",
        time=between(job["startTime"], job["endTime"], now),
        eta=wording.duration(job["ETA"]) if job["ETA"] >= 0 and not finished else "",
        priority=job["priority"],
        submitted_by=job["submittedBy"],
        submitted=when(job["queueTime"], now),
        warning=_warning(job),
        note=job["latestNote"],
        thread=thread_url(job["threadId"]),
    )


def _why(job: Mapping[str, Any], look: Look) -> str:
    if look is Look.RUNNING and job["status"] != "running":
        return ""  # a parent that runs through its children waits for them, which says nothing
    if look is Look.PAUSED and job["status"] == "queued":
        return f"somebody to {'unblock' if job['held'] == 'block' else 'resume'} it"
    return str(job["waitingFor"])


def _warning(job: Mapping[str, Any]) -> str:
    """Of clients that are blocked for the job, where its flag asks for the warning (CONTRACT 6.1)."""
    blocked = job["blockedClients"]
    if not blocked or not job["showBlockedClientsWarning"]:
        return ""
    more = f" and {len(blocked) - _BLOCKED_NAMED} more" if len(blocked) > _BLOCKED_NAMED else ""
    return f"failed too often to get more of it: {', '.join(blocked[:_BLOCKED_NAMED])}{more}"


def between(start: datetime | None, end: datetime | None, now: float) -> str:
    """How long from the start to the end, or until now; "" before the start."""
    if start is None:
        return ""
    return wording.duration(((end or datetime.fromtimestamp(now, UTC)) - start).total_seconds())
