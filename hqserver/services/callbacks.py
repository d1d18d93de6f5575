"""Callbacks added, listed and deleted (CONTRACT 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hqserver.domain.callback import ActionKind, parse_action, parse_triggers, speaks_of_family
from hqserver.domain.errors import Conflict, NotFound
from hqserver.store import callbacks, jobs
from hqserver.store.callbacks import CallbackRow
from hqserver.store.database import Transaction

from .attributes import moment
from .farm import Farm

MOST_CALLBACKS = 100
"""Callbacks that a job may have, and that there may be for every job."""


def add(farm: Farm, job_id: int | None, triggers: Any, action: Any, by: str) -> int:
    """Have something done from now on whenever a trigger holds for the job, or for every job; its id. `by`: who asks.

    Raises `BadParameters` and `BadSpecification` naming what is wrong, `NotFound` for the job, `Conflict` where there
    are too many, or where mail is asked for and nothing sends it.
    """
    wanted = parse_triggers(triggers, farm_wide=job_id is None)
    checked = parse_action(action)
    if checked.kind is ActionKind.MAIL and farm.policy.mail is None:
        raise Conflict("no mail server is configured (smtp_server): nobody would be told")

    def write(transaction: Transaction) -> int:
        connection = transaction.connection
        if job_id is not None and jobs.load(connection, job_id) is None:
            raise NotFound(f"there is no job {job_id}")
        if callbacks.count(connection, job_id) >= MOST_CALLBACKS:
            whose = "the farm" if job_id is None else f"job {job_id}"
            raise Conflict(f"{whose} has {MOST_CALLBACKS} callbacks already, and may have no more")
        family = job_id is not None and speaks_of_family(wanted)
        return callbacks.add(connection, job_id, wanted, family, checked, at=farm.clock.now(), by=by)

    return farm.database.write(write)


def listed(farm: Farm, job_id: int | None) -> list[dict[str, Any]]:
    """The callbacks of the job, or those for every job, oldest first. Raises `NotFound`."""
    with farm.database.read() as connection:
        if job_id is not None and jobs.load(connection, job_id) is None:
            raise NotFound(f"there is no job {job_id}")
        return [shown(row) for row in callbacks.of_job(connection, job_id)]


def shown(row: CallbackRow) -> dict[str, Any]:
    """What callers are told of a callback; never its secret."""
    return {
        "id": row.id,
        "job": row.job_id,
        "triggers": list(row.triggers),
        "action": row.action.shown,
        "added": moment(row.added_at),
        "addedBy": row.added_by,
        "fired": row.fired,
        "waiting": row.waiting,
        "failed": row.failed,
        "lastError": row.last_error,
    }


def delete(farm: Farm, ids: Sequence[int]) -> list[int]:
    """Delete callbacks, with what they have not delivered yet; the ids of those that there were."""
    return farm.database.write(lambda transaction: callbacks.remove(transaction.connection, ids))
