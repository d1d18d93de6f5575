"""Runners that are not our daemon: they claim work, renew the claim while they do it, and say how it ended
(CONTRACT 10, Locks and outside runners).

A runner is a client of the farm that asks for its work itself: it stands in lists, in conditions and in groups like the
others, and the rules of dispatch hold for it. It is given nothing unasked. Each claim is a run with a lease.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any

from hqserver.domain.errors import BadParameters, Busy, Conflict, DiskFull, NotFound, TooLarge
from hqserver.domain.job_filter import parse_job_filter
from hqserver.domain.lifecycle import RunEvent
from hqserver.domain.result import result_text
from hqserver.domain.run import RunEnd
from hqserver.domain.runner import (
    LONGEST_CLAIM_SECONDS,
    Finish,
    Outcome,
    Runner,
    parse_finish,
    parse_runner,
    shorter_lease,
)
from hqserver.domain.status import RunStatus
from hqserver.services.dispatch.assignment import claim_first, has_work_for
from hqserver.services.events.events import tell_of_client
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence
from hqserver.services.work.progression import happen
from hqserver.services.work.reports import ENDED, Report, apply
from hqserver.services.work.sheet import Sheet
from hqserver.store import claims, clients, jobs, results, runs, work
from hqserver.store.claims import ClaimRow
from hqserver.store.clients import ClientRow
from hqserver.store.database import Transaction
from hqserver.store.orders import orders_for
from hqserver.store.trouble import is_full

from . import client_control
from .directory import registered
from .orders import order_for
from .registration import hash_secret

MOST_RUNNERS = 10_000
"""Runners from outside that the farm knows at a time."""
_IDLE_SECONDS = 86_400.0
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
    presence = _presence_of(farm, runner)
    if presence.row.disabled:
        raise Conflict(f"{presence.row.label} is disabled")
    client_id = presence.row.id
    _hear(farm, client_id)
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
            farm.watch.renew(run.id, farm.clock.monotonic())
            run.started_at = sheet.now
            happen(sheet, run, RunEvent.STARTED)
            return {**{key: told[key] for key in _TOLD}, "name": sheet.job(run.job_id).name, "seconds": run.lease}

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
    _hear(farm, claim.client_id)
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
    if claim.ended_at is None and finish.output:
        _keep_output(farm, claim, finish.output)
    label = farm.watch.label(claim.client_id)

    def write(transaction: Transaction) -> ClaimRow:
        with Sheet(farm, transaction) as sheet:
            if _claim(sheet.connection, claim.run_id).ended_at is None:
                if document is not None:
                    results.put(sheet.connection, job_id, document)
                _end(sheet, claim, label, finish)
            return _claim(sheet.connection, claim.run_id)

    now = farm.database.write(write)
    farm.ask_for_pass()
    _hear(farm, claim.client_id)
    if now.status not in (_MEANT[finish.outcome], RunStatus.CANCELLED):
        raise Conflict(f"the claim of {label} on job {job_id} is over: {_why_over(now)}")
    return {"run": now.run_id, "status": str(now.status)}


_MEANT = {
    Outcome.SUCCEEDED: RunStatus.SUCCEEDED,
    Outcome.FAILED: RunStatus.FAILED,
    Outcome.RETURNED: RunStatus.EJECTED,
}
"""The status of a run of which a runner says this."""


def retire_idle(farm: Farm) -> None:
    """Runners that hold nothing and were not heard for a day are clients no more; asking for work they are again."""
    monotonic = farm.clock.monotonic()
    idle = [each for each in _runners(farm) if each.silence(monotonic) > _IDLE_SECONDS]
    if not idle:
        return
    with farm.database.read() as connection:
        at_work = {run.client_id for run in runs.leased(connection)}
    client_control.remove(farm, [each.row.id for each in idle if each.row.id not in at_work])


def _runners(farm: Farm) -> list[Presence]:
    return [presence for presence in registered(farm) if presence.row.outside]


def _check_seconds(seconds: int) -> None:
    if not 1 <= seconds <= LONGEST_CLAIM_SECONDS:
        raise BadParameters(f"seconds must be from 1 to {LONGEST_CLAIM_SECONDS}, not {seconds}")


def _hear(farm: Farm, client_id: int) -> None:
    presence = farm.watch.get(client_id)
    if presence is None:
        return
    presence.heard_at, presence.heard = farm.clock.monotonic(), True
    presence.row.heartbeat_at = farm.clock.now()
    presence.unsaved = True


def _presence_of(farm: Farm, runner: Runner) -> Presence:
    """The runner as a client, made where it is new; what it says of itself is taken over."""
    known = farm.watch.by_name(runner.name, "")
    if known is not None and known.row.outside and _described(known.row) == runner:
        return known
    if known is None and len(_runners(farm)) >= MOST_RUNNERS:
        raise Busy(f"the farm has {MOST_RUNNERS} runners; those that do nothing for a day leave it")

    def write(transaction: Transaction) -> ClientRow:
        now = farm.clock.now()
        row = clients.labelled(transaction.connection, runner.name, "")
        if row is None:
            row = _new_client(runner, now)
            row.id = clients.insert(transaction.connection, row)
            tell_of_client(farm, transaction, row.label, "", "registered")
        elif not row.outside:
            raise Conflict(f"{runner.name} is a client with a daemon; call the runner otherwise")
        else:
            row.platform, row.cpus, row.memory = runner.platform, runner.cpus, runner.memory
            clients.save(transaction.connection, row)
        return row

    row = farm.database.write(write, repeatable=True)
    presence = farm.watch.get(row.id)
    if presence is None:
        monotonic = farm.clock.monotonic()
        presence = Presence(row, heard_at=monotonic, registered_at=monotonic, heard=True)
        farm.watch.put(presence)
    else:
        presence.row, presence.known_facts = row, None
    return presence


def _described(row: ClientRow) -> Runner:
    return Runner(row.hostname, row.platform, row.cpus, row.memory)


def _new_client(runner: Runner, now: float) -> ClientRow:
    return ClientRow(
        id=0,
        hostname=runner.name,
        name="",
        secret_hash=hash_secret(secrets.token_hex(32)),  # no daemon can have it
        session="",
        boot_id="",
        ip="",
        port=0,
        platform=runner.platform,
        cpus=runner.cpus,
        cpu_speed=0,
        memory=runner.memory,
        version="",
        registered_at=now,
        heartbeat_at=now,
        outside=1,
    )


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


def _keep_output(farm: Farm, claim: ClaimRow, output: bytes) -> None:
    """Store what the work wrote. Where that was cut short before, it goes on from there."""
    stored = farm.output.size(claim.job_id, claim.run_id)
    try:
        stored = farm.output.append(claim.job_id, claim.run_id, stored, output[stored:])
    except OSError as problem:
        if not is_full(problem):
            raise
    if stored < len(output):
        raise DiskFull("the server's disk has no room for outcome.output; say so again later, or without it")


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
    if claim.ended_at is None:
        return "the work is to go to another client" if claim.intent == "eject" else "the work is cancelled"
    return claim.reason or f"it is {claim.status}"
