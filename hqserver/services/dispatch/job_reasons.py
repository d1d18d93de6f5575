"""What a job waits for: on its own account, and for clients (CONTRACT 1.3 `waitingFor`; 10, Why)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from hqserver.domain.placement import Wanted
from hqserver.domain.reason import Reason
from hqserver.domain.requirement import Requirement, requirement_from
from hqserver.domain.status import RUNNING_JOB, JobStatus, WorkStatus
from hqserver.domain.waiting import why_waiting
from hqserver.services.attributes import Batch
from hqserver.services.farm import Farm
from hqserver.store import failures, lookup
from hqserver.store.schema import WORK_COLUMNS

from .board import open_board


def requirements_of(batch: Batch) -> list[Requirement]:
    """What each job requires of its clients."""
    keys = lookup.requirements(batch.connection, [row["requirement_id"] for row in batch.rows])
    return [requirement_from(keys[row["requirement_id"]]) for row in batch.rows]


def blocked_of(batch: Batch) -> dict[int, frozenset[int]]:
    """Clients that failed too much of each root job, by its id; in one query (CONTRACT 3.6)."""
    roots = {row["root_id"] for row in batch.rows}
    return failures.blocked(batch.connection, batch.farm.policy.max_failures_per_client, roots)


def waiting_for(batch: Batch) -> list[str]:
    """Of each job the reason by the scheduler's own rules, "" for one that does not wait."""
    elsewhere = Elsewhere(batch.farm, batch.connection, batch.ids)
    found = [_in_one_line(row, elsewhere) for row in batch.rows]
    waiting = [row for row, reason in zip(batch.rows, found, strict=True) if reason is None]
    for_clients = iter(_wait_for_clients(Batch(batch.farm, batch.connection, waiting)) if waiting else ())
    return [next(for_clients) if reason is None else reason for reason in found]


def _in_one_line(row: sqlite3.Row, elsewhere: Elsewhere) -> str | None:
    """What a job waits for on its own account; None where it waits for a client."""
    reasons = own_reasons(row, elsewhere)
    told = " and ".join(reason.sentence for reason in reasons if reason.sentence)
    if told:
        return told
    return None if row["status"] == JobStatus.RUNNABLE else ""


def _wait_for_clients(batch: Batch) -> list[str]:
    """Jobs that require the same wait for the same, but for those that hold clients of their own."""
    farm = batch.farm
    board = open_board(farm, batch.connection)
    blocked = blocked_of(batch)
    reasons: dict[object, str] = {}
    found = []
    for row, requirement in zip(batch.rows, requirements_of(batch), strict=True):
        of_root = blocked.get(row["root_id"], frozenset())
        key = (requirement, of_root, row["id"] if farm.holds.clients_of(row["id"]) else 0)
        if key not in reasons:
            reasons[key] = why_waiting(board, Wanted(row["id"], requirement, of_root))
        found.append(reasons[key])
    return found


class Elsewhere:
    """Labels of the clients on which runs of jobs end, or are lost, by job."""

    def __init__(self, farm: Farm, connection: sqlite3.Connection, job_ids: Sequence[int]):
        self._farm = farm
        self._ending = lookup.ending_clients(connection, job_ids)
        self._lost = lookup.lost_clients(connection, job_ids)

    def ending(self, job_id: int) -> str:
        """Clients that are asked to kill a run of the job, "" for none."""
        return self._labels(self._ending, job_id)

    def lost(self, job_id: int) -> str:
        """Silent clients that hold a run of the job, "" for none."""
        return self._labels(self._lost, job_id)

    def _labels(self, client_ids: Mapping[int, Sequence[int]], job_id: int) -> str:
        return ", ".join(self._farm.watch.label(client_id) for client_id in client_ids.get(job_id, ()))


