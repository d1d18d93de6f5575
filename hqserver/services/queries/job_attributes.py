"""The attributes of a job (CONTRACT 1.3, 9.9, 9.11, 9.14, 10)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hqserver.domain.family import ui_status
from hqserver.domain.job import PROGRESS_UNIT, Tree, overall_progress, seconds_left
from hqserver.domain.status import JobStatus, WorkStatus
from hqserver.services.attributes import Attribute, Batch, column, moment
from hqserver.services.dispatch.job_reasons import blocked_of, requirements_of, waiting_for
from hqserver.store import lookup, results
from hqserver.store.schema import TREE_COLUMNS, WORK_COLUMNS

from .client_attributes import named


def tree_of(row: sqlite3.Row) -> Tree:
    """The row's tree counters."""
    return Tree(*(row[name] for name in TREE_COLUMNS.values()))


def _ui_statuses(batch: Batch) -> list[str]:
    return [
        ui_status(
            JobStatus(row["status"]), has_children=row["children"] > 0, clients=row["tree_clients"], held=row["held"]
        )
        for row in batch.rows
    ]


def _progress(batch: Batch) -> list[float]:
    return [
        row["own_progress"] / (PROGRESS_UNIT * items)
        if (items := sum(row[name] for name in WORK_COLUMNS.values()))
        else 0.0
        for row in batch.rows
    ]


def _overall_progress(batch: Batch) -> list[float]:
    return [overall_progress(tree_of(row), row["ended_at"] is not None) for row in batch.rows]


def _eta(batch: Batch) -> list[float]:
    return [seconds_left(tree_of(row), row["tree_clients"], row["ended_at"] is not None) for row in batch.rows]


def _tasks(batch: Batch) -> list[dict[str, int]]:
    """Counts of the descendants: the job itself is taken off its tree's counters."""
    found = []
    for row in batch.rows:
        finished = int(row["ended_at"] is not None)
        failed = int(finished and row["status"] != JobStatus.SUCCEEDED)
        found.append(
            {
                "total": row["tree_jobs"] - 1,
                "finished": row["tree_jobs_finished"] - finished,
                "failed": row["tree_jobs_failed"] - failed,
            }
        )
    return found


def _work_counts(batch: Batch) -> list[dict[str, int]]:
    return [
        {status: row[WORK_COLUMNS[status]] for status in WorkStatus if row[WORK_COLUMNS[status]]} for row in batch.rows
    ]


def _related(query: Callable[[sqlite3.Connection, Sequence[int]], Mapping[int, list[int]]]) -> Callable[[Batch], Any]:
    def read(batch: Batch) -> list[list[int]]:
        found = query(batch.connection, batch.ids)
        return [found.get(job_id, []) for job_id in batch.ids]

    return read


def _clients(batch: Batch) -> list[list[dict[str, Any]]]:
    found = lookup.clients_of_jobs(batch.connection, batch.ids)
    return [[named(batch.farm, client_id) for client_id in found.get(job_id, [])] for job_id in batch.ids]


def _conditions(batch: Batch) -> list[list[dict[str, str]]]:
    return [[each.as_dict() for each in requirement.conditions] for requirement in requirements_of(batch)]


def _hosts(batch: Batch) -> list[dict[str, int]]:
    return [{"min": each.min_hosts, "max": each.max_hosts} for each in requirements_of(batch)]


def _clients_on_hold(batch: Batch) -> list[list[dict[str, Any]]]:
    holds = batch.farm.holds
    return [[named(batch.farm, client_id) for client_id in holds.clients_of(job_id)] for job_id in batch.ids]


def _blocked_clients(batch: Batch) -> list[list[str]]:
    blocked = blocked_of(batch)
    return [[batch.farm.watch.label(each) for each in sorted(blocked.get(row["root_id"], ()))] for row in batch.rows]


def _unconfirmed(batch: Batch) -> list[list[str]]:
    found = lookup.unconfirmed_clients(batch.connection, batch.ids)
    return [[batch.farm.watch.label(client_id) for client_id in found.get(job_id, [])] for job_id in batch.ids]


def _logs(batch: Batch) -> list[list[dict[str, Any]]]:
    found = lookup.history(batch.connection, batch.ids)
    return [
        [
            {
                "time": moment(row["at"]),
                "event": row["event"],
                "status": row["status"],
                "message": row["message"],
                "client": batch.farm.watch.label(row["client_id"]),
            }
            for row in found.get(job_id, [])
        ]
        for job_id in batch.ids
    ]


def _thread_ids(batch: Batch) -> list[int | None]:
    found = lookup.latest_notes(batch.connection, "job", batch.ids)
    return [found[job_id][0] if job_id in found else None for job_id in batch.ids]


def _have_results(batch: Batch) -> list[bool]:
    found = results.having(batch.connection, batch.ids)
    return [job_id in found for job_id in batch.ids]


def _latest_notes(batch: Batch) -> list[str]:
    found = lookup.latest_notes(batch.connection, "job", batch.ids)
    return [found[job_id][1] if job_id in found else "" for job_id in batch.ids]


def _specified(name: str, default: Any) -> Callable[[Batch], list[Any]]:
    return lambda batch: [json.loads(row["specification"]).get(name, default) for row in batch.rows]


def _always(value: Any) -> Callable[[Batch], list[Any]]:
    return lambda batch: [value for _ in batch.rows]


