"""What people ask of jobs: cancel, pause, resume, reschedule, eject, change (CONTRACT 3.5, 9.3, 9.8 to 9.12).

All of them act on whole families, in several short transactions; ids that do not exist, and jobs in a status that asks
for nothing, are ignored (9.3). What needs a client's doing is durable first, and confirmed by the client later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hqserver.domain.conditions import permitted
from hqserver.domain.errors import BadParameters, NotFound
from hqserver.domain.lifecycle import WorkEvent
from hqserver.domain.requirement import requirement_from
from hqserver.domain.status import RunStatus, WorkStatus
from hqserver.domain.values import Wrong
from hqserver.store import failures, jobs, runs, work
from hqserver.store.database import Transaction

from .families import in_parts, to_pause, to_reschedule, to_resume, unfinished_below
from .farm import Farm
from .losses import supersede
from .progression import end_run, pause_run, resume_run
from .sheet import Sheet


def cancel(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Cancel unfinished jobs and all below them that nobody else needs.

    Jobs that run keep their status until their client confirms that nothing of them is left.
    """

    def change(sheet: Sheet, row: jobs.JobRow) -> None:
        if row.finished or row.cancelled:
            return
        row.cancelled, row.held = 1, ""
        if row.pending:
            sheet.note(row.id, "hooks skipped", f"{row.hooks.replace(',', ', ')}: its command has left its client")
        for waiting in (WorkStatus.QUEUED, WorkStatus.RUNNABLE):
            sheet.move_waiting_work(row, waiting, WorkEvent.CANCEL, reason)
        for run in runs.live_of_job(sheet.connection, row.id):
            end_run(sheet, run, "cancel", f"ending on {farm.watch.label(run.client_id)}: {reason}")
        sheet.unsettle(row.id, reason)

    with farm.database.read() as connection:
        family = unfinished_below(connection, job_ids)
    _change(farm, family, change)


