"""The page of one job: from what `services.queries.overview` says to what the template shows (CONTRACT 6.2)."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from hqserver.services.farm import Farm
from hqserver.services.queries import output, overview
from hqserver.services.queries.overview import Cell, JobOverview

from . import contexts, pieces, wording
from .actions import job_actions
from .job_facts import commands, facts, pairs, requirements, times
from .jobs import job_row
from .looks import Look, job_look
from .parts import client_link, job_link, log_lines, note_texts, run_outcome, run_rows, when
from .why import why
from .work import WorkShown, work_panel

TAIL_BYTES = 64 * 1024
"""How much of a job's output its page shows."""


def job_page(farm: Farm, job_id: int, children_after: int, shown: WorkShown) -> contexts.JobPage:
    """One job; of its pieces of work those that are asked for. Raises `NotFound`."""
    found = overview.job_overview(farm, job_id, children_after)
    job, now = found.job, farm.clock.now()
    row = job_row(job, now)
    cells_left = found.children_total - len(found.cells)
    return contexts.JobPage(
        title=f"{row.name} · job {job_id}",
        section="jobs",
        at=when(now, now),
        trail=_trail(found),
        job=row,
        reason=_reason(found),
        why=why(farm, job_id, job["status"]),
        facts=facts(found),
        requirements=requirements(job),
        times=times(job, now),
        commands=commands(job),
        environment=pairs(job["environment"]),
        properties=pairs({**job["properties"], **found.unknown}),
        children=_children(found, now),
        children_first=f"/jobs/view/{job_id}#children" if children_after else "",
        cells=[_cell(cell, now) for cell in found.cells],
        cells_more=f"and {wording.grouped(cells_left)} more" if cells_left > 0 else "",
        work=work_panel(farm, job, shown, now),
        runs=run_rows(found.runs, now),
        blocked=[
            pieces.Blocked(
                client_link(each.client_id, each.client, each.listed),
                f"failed {each.failures} times",
            )
            for each in found.blocked
        ],
        log=log_lines(found.log, now),
        log_more=f"the latest {len(found.log)} lines" if found.log_cut else "",
        notes=note_texts(found.notes, now),
        output=_output(farm, found),
        result=_result(found),
        diagnostics=f"/jobs/diagnostics/{job_id}",
        actions=job_actions(job),
    )


def _trail(found: JobOverview) -> list[pieces.Link]:
    """The way from the root by first parents, as far as the page knows names: the root and the first parent."""
    steps = [each for each in (found.job["root"], *found.parents[:1]) if each in found.names]
    return [job_link(each, found.names[each]) for each in dict.fromkeys(steps) if each != found.job["id"]]


def _reason(found: JobOverview) -> str:
    """Why it ended without success: what the last run of its command says, else the last word of its status log."""
    job = found.job
    if job_look(job["status"], at_work=False) not in (Look.FAILED, Look.CANCELLED, Look.ABANDONED):
        return ""
    last = next((run for run in found.runs if not run.kind and not run.slot), None)
    if last and last.status == job["status"] and (outcome := run_outcome(last)):
        return f"{outcome} on {last.client}"
    ends = [line["message"] for line in found.log if line["event"] == "status" and line["status"] == job["status"]]
    return str(ends[-1]) if ends else ""


def _children(found: JobOverview, now: float) -> pieces.JobTable | None:
    if not found.children_total:
        return None
    older = ""
    if found.children_next is not None:
        older = f"/jobs/view/{found.job['id']}?{urlencode({'children_after': found.children_next})}#children"
    heading = "1 child" if found.children_total == 1 else f"{wording.grouped(found.children_total)} children"
    rows = [job_row(child, now) for child in found.children]
    return pieces.JobTable(heading, rows, older, "Further children", "No further children.")


def _cell(cell: Cell, now: float) -> pieces.Cell:
    time = "" if cell.started_at is None else f", {wording.duration((cell.ended_at or now) - cell.started_at)}"
    look = job_look(cell.status, cell.clients > 0, cell.held)
    status = Look.PAUSED if look is Look.PAUSED and cell.status == "queued" else cell.status
    return pieces.Cell(cell.id, look, f"{cell.id} {cell.name}: {status}{time}")


def _output(farm: Farm, found: JobOverview) -> pieces.Output | None:
    """The end of the output; None for a job that has no command and never ran (CONTRACT 6.2)."""
    if not found.runs and not found.job["command"]:
        return None
    tail = output.job_output(farm, found.job["id"], TAIL_BYTES)
    cut = len(tail) >= TAIL_BYTES
    if cut:
        tail = tail[-TAIL_BYTES:].partition(b"\n")[2] or tail[-TAIL_BYTES:]
    words = wording.terminal_text(tail)
    url = f"/jobs/output/{found.job['id']}"
    stderr_url = f"{url}?stream=stderr" if found.job["splitOutput"] else ""
    return pieces.Output(words, f"the last {TAIL_BYTES // 1024} kB" if cut else "", url, stderr_url)


def _result(found: JobOverview) -> pieces.Result | None:
    """What the job left for others: on lines of their own where it is short, else the beginning as it is stored."""
    if found.result is None:
        return None
    start, size = found.result
    if len(start) < size:
        return pieces.Result(start + "…", f"the beginning; hq result {found.job['id']} prints it")
    return pieces.Result(json.dumps(json.loads(start), ensure_ascii=False, indent=2), "")