JOB_ATTRIBUTES: dict[str, Attribute] = {
    attribute.name: attribute
    for attribute in (
        Attribute("id", "Id of the job.", column("id")),
        Attribute("name", "Its name.", column("name")),
        Attribute("status", "Internal status, of the job itself.", column("status")),
        Attribute("uiStatus", "The status text of the page, which tells of descendants too.", _ui_statuses),
        Attribute("progress", "0.0 to 1.0 of the job's own command; 0.0 without one.", _progress),
        Attribute("overallProgress", "0.0 to 1.0 of the job and its descendants.", _overall_progress),
        Attribute("ETA", "Seconds left, -1 while unknown.", _eta),
        Attribute("priority", "0 is the lowest.", column("priority")),
        Attribute("children", "Ids of the jobs that must end before it.", _related(lookup.children), "query"),
        Attribute("parents", "Ids of the jobs that wait for it.", _related(lookup.parents), "query"),
        Attribute("clients", "Clients that run or ran it: id, hostname, name, label, ip.", _clients, "query"),
        Attribute("clientsOnHold", "Clients reserved for it until it has enough.", _clients_on_hold),
        Attribute("conditions", "Scheduling conditions: type, name, op, value.", _conditions, "query"),
        Attribute("tags", "Sharing rules.", _specified("tags", [])),
        Attribute("cpus", "CPUs it needs on its client; 0 = all of them.", column("cpus")),
        Attribute("queueTime", "When it was submitted.", column("queued_at", moment)),
        Attribute("startTime", "When it or a descendant first started.", column("started_at", moment)),
        Attribute("endTime", "When it ended; None until then.", column("ended_at", moment)),
        Attribute("logs", "Status log: time, event, status, message, client.", _logs, "query"),
        Attribute("resources", "Resources it needs, name to amount; None where none.", _specified("resources", None)),
        Attribute("hosts", "How many clients it gets: min, max.", _hosts, "query"),
        Attribute("blockedClients", "Clients that failed too much of its root job.", _blocked_clients, "query"),
        Attribute("triesLeft", "Automatic retries left.", column("tries")),
        Attribute("waitingFor", 'Why it waits, "" where it does not.', waiting_for, "query"),
        Attribute(
            "showBlockedClientsWarning",
            "Whether the page warns of clients blocked for it.",
            column("show_blocked_clients_warning", bool),
        ),
        Attribute("threadId", "Id of its note thread, or None.", _thread_ids, "query"),
        Attribute("latestNote", 'Text of the newest note, "" without one.', _latest_notes, "query"),
        Attribute("availabilityRules", "Deprecated: always empty (a slip of HQueue's reference).", _always([])),
        Attribute("description", "Shown with the name.", column("description")),
        Attribute("submittedBy", "User name.", column("submitted_by")),
        Attribute("command", "Shell commands: a text, or one for each platform.", column("command", json.loads)),
        Attribute("shell", 'Shell of the command, "" = the client\'s default.', _specified("shell", "")),
        Attribute("environment", "Variables set for the command.", _specified("environment", {})),
        Attribute(
            "hooks", "Commands that follow its outcome, by the property that holds them.", _specified("hooks", {})
        ),
        Attribute("maxTime", "Seconds its command may run, 0 = unlimited.", _specified("maxTime", 0)),
        Attribute("minTime", "Seconds below which success is a failure, 0 = any.", _specified("minTime", 0)),
        Attribute("maxSilence", "Seconds it may print nothing, 0 = unlimited.", _specified("maxSilence", 0)),
        Attribute("maxMemory", "Memory of all its processes in kB, 0 = unlimited.", _specified("maxMemory", 0)),
        Attribute("failurePatterns", "What its output means: pattern, action.", _specified("failurePatterns", [])),
        Attribute("lease", "Seconds of its strict lease, 0 = none.", column("lease")),
        Attribute("splitOutput", "Whether stderr has a log of its own.", column("split_output", bool)),
        Attribute("emailTo", "Recipients of mail, a comma list.", _specified("emailTo", "")),
        Attribute("emailReasons", "What sends mail.", _specified("emailReasons", [])),
        Attribute("properties", "Texts kept with the job.", _specified("properties", {})),
        Attribute("uuid", "Permanent unique name.", column("uuid")),
        Attribute("root", "Id of the root by first parents, fixed at submission.", column("root_id")),
        Attribute("tasks", "Descendants: total, finished, failed.", _tasks),
        Attribute(
            "agenda", 'Its agenda as a frame range, "" without one or for a list of pieces.', _specified("agenda", "")
        ),
        Attribute("maxConcurrent", "Pieces that may run at once, 0 = unlimited.", column("max_concurrent")),
        Attribute("workCounts", "The job's own work items by status.", _work_counts),
        Attribute("outcome", "Of a succeeded job: exit, empty, byHand, imported.", column("outcome")),
        Attribute("hasResult", "Whether a result was left with it (getJobResult).", _have_results, "query"),
        Attribute("held", 'pause, block or "": what holds it back.', column("held")),
        Attribute("unconfirmed", "Clients that never confirmed its kill.", _unconfirmed, "query"),
        Attribute("runnableTime", "When it first could have run.", column("runnable_at", moment)),
        Attribute("commandStartTime", "When its command first started.", column("command_started_at", moment)),
        Attribute("commandEndTime", "When its command last ended.", column("command_ended_at", moment)),
        Attribute("updatedTime", "When anything about it last changed.", column("updated_at", moment)),
    )
}


def unknown_properties(row: sqlite3.Row) -> dict[str, Any]:
    """Properties nobody knows, kept and given back as `x-NAME` (CONTRACT 9.5)."""
    kept = json.loads(row["specification"]).get("unknown", {})
    return {f"x-{name}": value for name, value in kept.items()}
