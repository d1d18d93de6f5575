"""Why a job does not run, on each client and altogether; who would get it; what a client would run (CONTRACT 10, Why).

Everything is read from what dispatch reads: the rules of `domain.rules`, the board, the order of the queue.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from hqserver.domain.errors import BadParameters, NotFound
from hqserver.domain.placement import Board, Wanted
from hqserver.domain.reason import Reason
from hqserver.domain.requirement import Requirement, requirement_from
from hqserver.domain.status import FINISHED_JOB, JobStatus, WorkStatus
from hqserver.domain.waiting import ITS_TURN, needs
from hqserver.services.attributes import Batch
from hqserver.services.clients.directory import registered_client
from hqserver.services.dispatch.board import Blocked, holdings, open_board
from hqserver.services.dispatch.job_queue import JobQueue
from hqserver.services.dispatch.job_reasons import Elsewhere, own_reasons, requirements_of, waiting_for
from hqserver.services.farm import Farm
from hqserver.store import explaining, lookup, overview, work
from hqserver.store.clause import EVERYTHING
from hqserver.store.queue import requirements_waiting, waiting_jobs
from hqserver.store.schema import WORK_COLUMNS
from hqserver.store.search_queue import FOR_RUNNERS

from .client_attributes import named

MOST_JOBS_LISTED = 10_000
_NAMED = 5
_HISTORY_READ = 20


@dataclass(frozen=True, slots=True)
class ClientReasons:
    """What the work asks of a client. `eligible`: it would get the work, were it the work's turn and no other client
    there; all the reasons hold then, and only then."""

    client_id: int
    client: str
    eligible: bool
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job does not run. `summary` is its `waitingFor`, or what it does instead of waiting; `job` are the reasons
    of its own, `clients` those of every client, first those that would get it, in the order in which they would."""

    summary: str
    job: list[Reason]
    clients: list[ClientReasons]


def explain_job(farm: Farm, job_id: int) -> dict[str, Any]:
    """What `explainJob` answers. Raises `NotFound`."""
    found = explain(farm, job_id)
    return {
        "summary": found.summary,
        "job": [reason.as_dict() for reason in found.job],
        "clients": [
            {
                "id": each.client_id,
                "client": each.client,
                "eligible": each.eligible,
                "reasons": [reason.as_dict() for reason in each.reasons],
            }
            for each in found.clients
        ],
    }


def explain(farm: Farm, job_id: int) -> Explanation:
    """Why the job does not run; of one that runs or has ended, that it does. Raises `NotFound`."""
    with farm.database.read() as connection:
        return _explain(farm, connection, _job(connection, job_id))


def _explain(farm: Farm, connection: sqlite3.Connection, row: sqlite3.Row) -> Explanation:
    job_id = row["id"]
    summary = waiting_for(Batch(farm, connection, [row]))[0]
    unfinished = explaining.unfinished_children(connection, job_id, _NAMED) if row["children_unfinished"] else []
    reasons = list(own_reasons(row, Elsewhere(farm, connection, [job_id]), unfinished))
    if row["status"] in FINISHED_JOB:
        ended = _ended(connection, row)
        return Explanation(summary or ended.found, [*reasons, ended], [])
    clients = []
    if _seeks_clients(row):
        board, wanted = _placed(farm, connection, row, explained=True)
        reasons += _needs(farm, connection, row, board, wanted)
        clients = list(_clients(board, wanted))
    if farm.database.room.full:
        reasons.append(_FULL)
    return Explanation(summary or _at_work(farm, connection, row), reasons, clients)


_FULL = Reason(
    "serverDisk",
    "room on the server's disk",
    "full: no new jobs are taken",
    False,
    "make room on the server's disk; what is in the queue goes on",
)


def _job(connection: sqlite3.Connection, job_id: int) -> sqlite3.Row:
    rows = lookup.jobs_by_id(connection, [job_id])
    if not rows:
        raise NotFound(f"there is no job {job_id}")
    return rows[0]


# Jobs that do not wait -----------------------------------------------------------------------------------------------


def _ended(connection: sqlite3.Connection, row: sqlite3.Row) -> Reason:
    """That it has ended, with the last word of its status log."""
    history = overview.newest_history(connection, row["id"], _HISTORY_READ)
    messages = (line["message"] for line in history if line["event"] == "status" and line["status"] == row["status"])
    said = next(messages, "")
    found = f"it has ended: {row['status']}" + (f", {said}" if said else "")
    return Reason("unfinished", "a job that has not ended", found, False, f"hq retry {row['id']} (rescheduleJobs)")


