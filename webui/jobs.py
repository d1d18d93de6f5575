"""The pages of jobs: from what `services.overview` says to what the templates show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from hqserver.services import output, overview
from hqserver.services.farm import Farm
from hqserver.services.overview import Count, Counters, JobsOverview, Roots

from . import contexts, wording
from .looks import Look, job_look
from .parts import job_link, log_lines, note_texts, run_outcome, run_rows, when

TAIL_BYTES = 64 * 1024
"""How much of a job's output its page shows."""

_COMMAND_SHOWN = 20_000
_VALUE_SHOWN = 1_000
_PAIRS_SHOWN = 300

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
    )


def _counters(counters: Counters) -> list[contexts.Counter]:
    return [
        contexts.Counter("active jobs", counters.active_jobs),
        contexts.Counter("running", counters.running_jobs, live=counters.running_jobs > 0),
        contexts.Counter("clients", counters.clients),
        contexts.Counter("clients running jobs", counters.clients_running, live=counters.clients_running > 0),
    ]


def _list_url(which: Roots | None, before: int | None = None) -> str:
    query = {"status": str(which)} if which else {}
    if before is not None:
        query["before"] = str(before)
    return f"/?{urlencode(query)}" if query else "/"


def _tabs(found: JobsOverview, which: Roots | None) -> list[contexts.Tab]:
    return [
        contexts.Tab("Overview", "/", "", which is None),
        *(
            contexts.Tab(each.capitalize(), _list_url(each), _count(found.counts[each]), each is which)
            for each in Roots
        ),
    ]


def _count(count: Count) -> str:
    return wording.grouped(count.number) + ("+" if count.more else "")


def _tables(found: JobsOverview, which: Roots | None, now: float) -> list[contexts.JobTable]:
    tables = []
    for each in found.lists:
        heading, empty = _HEADINGS[each.which]
        if which is None and each.which is Roots.FINISHED:
            heading = "Recently finished"
            if not each.jobs:
                continue
        older = _list_url(each.which, each.older) if each.older is not None else ""
        rows = [job_row(job, now) for job in each.jobs]
        tables.append(contexts.JobTable(heading, rows, older, "Older jobs", empty))
    return tables


def job_row(job: Mapping[str, Any], now: float) -> contexts.JobRow:
    """A job of a table, from its attributes."""
    at_work = job["uiStatus"].startswith("running")
    look = job_look(job["status"], at_work)
    finished = job["endTime"] is not None
    tasks = job["tasks"]
    progress = job["overallProgress"]
    return contexts.JobRow(
        id=job["id"],
        name=job["name"],
        description=job["description"],
        badge=contexts.Badge(job["uiStatus"], look),
        # A parent that runs through its children waits for them, which says nothing.
        why=job["waitingFor"] if look is not Look.RUNNING or job["status"] == "running" else "",
        progress=contexts.Bar(round(progress, 3), 1, f"{wording.percent(progress)} %", look),
        tasks=f"{wording.grouped(tasks['finished'])}/{wording.grouped(tasks['total'])}" if tasks["total"] else "",
        failed=f"{wording.grouped(tasks['failed'])} failed" if tasks["failed"] else "",
        time=_between(job["startTime"], job["endTime"], now),
        eta=wording.duration(job["ETA"]) if job["ETA"] >= 0 and not finished else "",
        priority=job["priority"],
        submitted_by=job["submittedBy"],
        submitted=when(job["queueTime"], now),
        note=job["latestNote"],
    )


def _between(start: datetime | None, end: datetime | None, now: float) -> str:
    if start is None:
        return ""
    return wording.duration(((end or datetime.fromtimestamp(now, UTC)) - start).total_seconds())


def job_page(farm: Farm, job_id: int, children_after: int) -> contexts.JobPage:
    """One job. Raises `NotFound`."""
    found = overview.job_overview(farm, job_id, children_after)
    job, now = found.job, farm.clock.now()
    row = job_row(job, now)
    log = log_lines(job["logs"][-overview.MOST_LINES :], now)
    cells_left = found.children_total - len(found.cells)
    return contexts.JobPage(
        title=f"{row.name} · job {job_id}",
        section="jobs",
        at=when(now, now),
        trail=_trail(found),
        job=row,
        reason=_reason(found),
        facts=_facts(found),
        times=_times(job, now),
        commands=_commands(job["command"]),
        environment=_pairs(job["environment"]),
        properties=_pairs({**job["properties"], **found.unknown}),
        children=_children(found, now),
        children_first=f"/jobs/view/{job_id}#children" if children_after else "",
        cells=[
            contexts.Cell(cell.id, job_look(cell.status, cell.clients > 0), f"{cell.id} {cell.name}: {cell.status}")
            for cell in found.cells
        ],
        cells_more=f"and {wording.grouped(cells_left)} more" if cells_left > 0 else "",
        runs=run_rows(found.runs, now),
        log=log,
        log_more=f"the latest {len(log)} of {wording.grouped(len(job['logs']))}" if len(job["logs"]) > len(log) else "",
        notes=note_texts(found.notes, now),
        output=_output(farm, found),
    )