def pause(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Hold back unfinished jobs and all below them that nobody else needs; stop what runs where it stands.

    A running job is `paused` when its client has confirmed that every process of it stands still.
    """

    def change(sheet: Sheet, row: jobs.JobRow) -> None:
        if row.finished or row.cancelled or row.held == "pause":
            return
        row.held = "pause"
        sheet.note(row.id, "held", reason)
        for run in runs.live_of_job(sheet.connection, row.id):
            pause_run(sheet, run, reason)
        sheet.unsettle(row.id, reason)

    with farm.database.read() as connection:
        family = to_pause(connection, job_ids)
    _change(farm, family, change)


def resume(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Let paused jobs and all below them go on, those that a paused parent shares included."""

    def change(sheet: Sheet, row: jobs.JobRow) -> None:
        if row.finished or row.cancelled or row.held != "pause":
            return
        row.held = ""
        sheet.note(row.id, "resumed", reason)
        for run in runs.live_of_job(sheet.connection, row.id):
            resume_run(sheet, run, reason)
        sheet.unsettle(row.id, reason)

    with farm.database.read() as connection:
        family = to_resume(connection, job_ids)
    _change(farm, family, change)
    farm.ask_for_pass()


def eject(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Take running jobs, and all below them, off their clients now: killed, confirmed, back to the queue, no try burnt;
    the same client is the last to get them again (9.12)."""

    def change(sheet: Sheet, row: jobs.JobRow) -> None:
        for run in runs.live_of_job(sheet.connection, row.id) if not row.cancelled else ():
            if run.status is not RunStatus.LOST and not run.kind:
                end_run(sheet, run, "eject", f"taken off {farm.watch.label(run.client_id)}: {reason}")

    with farm.database.read() as connection:
        family = unfinished_below(connection, job_ids)
    _change(farm, family, change)


def reschedule(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Have finished jobs done again, with the finished jobs above them and the failed ones below (3.5).

    Other children keep their results. An unfinished job is left alone (9.12). Clients that were blocked for these
    jobs' roots may try again.
    """

    def change(sheet: Sheet, row: jobs.JobRow) -> None:
        if not row.finished:
            return
        sheet.note(row.id, "rescheduled", reason)
        _reset(sheet, row, reason)
        failures.forget(sheet.connection, [row.root_id])

    with farm.database.read() as connection:
        family = to_reschedule(connection, job_ids)
    # In one transaction: a parent that runs before its child is reset would be wrong.
    if family:
        _change_part(farm, family, change)
        farm.ask_for_pass()


def _reset(sheet: Sheet, row: jobs.JobRow, reason: str) -> None:
    row.cancelled = row.deleted_failed = 0
    row.tries = row.tries_given
    row.runnable_at = row.started_at = row.command_started_at = row.command_ended_at = None
    for run in runs.live_of_job(sheet.connection, row.id):
        supersede(sheet, run, reason)  # an abandoned job's run, whose client is silent
    for item in work.of_job(sheet.connection, row.id):
        item.tries, item.losses, item.avoid_client_id = row.tries_given, 0, None
        item.pending = item.pending_reason = item.hooks = ""
        sheet.move_work(item, WorkEvent.RESET, reason)
    sheet.unsettle(row.id, reason)


def set_priority(farm: Farm, job_ids: Sequence[int], priority: int) -> None:
    """Give unfinished jobs, and all below them that nobody else needs, a priority of 0 or more."""
    if priority < 0:
        raise BadParameters(f"priority must be 0 or more, not {priority}")

    def change(sheet: Sheet, row: jobs.JobRow) -> None:
        if not row.finished and row.priority != priority:
            sheet.note(row.id, "priority changed", f"from {row.priority} to {priority}")
            row.priority = priority

    with farm.database.read() as connection:
        family = unfinished_below(connection, job_ids)
    _change(farm, family, change)
    farm.ask_for_pass()


def permit_clients(farm: Farm, job_id: int, entries: Sequence[str]) -> None:
    """Let only these clients run the job: one condition in place of all it has (CONTRACT 1.2).

    Raises `NotFound`, and `BadParameters` for an entry that names no client or for none at all.
    """
    try:
        condition = permitted(list(entries))
    except Wrong as problem:
        raise BadParameters(f"clients_list {problem}") from None

    def write(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            row = sheet.job(job_id)
            key = jobs.requirement_key(sheet.connection, row.requirement_id)
            requirement = requirement_from(key).with_conditions((condition,))
            row.requirement_id = jobs.requirement_id(sheet.connection, requirement.key())
            sheet.note(job_id, "conditions", f"only on clients where {condition}")

    farm.database.write(write)
    farm.ask_for_pass()


def permitted_clients(farm: Farm, job_id: int) -> list[str]:
    """Labels of the registered clients that meet the job's conditions. Raises `NotFound`."""
    with farm.database.read() as connection:
        row = jobs.load(connection, job_id)
        if row is None:
            raise NotFound(f"there is no job {job_id}")
        conditions = requirement_from(jobs.requirement_key(connection, row.requirement_id)).conditions
    known = [presence for presence in farm.watch.every() if not presence.row.removed]
    facts = [farm.watch.facts(presence) for presence in known]
    return [each.label for each in facts if all(condition.holds(each) for condition in conditions)]


def warn_of_blocked_clients(farm: Farm, job_id: int, show: bool) -> None:
    """Whether the page warns of clients blocked for the job (CONTRACT 6.2). Raises `NotFound`."""

    def write(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            sheet.job(job_id).show_blocked_clients_warning = int(show)

    farm.database.write(write)


def _change(farm: Farm, job_ids: Sequence[int], change: Callable[[Sheet, jobs.JobRow], None]) -> None:
    for part in in_parts(job_ids):
        _change_part(farm, part, change)


def _change_part(farm: Farm, job_ids: Sequence[int], change: Callable[[Sheet, jobs.JobRow], None]) -> None:
    def write(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            for job_id in job_ids:
                row = sheet.find(job_id)
                if row is not None:
                    change(sheet, row)

    farm.database.write(write)