def _at_work(farm: Farm, connection: sqlite3.Connection, row: sqlite3.Row) -> str:
    """What it does, as it does not wait."""
    labels = [farm.watch.label(client_id) for client_id in explaining.clients_at_work(connection, row["id"])]
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    where = f" on {', '.join(labels[:_NAMED])}{more}" if labels else ""
    left = row[WORK_COLUMNS[WorkStatus.RUNNABLE]]
    pieces = f"; {left} of its pieces wait for clients" if left else ""
    verb = "runs" if row["status"] == JobStatus.RUNNING else f"is {row['status']}"
    children = row["children_unfinished"]
    rest = f", with {children} of {row['children']} children still to end" if children and not labels else ""
    return f"it {verb}{where}{rest}{pieces}"


def _seeks_clients(row: sqlite3.Row) -> bool:
    """Whether clients are still to be found for some of its work. A job that runs nothing needs none."""
    if row["command"] == '""' and not row["hooks"]:
        return False
    left = (WorkStatus.QUEUED, WorkStatus.BLOCKED, WorkStatus.RUNNABLE)
    return bool(row["claimable"]) or any(row[WORK_COLUMNS[status]] for status in left)


# Jobs that wait for clients ------------------------------------------------------------------------------------------


def _placed(farm: Farm, connection: sqlite3.Connection, row: sqlite3.Row, *, explained: bool) -> tuple[Board, Wanted]:
    """The clients as a pass sees them that comes to this job, and what it looks for."""
    board = open_board(farm, connection, explained=explained)
    (requirement,) = requirements_of(Batch(farm, connection, [row]))
    items = work.claimable(connection, row["id"], 1)
    avoid = items[0].avoid_client_id if items else None
    if items and items[0].status is not WorkStatus.RUNNABLE:
        for holding in holdings(farm, connection, items[0].id):
            board.give_back(holding)  # its client is lost: what it takes up there is free for this work
    return board, Wanted(row["id"], requirement, Blocked(farm, connection).of(row["root_id"]), avoid)


def _clients(board: Board, wanted: Wanted) -> Iterator[ClientReasons]:
    in_order = board.in_order(wanted)
    eligible = {seat.client_id for seat in in_order}
    for seat in in_order + [seat for seat in board.seats if seat.client_id not in eligible]:
        reasons = board.reasons(wanted, seat)
        yield ClientReasons(seat.client_id, seat.label, seat.client_id in eligible, reasons)


def _needs(
    farm: Farm, connection: sqlite3.Connection, row: sqlite3.Row, board: Board, wanted: Wanted
) -> Iterator[Reason]:
    users = _resource_users(farm, connection, wanted.requirement)
    for need in needs(board, wanted):
        used = f"; {users}" if need.requirement == "resources" and users else ""
        yield replace(need, found=need.found + used)
    if wanted.requirement.several_hosts:
        yield from _hold(farm, board, wanted)
    if row["claimable"] and not row["held"] and not row["capped"]:
        yield from _order(connection, row, board, wanted)


def _resource_users(farm: Farm, connection: sqlite3.Connection, requirement: Requirement) -> str:
    """Who has what it asks for of the counted resources."""
    if not requirement.resources:
        return ""
    asked = {name for name, _ in requirement.resources}
    users: dict[str, list[str]] = defaultdict(list)
    for job_id, client_id, taken in explaining.resource_users(connection):
        for name in asked & json.loads(taken).keys():
            users[name].append(f"job {job_id} on {farm.watch.label(client_id)}")
    parts = [f"{name} is used by {_some(found)}" for name, found in sorted(users.items())]
    return "; ".join(parts)


def _some(texts: list[str]) -> str:
    more = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _hold(farm: Farm, board: Board, wanted: Wanted) -> Iterator[Reason]:
    """What keeps a job for several clients from holding those that become free (CONTRACT 9.15)."""
    monotonic, job_id = farm.clock.monotonic(), wanted.job_id
    held = [farm.watch.label(client_id) for client_id in farm.holds.clients_of(job_id)]
    possible = {seat.client_id for seat in board.possible(wanted)}
    asked = "may hold clients until enough are free"
    if held:
        yield Reason("hold", asked, f"holds {_some(held)}", True)
    elif farm.holds.rests(job_id, monotonic):
        remedy = "it may hold clients again by itself, at most hqserver.holdTimeout later"
        yield Reason("hold", asked, "its clients did not come together in time; it rests", False, remedy)
    elif not farm.holds.may_hold(job_id, possible, monotonic):
        others = sorted({other for client_id, other in farm.holds.held_for().items() if client_id in possible})
        who = _some([f"job {other}" for other in others]) or "an earlier job"
        remedy = "that job starts, or its hold ends by itself"
        yield Reason("hold", asked, f"{who} holds clients that it could have", False, remedy)