def _trail(found: overview.JobOverview) -> list[contexts.Link]:
    """The way from the root by first parents, as far as the page knows names: the root and the first parent."""
    steps = [each for each in (found.job["root"], *found.job["parents"][:1]) if each in found.names]
    return [job_link(each, found.names[each]) for each in dict.fromkeys(steps) if each != found.job["id"]]


def _reason(found: overview.JobOverview) -> str:
    """Why it ended without success: what its last run says, else the last word of its status log."""
    job = found.job
    if job_look(job["status"], at_work=False) not in (Look.FAILED, Look.CANCELLED, Look.ABANDONED):
        return ""
    if found.runs and found.runs[0].status == job["status"] and (outcome := run_outcome(found.runs[0])):
        return f"{outcome} on {found.runs[0].client}"
    ends = [line["message"] for line in job["logs"] if line["event"] == "status" and line["status"] == job["status"]]
    return ends[-1] if ends else ""


def _children(found: overview.JobOverview, now: float) -> contexts.JobTable | None:
    if not found.children_total:
        return None
    older = ""
    if found.children_next is not None:
        older = f"/jobs/view/{found.job['id']}?{urlencode({'children_after': found.children_next})}#children"
    heading = "1 child" if found.children_total == 1 else f"{wording.grouped(found.children_total)} children"
    rows = [job_row(child, now) for child in found.children]
    return contexts.JobTable(heading, rows, older, "Further children", "No further children.")


def _facts(found: overview.JobOverview) -> list[contexts.Fact]:
    job = found.job
    parents = [job_link(each, found.names[each]) for each in job["parents"] if each in found.names]
    clients = [contexts.Link(f"/clients/view/{client['id']}", client["label"]) for client in job["clients"]]
    root = job_link(job["root"], found.names[job["root"]]) if job["root"] in found.names else None
    work = ", ".join(f"{count} {status}" for status, count in job["workCounts"].items())
    facts = [
        contexts.Fact("Submitted by", job["submittedBy"] or "—"),
        contexts.Fact("Priority", str(job["priority"])),
        contexts.Fact("CPUs", str(job["cpus"]) if job["cpus"] else "all of its client"),
        contexts.Fact("Parents" if len(parents) > 1 else "Parent", links=parents),
        contexts.Fact("Root", links=[root] if root and root not in parents and job["root"] != job["id"] else []),
        contexts.Fact("Clients" if len(clients) > 1 else "Client", links=clients),
        contexts.Fact("Tries left", str(job["triesLeft"]) if job["triesLeft"] else ""),
        contexts.Fact("Work", work if sum(job["workCounts"].values()) > 1 else ""),
        contexts.Fact("Not confirmed by", ", ".join(job["unconfirmed"]), title="clients that may still run it"),
        contexts.Fact("Shell", job["shell"]),
        contexts.Fact("Uuid", job["uuid"]),
    ]
    return [fact for fact in facts if fact.words or fact.links]


def _times(job: Mapping[str, Any], now: float) -> list[contexts.Fact]:
    """The times HQueue's page has, and those derived of them (CONTRACT 6.2)."""
    times = [
        ("Submitted", job["queueTime"]),
        ("Could run", job["runnableTime"]),
        ("Started", job["startTime"]),
        ("Command started", job["commandStartTime"]),
        ("Command ended", job["commandEndTime"]),
        ("Ended", job["endTime"]),
    ]
    facts = [contexts.Fact(name, when(at, now).words, title=wording.utc(at)) for name, at in times if at is not None]
    spans = [
        ("Time in queue", job["queueTime"], job["startTime"]),
        ("Time to run command", job["commandStartTime"], job["commandEndTime"]),
        ("Time to complete", job["queueTime"], job["endTime"]),
    ]
    facts += [contexts.Fact(name, _between(start, end, now)) for name, start, end in spans if start and end]
    return facts


def _commands(command: str | Mapping[str, str]) -> list[contexts.Command]:
    by_platform = {"": command} if isinstance(command, str) else command
    return [
        contexts.Command(platform, wording.shortened(text, _COMMAND_SHOWN))
        for platform, text in by_platform.items()
        if text
    ]


def _pairs(values: Mapping[str, Any]) -> list[contexts.Fact]:
    shown = sorted(values.items())[:_PAIRS_SHOWN]
    facts = [contexts.Fact(name, wording.shortened(str(value), _VALUE_SHOWN)) for name, value in shown]
    if len(values) > len(shown):
        facts.append(contexts.Fact("…", f"and {wording.grouped(len(values) - len(shown))} more"))
    return facts


def _output(farm: Farm, found: overview.JobOverview) -> contexts.Output | None:
    """The end of the output; None for a job that has no command and never ran (CONTRACT 6.2)."""
    if not found.runs and not _commands(found.job["command"]):
        return None
    tail = output.job_output(farm, found.job["id"], TAIL_BYTES)
    cut = len(tail) >= TAIL_BYTES
    if cut:
        tail = tail[-TAIL_BYTES:].partition(b"\n")[2] or tail[-TAIL_BYTES:]
    words = wording.terminal_text(tail)
    return contexts.Output(words, f"the last {TAIL_BYTES // 1024} kB" if cut else "", f"/jobs/output/{found.job['id']}")
