"""Claims: work that runners from outside take, renew while they do it, and say how it ended
(CONTRACT 10, Locks and outside runners).

The rules of dispatch hold for who may have what. Each claim is a run with a lease.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from hqserver.domain.errors import BadParameters, Conflict, DiskFull, NotFound, TooLarge
from hqserver.domain.job_filter import parse_job_filter
from hqserver.domain.lifecycle import RunEvent
from hqserver.domain.result import result_text
from hqserver.domain.run import RunEnd
from hqserver.domain.runner import (
    LONGEST_CLAIM_SECONDS,
    Finish,
    Outcome,
    offered,
    parse_finish,
    parse_runner,
    shorter_lease,
)
from hqserver.domain.status import RunStatus
from hqserver.services.dispatch.assignment import claim_first, has_work_for
from hqserver.services.farm import Farm
from hqserver.services.work.progression import happen
from hqserver.services.work.reports import ENDED, Report, apply
from hqserver.services.work.sheet import Sheet
from hqserver.store import claims, jobs, results, runs, work
from hqserver.store.claims import ClaimRow
from hqserver.store.database import Transaction
from hqserver.store.orders import orders_for
from hqserver.store.trouble import is_full

from .orders import order_for
from .runners import hear, presence_of

_TOLD = (
    *("run", "job", "root", "work", "command", "shell", "environment", "cpus"),
    *("maxTime", "minTime", "maxSilence", "maxMemory", "failurePatterns"),
)
"""What a claim tells of what a daemon is ordered; the rest is how a daemon goes about it."""


def claim_job(farm: Farm, wanted: Mapping[str, Any] | None, given: object, seconds: int) -> dict[str, Any] | None:
    """Give a runner the first work of the queue that matches the filter and that it may have; None where there is none.

    The claim is over when it is not renewed within `seconds`. Raises `BadParameters`, `Conflict` for a name that a
    daemon has and for a runner that is switched off, and `Busy` where there are too many runners.
    """
    runner, jobs = parse_runner(given), parse_job_filter(wanted)
    _check_seconds(seconds)
    presence = presence_of(farm, runner)
    if presence.row.disabled:
        raise Conflict(f"{presence.row.label} is disabled")
    client_id = presence.row.id
    hear(farm, client_id)
    with farm.database.read() as connection:
        if not has_work_for(farm, connection, client_id, jobs):
            return None  # found out without keeping any writer waiting: runners may ask often

    def write(transaction: Transaction) -> dict[str, Any] | None:
        with Sheet(farm, transaction) as sheet:
            run = claim_first(farm, sheet, client_id, jobs, seconds)
            if run is None:
                return None
            orders = orders_for(sheet.connection, client_id, ())
            order = next(each for each in orders if each.run_id == run.id)
            told = order_for(farm, sheet.connection, presence, order)
            environment = told["environment"]
            assert isinstance(environment, dict)
            farm.watch.renew(run.id, farm.clock.monotonic())
            run.started_at = sheet.now
            happen(sheet, run, RunEvent.STARTED)
            return {
                **{key: told[key] for key in _TOLD},
                "name": sheet.job(run.job_id).name,
                # What its command leaves counts only while this claim lasts.
                "environment": {**environment, "HQ_RUN_TOKEN": run.id},
                "cpus": offered(run.cpus),
                "seconds": run.lease,
            }

    return farm.database.write(write)


def renew_claim(farm: Farm, run_id: str, seconds: int | None, progress: float | None) -> dict[str, Any]:
    """Whoever claimed the run still works on it: the claim's time counts anew, and may be another from now on.

    The answer says whether it is still wanted: a run that is to end is not kept by renewing it. Raises `NotFound`, and
    `BadParameters`.
    """
    if seconds is not None:
        _check_seconds(seconds)
    if progress is not None and not 0 <= progress <= 1:
        raise BadParameters(f"progress must be from 0.0 to 1.0, not {progress}")

    def write(transaction: Transaction) -> ClaimRow:
        claim = _claim(transaction.connection, run_id)
        if seconds is not None and _wanted(claim):
            row = jobs.load(transaction.connection, claim.job_id)
            strict = 0 if row is None else row.lease
            claims.set_lease(transaction.connection, run_id, shorter_lease(seconds, strict))
            claim = _claim(transaction.connection, run_id)
        return claim

    with farm.database.read() as connection:
        claim = _claim(connection, run_id)
    hear(farm, claim.client_id)
    if _wanted(claim):
        # Before its length changes, or a shorter one would count from the renewal before this.
        now = farm.clock.monotonic()
        late = farm.watch.renew(run_id, now) + claim.lease < now
        if late or seconds is not None:
            claim = farm.database.write(write)  # one that is late may find its end written already
    if _wanted(claim) and progress is not None:
        farm.watch.note_progress({run_id: progress})
    why = "" if _wanted(claim) else _why_over(claim)
    return {"run": run_id, "job": claim.job_id, "wanted": not why, "why": why, "seconds": claim.lease}


def finish_job(farm: Farm, job_id: int, given: object) -> dict[str, Any]:
    """A runner says how the work ended that it claimed: the run, and the status that it has now.

    Told twice, it changes nothing. Raises `NotFound`, `BadParameters`, `TooLarge` for more output than is kept,
    `DiskFull` where there is no room for it, and `Conflict` where the claim is over, and where the job has several and
    `run` does not say which it is.
    """
    finish = parse_finish(given)
    if len(finish.output) > farm.policy.log_limit_bytes:
        raise TooLarge(f"outcome.output has {len(finish.output)} bytes, more than {farm.policy.log_limit_bytes}")
    document = result_text(finish.result, "outcome.result") if finish.has_result else None
    with farm.database.read() as connection:
        claim = _which(connection, job_id, finish.run)
    label = farm.watch.label(claim.client_id)

    def write(transaction: Transaction) -> ClaimRow:
        with Sheet(farm, transaction) as sheet:
            if _claim(sheet.connection, claim.run_id).ended_at is None:
                if document is not None:
                    results.put(sheet.connection, job_id, document)
                _end(sheet, claim, label, finish)
            return _claim(sheet.connection, claim.run_id)

    # Of two that end it at the same time with other words, the later finds it ended: its output is nowhere.
    with farm.output.alone(claim.run_id):
        if finish.output and _lives(farm, claim.run_id):
            _keep_output(farm, claim, finish.output)
        now = farm.database.write(write)
    farm.ask_for_pass()
    hear(farm, claim.client_id)
    if now.status not in (_MEANT[finish.outcome], RunStatus.CANCELLED):
        raise Conflict(f"the claim of {label} on job {job_id} is over: {_why_over(now)}")
    return {"run": now.run_id, "status": str(now.status)}


_MEANT = {
    Outcome.SUCCEEDED: RunStatus.SUCCEEDED,
    Outcome.FAILED: RunStatus.FAILED,
    Outcome.RETURNED: RunStatus.EJECTED,
}
"""The status of a run of which a runner says this."""


def _check_seconds(seconds: int) -> None:
    if not 1 <= seconds <= LONGEST_CLAIM_SECONDS:
        raise BadParameters(f"seconds must be from 1 to {LONGEST_CLAIM_SECONDS}, not {seconds}")


def _claim(connection: sqlite3.Connection, run_id: str) -> ClaimRow:
    claim = claims.load(connection, run_id)
    if claim is None:
        raise NotFound(f"there is no claim {run_id!r}")
    return claim


def _which(connection: sqlite3.Connection, job_id: int, run_id: str) -> ClaimRow:
    """The claim that is meant: the one named, else the only live one of the job, else its last."""
    if jobs.load(connection, job_id) is None:
        raise NotFound(f"there is no job {job_id}")
    if run_id:
        claim = _claim(connection, run_id)
        if claim.job_id != job_id:
            raise NotFound(f"the claim {run_id!r} is of job {claim.job_id}, not of job {job_id}")
        return claim
    live = claims.live_of_job(connection, job_id)
    if len(live) > 1:
        raise Conflict(f"job {job_id} has {len(live)} claims: say which one with outcome.run")
    last = live[0] if live else claims.last_of_job(connection, job_id)
    if last is None:
        raise Conflict(f"nobody has claimed work of job {job_id}")
    return last


def _lives(farm: Farm, run_id: str) -> bool:
    with farm.database.read() as connection:
        return _claim(connection, run_id).ended_at is None


def _keep_output(farm: Farm, claim: ClaimRow, output: bytes) -> None:
    """Store what the work wrote, in place of what was stored before of an end that did not come to be."""
    try:
        farm.output.put(claim.job_id, claim.run_id, output)
    except OSError as problem:
        if not is_full(problem):
            raise
        sentence = "the server's disk has no room for outcome.output; say so again later, or without it"
        raise DiskFull(sentence) from None


def _end(sheet: Sheet, claim: ClaimRow, label: str, finish: Finish) -> None:
    if finish.outcome is not Outcome.RETURNED:
        end = RunEnd(exit_code=finish.exit_code, reason=finish.reason, log_size=len(finish.output))
        apply(sheet, claim.client_id, label, Report("", claim.run_id, ENDED, end=end))
        return
    run = runs.load(sheet.connection, claim.run_id)
    assert run is not None
    item = work.load(sheet.connection, run.work_id)
    item.avoid_client_id = run.client_id
    work.save(sheet.connection, item)
    reason = f"{label} gave it back" + (f": {finish.reason}" if finish.reason else "")
    end = RunEnd(exit_code=finish.exit_code, reason=reason, log_size=len(finish.output))
    happen(sheet, run, RunEvent.KILLED, end)


def _wanted(claim: ClaimRow) -> bool:
    return claim.ended_at is None and claim.status not in (RunStatus.ENDING, RunStatus.LOST)


def _why_over(claim: ClaimRow) -> str:
    if claim.ended_at is None and claim.status is RunStatus.LOST:
        return "the runner was removed from the farm"
    if claim.by_hand and claim.status in (RunStatus.ENDING, RunStatus.CANCELLED):
        return "somebody marked the work as done"
    if claim.ended_at is None:
        return "the work is to go to another client" if claim.intent == "eject" else "the work is cancelled"
    return claim.reason or f"it is {claim.status}"
