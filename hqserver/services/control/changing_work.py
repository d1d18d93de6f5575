"""`changeWork`: one action on pieces of a job, with a result for each (CONTRACT 10, Work items, Control)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hqserver.domain.control import ON_WORK, TAKEN_FROM, Action, Options, as_action, parse_options
from hqserver.domain.errors import Conflict, TooLarge
from hqserver.domain.lifecycle import WorkEvent
from hqserver.domain.status import WORK_ON_CLIENT, RunStatus
from hqserver.services.farm import Farm
from hqserver.services.work import families
from hqserver.services.work.progression import end_run, pause_run, resume_run
from hqserver.services.work.sheet import Sheet
from hqserver.store import failures, lineage, runs, work
from hqserver.store.database import Transaction
from hqserver.store.jobs import JobRow
from hqserver.store.work import WorkRow

from . import job_actions

MOST_PIECES = 10_000
"""Pieces that one call may name."""

_AGAIN = (Action.RETRY, Action.RERUN, Action.REQUEUE)


def change_work(
    farm: Farm, job_id: int, names: Sequence[str], action: str, options: Mapping[str, Any] | None, caller: str
) -> list[dict[str, Any]]:
    """Do an action to pieces of a job, "" naming the only one of a job without an agenda; a result for each name.

    Raises `BadParameters`, `NotFound` for the job, `TooLarge`, and `Conflict` where more than `options.limit` would
    change: then nothing has.
    """
    asked = as_action(action, ON_WORK)
    wanted = parse_options(asked, options)
    if len(names) > MOST_PIECES:
        raise TooLarge(f"changeWork takes at most {MOST_PIECES} names a call")
    reason = f"{wanted.reason} ({asked} by {caller})" if wanted.reason else f"{asked} by {caller}"

    def write(transaction: Transaction) -> list[dict[str, Any]]:
        with Sheet(farm, transaction) as sheet:
            return _change(sheet, job_id, list(dict.fromkeys(names)), asked, wanted, reason)

    found = farm.database.write(write)
    farm.ask_for_pass()
    return found


def _change(
    sheet: Sheet, job_id: int, names: Sequence[str], action: Action, options: Options, reason: str
) -> list[dict[str, Any]]:
    row = sheet.job(job_id)
    items = {item.name: item for item in work.named(sheet.connection, job_id, names)}
    why = {name: _why_not(sheet, action, row, items.get(name)) for name in names}
    doing = [name for name in names if not why[name]]
    if options.limit is not None and len(doing) > options.limit:
        raise Conflict(f"{action} would change {len(doing)} pieces, more than the limit of {options.limit}")
    was = {name: str(item.status) for name, item in items.items()}
    if doing and not options.dry_run:
        if action in _AGAIN:
            _reopen(sheet, row, reason)
        for name in doing[::-1] if action is Action.TOP else doing:
            _act(sheet, items[name], action, reason)
        if action in _AGAIN:
            _reopen_above(sheet, row, reason)
        pieces = doing[0] if len(doing) == 1 else f"{len(doing)} pieces, {doing[0]} first"
        sheet.note(job_id, "work changed", f"{pieces or 'its work'}: {reason}")
        sheet.unsettle(job_id, reason)
        sheet.settle()
    now = {item.name: str(item.status) for item in work.named(sheet.connection, job_id, names)}
    return [
        {"name": name, "changed": not why[name], "was": was.get(name, ""), "now": now.get(name, ""), "why": why[name]}
        for name in names
    ]


def _why_not(sheet: Sheet, action: Action, row: JobRow, item: WorkRow | None) -> str:
    if item is None:
        return "there is no such piece"
    if row.cancelled and not row.finished:
        return "its job is being cancelled"
    if action is Action.RESUME and row.held == "pause":
        return "its job is paused: resume that"
    if item.status not in TAKEN_FROM[action]:
        return f"it is {item.status}"
    return _why_not_on_client(sheet, action, item) if item.status in WORK_ON_CLIENT else ""


def _why_not_on_client(sheet: Sheet, action: Action, item: WorkRow) -> str:
    """Why nothing becomes of the live run of a piece, "" where something does."""
    run = runs.live_of_work(sheet.connection, item.id)
    if run is None:
        return ""
    label = sheet.farm.watch.label(run.client_id)
    if action is Action.MIGRATE:
        return job_actions.why_not_migrated(run, label)
    # A kill that is on its way is not called back; only what follows from it may still change.
    same = action in (Action.PAUSE, Action.SUSPEND) or (action is Action.CANCEL and run.intent == "cancel")
    return f"it is being ended on {label} already" if same and run.status is RunStatus.ENDING else ""


def _reopen(sheet: Sheet, row: JobRow, reason: str) -> None:
    """A job that has ended goes on with the pieces that are done again."""
    failures.forget(sheet.connection, [row.root_id])
    if row.finished:
        sheet.note(row.id, "rescheduled", reason)
        sheet.mark_cancelled(row, False)
        row.by_hand = 0


def _reopen_above(sheet: Sheet, row: JobRow, reason: str) -> None:
    """What ended above it waits for it anew. The job itself is settled first, or they would fail with it again."""
    sheet.unsettle(row.id, reason)
    above = lineage.ancestors_of(sheet.connection, [row.id])
    for job_id in families.children_first(sheet.connection, above):
        relative = sheet.job(job_id)
        if relative.finished:
            job_actions.retry(sheet, relative, reason)


def _act(sheet: Sheet, item: WorkRow, action: Action, reason: str) -> None:
    if item.status in WORK_ON_CLIENT:
        _act_on_run(sheet, item, action, reason)
        return
    match action:
        case Action.PAUSE | Action.BLOCK:
            sheet.move_work(item, WorkEvent.BLOCK, reason)
        case Action.RESUME | Action.UNBLOCK:
            sheet.move_work(item, WorkEvent.UNBLOCK, reason)
        case Action.CANCEL:
            sheet.move_work(item, WorkEvent.CANCEL, reason)
        case Action.COMPLETE:
            sheet.move_work(item, WorkEvent.COMPLETE, reason)
        case Action.RETRY | Action.RERUN | Action.REQUEUE:
            item.tries, item.losses = sheet.job(item.job_id).tries_given, 0
            item.avoid_client_id, item.by_hand = None, 0
            sheet.move_work(item, WorkEvent.RESET, reason)
            if action is Action.REQUEUE:
                sheet.move_work(item, WorkEvent.BLOCK, reason)
        case Action.TOP | Action.BOTTOM:
            work.place(sheet.connection, item, first=action is Action.TOP)


def _act_on_run(sheet: Sheet, item: WorkRow, action: Action, reason: str) -> None:
    run = runs.live_of_work(sheet.connection, item.id)
    if run is None:
        return
    match action:
        case Action.PAUSE | Action.SUSPEND:
            pause_run(sheet, run, reason)
        case Action.RESUME:
            resume_run(sheet, run, reason)
        case Action.MIGRATE:
            end_run(sheet, run, "eject", reason)
        case Action.CANCEL:
            end_run(sheet, run, "cancel", reason)
        case Action.COMPLETE:
            job_actions.complete_run(sheet, run, reason)
