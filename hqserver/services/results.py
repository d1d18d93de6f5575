"""Results: what a job's command, or whoever runs it, leaves for others to read (CONTRACT 10).

A result stays while the job's work is tried again by itself, for the next try to find. It goes when somebody has all of
the job done again, and with the job.
"""

from __future__ import annotations

import json
from typing import Any

from hqserver.domain.errors import Conflict, DiskFull, NotFound
from hqserver.domain.result import result_text
from hqserver.services.work.sheet import Sheet
from hqserver.store import jobs, results, runs
from hqserver.store.database import Transaction

from .farm import Farm


def put(farm: Farm, job_id: int, result: Any, run_id: str | None) -> None:
    """Store the job's result in place of the one before; None takes it away.

    With `run_id` only while that run owns work of the job. Raises `BadSpecification` naming the place, `TooLarge`,
    `NotFound` for the job, `Conflict` for the run, and `DiskFull`.
    """
    document = None if result is None else result_text(result)
    if farm.database.room.full and document is not None:
        raise DiskFull("the server's disk is full; no results are taken until there is room")

    def write(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            sheet.job(job_id)  # which is written as changed
            if run_id is not None:
                _check_owner(sheet, job_id, run_id)
            if document is None:
                results.forget(sheet.connection, job_id)
            else:
                results.put(sheet.connection, job_id, document)

    farm.database.write(write)


def _check_owner(sheet: Sheet, job_id: int, run_id: str) -> None:
    run = runs.load(sheet.connection, run_id)
    if run is None or run.job_id != job_id:
        raise Conflict(f"{run_id!r:.60} is no run of job {job_id}: its result stays as it is")
    if run.ended_at is not None:
        raise Conflict(f"run {run_id} of job {job_id} is {run.status} and owns its work no more: the result stays")


def get(farm: Farm, job_id: int) -> Any:
    """The job's result; None without one. Raises `NotFound`."""
    with farm.database.read() as connection:
        document = results.load(connection, job_id)
        if document is None and jobs.load(connection, job_id) is None:
            raise NotFound(f"there is no job {job_id}")
    return None if document is None else json.loads(document)