def _order(connection: sqlite3.Connection, row: sqlite3.Row, board: Board, wanted: Wanted) -> Iterator[Reason]:
    """The jobs that are served before it and could take a client that it could; one that nothing on the farm can serve
    is passed over, and so it is here."""
    mine = board.eligible(wanted.requirement) - wanted.blocked
    if not mine:
        return
    before = explaining.kinds_before(connection, row["priority"], row["position"], row["id"])
    rivals = [kind for kind in before if _is_rival(board, mine, requirement_from(kind.key))]
    asked = "no job before it for the same clients"
    if not rivals:
        yield Reason("order", asked, "none", True)
        return
    queue = JobQueue(connection)
    for kind in rivals:
        queue.add(kind.requirement_id, requirement_from(kind.key))
    first = [job for job, _, _ in islice(queue, _NAMED)]
    count = sum(kind.jobs for kind in rivals)
    names = [str(job.job_id) for job in first[:count]]
    more = f" and {count - len(names)} more" if count > len(names) else ""
    least = "at least " if any(kind.jobs >= explaining.MOST_KINDS for kind in rivals) else ""
    found = f"{least}{count} {'job' if count == 1 else 'jobs'}: {', '.join(names)}{more}"
    remedy = f"they are served, or it comes first: hq priority {row['id']} {1 - first[0].precedence} (setJobPriority)"
    yield Reason("order", asked, found, False, remedy, ITS_TURN)


def _is_rival(board: Board, mine: Set[int], requirement: Requirement) -> bool:
    return bool(mine & board.eligible(requirement)) and board.can_ever_serve(requirement)


# Orders --------------------------------------------------------------------------------------------------------------


def client_order(farm: Farm, job_id: int) -> list[dict[str, Any]]:
    """The clients that would take the job's work now, in the order in which they would get it. Raises `NotFound`."""
    with farm.database.read() as connection:
        row = _job(connection, job_id)
        if row["status"] in FINISHED_JOB or not _seeks_clients(row):
            return []
        board, wanted = _placed(farm, connection, row, explained=False)
    return [named(farm, seat.client_id) for seat in board.in_order(wanted)]


def job_order(farm: Farm, client_id: int, limit: int, offset: int) -> list[int]:
    """Ids of the waiting jobs that the client could run as it is set up now, in the order in which it would.

    Raises `NotFound` for an unknown client, `BadParameters` for a limit or an offset out of bounds.
    """
    if not 1 <= limit <= MOST_JOBS_LISTED:
        raise BadParameters(f"limit must be from 1 to {MOST_JOBS_LISTED}, not {limit}")
    if offset < 0:
        raise BadParameters(f"offset must be 0 or more, not {offset}")
    outside = bool(registered_client(farm, client_id).row.outside)
    with farm.database.read() as connection:
        return list(islice(_jobs_for(farm, connection, client_id, outside), offset, offset + limit))


def _jobs_for(farm: Farm, connection: sqlite3.Connection, client_id: int, outside: bool = False) -> Iterator[int]:
    """`outside`: the client is a runner that asks itself, and asks for all that it may have."""
    board, blocked = open_board(farm, connection, only=client_id, asking=outside), Blocked(farm, connection)
    queue = JobQueue(connection, FOR_RUNNERS if outside else EVERYTHING)
    for requirement_id, key in requirements_waiting(connection):
        requirement = requirement_from(key)
        if board.eligible(requirement) and not (outside and requirement.several_hosts):
            queue.add(requirement_id, requirement)
    # Whatever comes before them in the queue, the client waits for jobs that it is held for.
    holding = [seat.held_for for seat in board.seats if seat.held_for is not None]
    held_for = [job.job_id for job, _, _ in waiting_jobs(connection, holding)]
    yield from held_for
    for job, _, _ in queue:
        if job.job_id not in held_for and client_id not in blocked.of(job.root_id):
            yield job.job_id
