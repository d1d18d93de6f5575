"""Jobs as a document that outlives their farm (CONTRACT 10, Keeping). `services.intake.imports` takes it in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from hqserver.domain.agenda import MOST_PIECES
from hqserver.domain.errors import NotFound, TooLarge
from hqserver.domain.kept import MOST_IN_RESULTS, MOST_JOBS, MOST_LINES, VERSION
from hqserver.domain.requirement import requirement_from
from hqserver.services.farm import Farm
from hqserver.store import keeping, lookup, results


def export_jobs(farm: Farm, job_ids: Sequence[int]) -> str:
    """These jobs and all below them, as JSON text. Runs and output are not part of it.

    Raises `NotFound` naming jobs that do not exist, and `TooLarge`.
    """
    with farm.database.read() as connection:
        found = keeping.with_all_below(connection, job_ids, MOST_JOBS)
        if len(found) > MOST_JOBS:
            raise TooLarge(f"with those below them they are more than {MOST_JOBS} jobs: export them in parts")
        if missing := sorted(set(job_ids) - set(found)):
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise NotFound(f"there is no job {', '.join(map(str, missing[:5]))}{more}")
        pieces, lines = keeping.count_pieces_and_lines(connection, found)
        if pieces > MOST_PIECES or lines > MOST_LINES:
            raise TooLarge(
                f"they have {pieces} pieces of work and {lines} lines of history and notes; a document holds at most "
                f"{MOST_PIECES} and {MOST_LINES}: export them in parts"
            )
        if results.size_of(connection, found) > MOST_IN_RESULTS:
            raise TooLarge(f"their results have more than {MOST_IN_RESULTS} characters together: export them in parts")
        jobs = _Kept(farm, connection, found).jobs()
    return json.dumps({"version": VERSION, "exportedTime": farm.clock.now(), "jobs": jobs})


class _Kept:
    """Jobs about to be written down, with all that belongs to them."""

    def __init__(self, farm: Farm, connection: sqlite3.Connection, job_ids: list[int]):
        self.farm = farm
        self.rows = keeping.jobs_with_requirements(connection, job_ids)
        self.known = set(job_ids)
        self.children = lookup.children(connection, job_ids)
        self.work = keeping.work_of(connection, job_ids)
        self.history = lookup.history(connection, job_ids)
        self.notes = keeping.notes_of(connection, job_ids)
        self.results = results.of_jobs(connection, job_ids)

    def jobs(self) -> list[dict[str, Any]]:
        """Each as the document has it."""
        return [self._job(row) for row in self.rows]

    def _job(self, row: sqlite3.Row) -> dict[str, Any]:
        job_id, parent = row["id"], row["first_parent_id"]
        return {
            "id": job_id,
            "status": row["status"],
            "outcome": row["outcome"],
            "specification": _specification(row),
            "children": self.children.get(job_id, []),
            "firstParent": parent if parent in self.known else None,
            "queueTime": row["queued_at"],
            "runnableTime": row["runnable_at"],
            "startTime": row["started_at"],
            "commandStartTime": row["command_started_at"],
            "commandEndTime": row["command_ended_at"],
            "endTime": row["ended_at"],
            "triesLeft": row["tries"],
            "cancelled": bool(row["cancelled"]),
            "byHand": bool(row["by_hand"]),
            "deletedFailed": row["deleted_failed"],
            "showBlockedClientsWarning": bool(row["show_blocked_clients_warning"]),
            "work": [_work(item) for item in self.work.get(job_id, ())],
            "logs": [self._line(line) for line in self.history.get(job_id, ())],
            "notes": [{"time": note["at"], "text": note["text"]} for note in self.notes.get(job_id, ())],
            **({"result": json.loads(self.results[job_id])} if job_id in self.results else {}),
        }

    def _line(self, line: sqlite3.Row) -> dict[str, Any]:
        return {
            "time": line["at"],
            **{name: line[name] for name in ("event", "status", "message")},
            "client": self.farm.watch.label(line["client_id"]),
        }


def _specification(row: sqlite3.Row) -> dict[str, Any]:
    """What `newjob` would take for such a job, but for its links. Conditions and priority are those it has, its own or
    inherited."""
    requirement = requirement_from(row["requirement"])
    stored = json.loads(row["specification"])
    return {
        "name": row["name"],
        "uuid": row["uuid"],
        "description": row["description"],
        "command": json.loads(row["command"]),
        "submittedBy": row["submitted_by"],
        "priority": row["priority"],
        "conditions": [condition.as_dict() for condition in requirement.conditions],
        "cpus": row["cpus"],
        "minHosts": requirement.min_hosts,
        "maxHosts": requirement.max_hosts,
        "triesLeft": row["tries_given"],
        "maxConcurrent": row["max_concurrent"],
        "lease": row["lease"],
        **stored.pop("unknown", {}),
        **stored.pop("hooks", {}),
        **stored,
    }


def _work(item: sqlite3.Row) -> dict[str, Any]:
    return {
        **{name: item[name] for name in ("name", "first", "last", "frames", "status", "progress")},
        "package": json.loads(item["package"]) if item["package"] else {},
        "place": item["position"],
        "triesLeft": item["tries"],
        "milliseconds": item["duration_ms"],
        "byHand": bool(item["by_hand"]),
    }
