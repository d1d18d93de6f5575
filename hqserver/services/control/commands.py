"""What HQueue's callers ask of jobs: cancel, pause, resume, reschedule, eject (CONTRACT 3.5, 9.3, 9.8 to 9.12).

All of them act on whole families, in several short transactions; ids that do not exist, and jobs in a status that asks
for nothing, are ignored (9.3). `services.control.changing` does the same in one call with a result for each job; what
an action does to one job stands in `services.control.job_actions`, and when it means anything in `domain.control`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hqserver.domain.conditions import permitted
from hqserver.domain.control import Action
from hqserver.domain.errors import BadParameters, NotFound
from hqserver.domain.requirement import requirement_from
from hqserver.domain.values import Wrong
from hqserver.services.farm import Farm
from hqserver.services.work.families import in_parts, to_pause, to_reschedule, to_resume, unfinished_below
from hqserver.services.work.sheet import Sheet
from hqserver.store import failures, jobs
from hqserver.store.database import Transaction

from . import job_actions


def cancel(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Cancel unfinished jobs and all below them that nobody else needs.

    Jobs that run keep their status until their client confirms that nothing of them is left.
    """
    with farm.database.read() as connection:
        family = unfinished_below(connection, job_ids)
    _change(farm, family, _each(Action.CANCEL, job_actions.cancel, reason))


def pause(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Hold back unfinished jobs and all below them that nobody else needs; stop what runs where it stands.

    A running job is `paused` when its client has confirmed that every process of it stands still.
    """
    with farm.database.read() as connection:
        family = to_pause(connection, job_ids)
    _change(farm, family, _each(Action.PAUSE, job_actions.pause, reason))


def resume(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Let paused jobs and all below them go on, those that a paused parent shares included."""
    with farm.database.read() as connection:
        family = to_resume(connection, job_ids)
    _change(farm, family, _each(Action.RESUME, job_actions.resume, reason))
    farm.ask_for_pass()


def eject(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Take running jobs, and all below them, off their clients now: killed, confirmed, back to the queue, no try burnt;
    the same client is the last to get them again (9.12)."""

    def change(sheet: Sheet, row: jobs.JobRow) -> None:
        job_actions.migrate(sheet, row, reason)

    with farm.database.read() as connection:
        family = unfinished_below(connection, job_ids)
    _change(farm, family, change)


def reschedule(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Have finished jobs done again, with the finished jobs above them and the failed ones below (3.5).

    Other children keep their results. An unfinished job is left alone (9.12), but for one that was cancelled: what its
    client is still killing goes back to the queue once that is confirmed. Clients that were blocked for these jobs'
    roots may try again.
    """

    def change(sheet: Sheet, row: jobs.JobRow) -> None:
        if row.over:
            job_actions.rerun(sheet, row, reason)
            forgiven.add(row.root_id)

    forgiven: set[int] = set()
    with farm.database.read() as connection:
        family = to_reschedule(connection, job_ids)
    # In one transaction: a parent that runs before its child is reset would be wrong.
    if family:
        _change_part(farm, family, change, lambda sheet: failures.forget(sheet.connection, forgiven))
        farm.ask_for_pass()


def set_priority(farm: Farm, job_ids: Sequence[int], priority: int) -> None:
    """Give unfinished jobs, and all below them that nobody else needs, a priority of 0 or more."""
    if priority < 0:
        raise BadParameters(f"priority must be 0 or more, not {priority}")

    def change(sheet: Sheet, row: jobs.JobRow) -> None:
        if not row.finished and row.priority != priority:
            job_actions.set_priority(sheet, row, priority)

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


def _each(
    action: Action, act: Callable[[Sheet, jobs.JobRow, str], None], reason: str
) -> Callable[[Sheet, jobs.JobRow], None]:
    """An action for each job to which it means something."""

    def change(sheet: Sheet, row: jobs.JobRow) -> None:
        if not job_actions.why_not_now(action, row):
            act(sheet, row, reason)

    return change


def _change(farm: Farm, job_ids: Sequence[int], change: Callable[[Sheet, jobs.JobRow], None]) -> None:
    for part in in_parts(job_ids):
        _change_part(farm, part, change)


def _change_part(
    farm: Farm,
    job_ids: Sequence[int],
    change: Callable[[Sheet, jobs.JobRow], None],
    at_last: Callable[[Sheet], None] = lambda sheet: None,
) -> None:
    def write(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            sheet.read(job_ids)
            sheet.read_runs(job_ids)
            for job_id in job_ids:
                row = sheet.find(job_id)
                if row is not None:
                    change(sheet, row)
            at_last(sheet)

    farm.database.write(write)
