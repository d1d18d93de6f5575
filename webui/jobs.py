"""The page of jobs: from what `services.queries.overview_jobs` says to what the template shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hqserver.domain.job_filter import NEWEST_FIRST
from hqserver.services.farm import Farm
from hqserver.services.queries import overview_jobs
from hqserver.services.queries.overview_jobs import Count, Counters, JobList, Roots

from . import contexts, pieces, wording
from .actions import jobs_actions
from .job_lists import JobsList, list_of, lists_asked_for
from .looks import Look, job_look
from .parts import thread_url, when

_BLOCKED_NAMED = 5


def jobs_page(farm: Farm, query: Mapping[str, str], server: str) -> contexts.JobsPage:
    """The lists that the query asks for. Raises `BadParameters` and `TooLarge` for what it cannot mean."""
    lists = lists_asked_for(query)
    found = overview_jobs.jobs_overview(farm, [each.wanted for each in lists])
    now = farm.clock.now()
    single = lists[0] if len(lists) == 1 else None
    return contexts.JobsPage(
        title=single.heading if single else "Jobs",
        section="jobs",
        at=when(now, now),
        counters=_counters(found.counters),
        tabs=_tabs(found.counts, single),
        tables=[
            _table(each, part, now) for each, part in zip(lists, found.lists, strict=True) if each.empty or part.jobs
        ],
        newest=single.url() if single and single.after is not None else "",
        text=query.get("text", ""),
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


def _tabs(counts: Mapping[Roots, Count], shown: JobsList | None) -> list[pieces.Tab]:
    return [
        pieces.Tab("Overview", "/", "", shown is None),
        *(
            pieces.Tab(
                *(each.capitalize(), list_of(each).url(), _count(counts[each])),
                current=shown is not None and shown.which is each,
            )
            for each in Roots
        ),
    ]


def _count(count: Count) -> str:
    return wording.grouped(count.number) + ("+" if count.more else "")


def _table(shown: JobsList, found: JobList, now: float) -> pieces.JobTable:
    rows = [job_row(job, now) for job in found.jobs]
    following = "" if found.next is None else shown.url(found.next)
    words = "Older jobs" if shown.sort == NEWEST_FIRST else "More jobs"
    return pieces.JobTable(shown.heading, rows, following, words, shown.empty)


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