def own_reasons(row: sqlite3.Row, elsewhere: Elsewhere, unfinished: Sequence[tuple[int, str]] = ()) -> Iterator[Reason]:
    """What a job waits for that no free client could change. `row`: all of the job's; `unfinished`: some of its
    unfinished children, (id, status), to be named."""
    job_id, status = row["id"], row["status"]
    if where := elsewhere.ending(job_id):
        said = f"ending on {where}"
        remedy = f"{where} confirms that it is killed; until then, and at most for hqserver.killTimeout, nothing moves"
        yield Reason("ending", "nothing of it is left on a client", said, False, remedy, said)
        return
    where = elsewhere.lost(job_id)
    if where and row["ended_at"] is None:
        otherwise = "the end of its lease" if row["lease"] else "another client"
        remedy = f"{where} is heard again and goes on with it, or {otherwise} lets it begin anew"
        sentence = f"{where} to be heard again, or {otherwise}"
        yield Reason("lost", "its client is heard", f"{where} is silent", False, remedy, sentence)
        return
    if row["ended_at"] is None and row["children"]:
        yield _children(row, unfinished)
    blocked = row[WORK_COLUMNS[WorkStatus.BLOCKED]]
    if row["ended_at"] is None and blocked and not row["held"]:
        yield _pieces_held(row, blocked)
    elif status == JobStatus.PAUSED or (row["held"] and row["ended_at"] is None):
        yield _held(row)
    if status == JobStatus.RUNNABLE and not row["claimable"]:
        sentence = "what it lacked at its last try, such as a licence; it is tried again soon"
        remedy = "it is tried again by itself, after hqserver.licencePause"
        yield Reason("delay", "a last try that lacked nothing", "put back for a while", False, remedy, sentence)
    if row["capped"]:
        most = row["max_concurrent"]
        sentence = "" if status in RUNNING_JOB else "one of its pieces to end"
        remedy = f"one of its pieces ends, or more may run: hq modify {job_id} --set maxConcurrent=... (modifyJobs)"
        yield Reason("maxConcurrent", f"fewer than {most} pieces at work", f"{most} at work", False, remedy, sentence)


def _children(row: sqlite3.Row, unfinished: Sequence[tuple[int, str]]) -> Reason:
    count, children = row["children_unfinished"], row["children"]
    if not count:
        return Reason("children", "all have ended", f"{children} of {children} have", True)
    more = f" and {count - len(unfinished)} more" if count > len(unfinished) else ""
    named = ", ".join(f"{child_id} ({status})" for child_id, status in unfinished)
    found = f"{count} of {children} have not" + (f": {named}{more}" if named else "")
    first = unfinished[0][0] if unfinished else "CHILD"
    ends = "be ended" if row["cancelled"] else "end"
    sentence = f"{count} of {children} children to {ends}" if row["status"] == JobStatus.QUEUED else ""
    return Reason("children", "all have ended", found, False, f"they end: hq why {first} says why one waits", sentence)


def _held(row: sqlite3.Row) -> Reason:
    job_id = row["id"]
    waits = row["status"] in (JobStatus.PAUSED, JobStatus.QUEUED)
    if row["held"] == "block" or (not row["held"] and row["work_blocked"]):
        sentence = "somebody to unblock it" if waits else ""
        return Reason("held", "not held back", "blocked", False, f"hq change unblock {job_id} (changeJobs)", sentence)
    sentence = "somebody to resume it" if waits else ""
    return Reason("held", "not held back", "paused", False, f"hq resume {job_id} (resumeJobs)", sentence)


def _pieces_held(row: sqlite3.Row, blocked: int) -> Reason:
    """Pieces that somebody blocked, or, where one of its runs is paused, that too."""
    if row[WORK_COLUMNS[WorkStatus.PAUSED]]:
        return _held(row)
    sentence = "somebody to unblock its pieces" if row["status"] == JobStatus.PAUSED else ""
    remedy = f"hq change-work unblock {row['id']} PIECE (changeWork)"
    return Reason("held", "no piece held back", f"{blocked} of its pieces are blocked", False, remedy, sentence)
