"""The attributes of a job (CONTRACT 1.3, 9.9, 9.11, 9.14, 10)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hqserver.domain.family import ui_status
from hqserver.domain.job import PROGRESS_UNIT, Tree, overall_progress, seconds_left
from hqserver.domain.placement import why_waiting
from hqserver.domain.requirement import Requirement
from hqserver.domain.status import JobStatus, WorkStatus
from hqserver.store import lookup, runs
from hqserver.store.schema import TREE_COLUMNS, WORK_COLUMNS

from .attributes import Attribute, Batch, column, moment
from .client_attributes import named


def tree_of(row: sqlite3.Row) -> Tree:
    """The row's tree counters."""
    return Tree(*(row[name] for name in TREE_COLUMNS.values()))


def _ui_statuses(batch: Batch) -> list[str]:
    return [
        ui_status(JobStatus(row["status"]), has_children=row["children"] > 0, clients=row["tree_clients"])
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


def _waiting_for(batch: Batch) -> list[str]:
    """The reason by the scheduler's own predicates (CONTRACT 10, Why)."""
    ending = lookup.ending_clients(batch.connection, batch.ids)
    lost = lookup.lost_clients(batch.connection, batch.ids)
    requirements = lookup.requirements(batch.connection, [row["requirement_id"] for row in batch.rows])
    seats = batch.farm.watch.seats(
        batch.farm.clock.monotonic(), runs.occupancy(batch.connection), runs.unconfirmed_clients(batch.connection)
    )
    reasons: dict[int, str] = {}
    label = batch.farm.watch.label

    def reason(row: sqlite3.Row) -> str:
        if row["id"] in ending:
            return f"ending on {', '.join(label(client_id) for client_id in ending[row['id']])}"
        if row["id"] in lost:
            return (
                f"{', '.join(label(client_id) for client_id in lost[row['id']])} to be heard again, or another client"
            )
        if row["status"] == JobStatus.QUEUED:
            return f"{row['children_unfinished']} of {row['children']} children to end"
        if row["status"] == JobStatus.RUNNABLE:
            key = row["requirement_id"]
            if key not in reasons:
                reasons[key] = why_waiting(Requirement.from_key(requirements[key]), seats)
            return reasons[key]
        return ""

    return [reason(row) for row in batch.rows]


def _thread_ids(batch: Batch) -> list[int | None]:
    found = lookup.latest_notes(batch.connection, "job", batch.ids)
    return [found[job_id][0] if job_id in found else None for job_id in batch.ids]


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
        Attribute("clientsOnHold", "Clients reserved for it until it has enough.", _always([])),
        Attribute("conditions", "Scheduling conditions.", _always([])),
        Attribute("tags", "Sharing rules.", _always([])),
        Attribute("cpus", "CPUs it needs on its client; 0 = all of them.", column("cpus")),
        Attribute("queueTime", "When it was submitted.", column("queued_at", moment)),
        Attribute("startTime", "When it or a descendant first started.", column("started_at", moment)),
        Attribute("endTime", "When it ended; None until then.", column("ended_at", moment)),
        Attribute("logs", "Status log: time, event, status, message, client.", _logs, "query"),
        Attribute("resources", "Resources it needs, None where none.", _always(None)),
        Attribute("triesLeft", "Automatic retries left.", column("tries")),
        Attribute("waitingFor", 'Why it waits, "" where it does not.', _waiting_for, "query"),
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
        Attribute("properties", "Texts kept with the job.", _specified("properties", {})),
        Attribute("uuid", "Permanent unique name.", column("uuid")),
        Attribute("root", "Id of the root by first parents, fixed at submission.", column("root_id")),
        Attribute("tasks", "Descendants: total, finished, failed.", _tasks),
        Attribute("workCounts", "The job's own work items by status.", _work_counts),
        Attribute("outcome", "Of a succeeded job: exit, empty, byHand, imported.", column("outcome")),
        Attribute("held", 'pause, block or "": what holds it back.', _always("")),
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
