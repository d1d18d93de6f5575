"""How runs and the work they serve move: the only caller of the lifecycle tables' run half.

Each function is one event. All of it happens on the sheet of a transaction that somebody else opened.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace

from hqserver.domain.event import EventKind
from hqserver.domain.hooks import Hook, hooks_after
from hqserver.domain.lifecycle import RunEvent, WorkEvent, advance_run
from hqserver.domain.run import RunEnd
from hqserver.domain.status import LIVE_RUN, RunStatus, WorkStatus
from hqserver.store import runs, starts, work
from hqserver.store.runs import RunRow

from . import health
from .sheet import Sheet

_BY_THE_CLIENT = frozenset(
    (
        *(RunEvent.EXITED_ZERO, RunEvent.EXITED_NONZERO, RunEvent.POSTPONED, RunEvent.OVERRAN, RunEvent.KILLED),
        *(RunEvent.LEASE_ENDED, RunEvent.REFUSED),
    )
)
"""Ends that a client reported: it is there, and can run hooks."""


_PIECES_TOLD = 20
"""So many failed pieces of an agenda are named in the job's history; `getWork` has all of them."""


def claim(sheet: Sheet, item: work.WorkRow, claimed: Sequence[RunRow], labels: Sequence[str]) -> None:
    """Give a work item to a client, or to several: the runs are its owners from here on.

    A lost run that held it is superseded. A work item whose command is done gets a run for its next hook.
    """
    first = claimed[0]
    names = ", ".join(labels)
    lost = runs.live_of_work(sheet.connection, item.id) if item.status is not WorkStatus.RUNNABLE else None
    if lost is not None:
        lost.unconfirmed = 1  # it may be alive where nobody hears it: its client is told to end it, first of all
        happen(sheet, lost, RunEvent.TAKEN_OVER, RunEnd(reason=f"given to {names}"))
        sheet.note(item.job_id, "taken over", f"given to {names}", first.client_id)
    if item.hooks_left:
        first.kind, *left = item.hooks_left
        item.hooks = ",".join(left)
        first.lease = 0
    first.split_output = sheet.job(item.job_id).split_output
    for run in claimed:
        runs.insert(sheet.connection, run)
        sheet.run_began(run.job_id, run.client_id)
        sheet.orders.add(run.client_id)
    what = f"{first.kind} assigned to" if first.kind else "assigned to"
    sheet.move_work(item, WorkEvent.CLAIMED, f"{what} {names}", client_id=first.client_id)


def happen(sheet: Sheet, run: RunRow, event: RunEvent, end: RunEnd | None = None, *, reason: str = "") -> bool:
    """Something happened to a run. False where the run does not count any more: nothing was changed.

    `end` says how it ended, for events that end it. Raises `InvalidTransition`.
    """
    was = run.status
    move = advance_run(was, event, ejecting=run.intent == "eject")
    run.status = move.status
    if was in (RunStatus.PAUSING, RunStatus.RESUMING) and run.status is RunStatus.RUNNING:
        run.intent = ""
    live = run.status in LIVE_RUN
    if live:
        changed = runs.move(sheet.connection, run, run.status)
    else:
        run.ended_at = sheet.now if run.ended_at is None else run.ended_at
        kept = _with_why(sheet, run, was, event, end or RunEnd(reason=reason))
        changed = runs.finish(sheet.connection, run, run.status, kept)
    if not changed:
        return False
    _tell_run(sheet, run, was, reason or (end.reason if end else ""))
    if run.status in (RunStatus.PAUSING, RunStatus.RESUMING, RunStatus.ENDING):
        sheet.orders.add(run.client_id)
    if event is RunEvent.STARTED and not run.kind:
        sheet.command_started(run.job_id, run.started_at or sheet.now)
    if was is RunStatus.LOST and live:
        sheet.offer_again(work.load(sheet.connection, run.work_id), claimable=False)
    if event is RunEvent.REFUSED or (event is RunEvent.KILLED and run.started_at is None):
        starts.forget_run(sheet.connection, run.id)  # it never started: no rate is used up by it
    if not live:
        _count_end(sheet, run)
    if move.work is not None:
        because = reason or (end.reason if end else "") or event
        _tell_work(sheet, run, move.work, because, client_is_there=event in _BY_THE_CLIENT)
    return True


def _with_why(sheet: Sheet, run: RunRow, was: RunStatus, event: RunEvent, end: RunEnd) -> RunEnd:
    """The end of a run, with why somebody wanted it: its client knows only that it was to be killed."""
    if was is not RunStatus.ENDING or event not in (RunEvent.KILLED, RunEvent.GIVEN_UP):
        return end
    why = runs.why_ending(sheet.connection, run.id)
    unconfirmed = f"; {end.reason}" if event is RunEvent.GIVEN_UP else ""
    return replace(end, reason=f"{why}{unconfirmed}") if why else end


def _tell_run(sheet: Sheet, run: RunRow, was: RunStatus, reason: str) -> None:
    """What befell a run goes to the journal, but for what its job or piece tells as well."""
    begins = (was, run.status) == (RunStatus.OFFERED, RunStatus.RUNNING)
    if run.status is was or begins or run.status in (RunStatus.SUCCEEDED, RunStatus.FAILED):
        return
    row = sheet.job(run.job_id)
    name = work.load(sheet.connection, run.work_id).name if row.agenda else ""
    sheet.tell(row, EventKind.RUN, was, run.status, reason, run.client_id, name)


def _count_end(sheet: Sheet, run: RunRow) -> None:
    sheet.run_ended(run.job_id, run.client_id)
    if run.started_at is not None and not run.kind:
        sheet.command_started(run.job_id, run.started_at)
        sheet.job(run.job_id).command_ended_at = run.ended_at
    for companion in runs.companions(sheet.connection, run.work_id) if run.slot == 0 else ():
        companion.ended_at = sheet.now
        end = RunEnd(reason="the command on the first client ended")
        if runs.finish(sheet.connection, companion, RunStatus.EJECTED, end):
            sheet.run_ended(companion.job_id, companion.client_id)


def _tell_work(sheet: Sheet, run: RunRow, event: WorkEvent, reason: str, *, client_is_there: bool) -> None:
    item = work.load(sheet.connection, run.work_id)
    row = sheet.job(run.job_id)
    if run.kind and run.status not in LIVE_RUN:
        _after_hook(sheet, run, item, event, reason, client_is_there=client_is_there)
        return
    if event is WorkEvent.RUN_CANCELLED and item.by_hand:
        event = WorkEvent.COMPLETE
    if event is WorkEvent.RUN_SUCCEEDED:
        health.command_succeeded(sheet, run.client_id)
    if event is WorkEvent.RUN_FAILED:
        sheet.client_failed(run.job_id, run.client_id)
        health.command_failed(sheet, run.job_id, run.client_id)
        item.avoid_client_id = run.client_id
        if item.tries > 0 and not row.cancelled:
            item.tries -= 1
            if not row.agenda:  # there each piece has tries of its own
                row.tries = item.tries
            event = WorkEvent.TRY_FAILED
            left = f"{item.tries} {'try' if item.tries == 1 else 'tries'} left"
            sheet.note(run.job_id, "rescheduled", f"{reason}; {left}", run.client_id)
    if event is WorkEvent.RUN_FAILED and row.agenda and row.work[WorkStatus.FAILED] < _PIECES_TOLD:
        sheet.note(run.job_id, "piece failed", f"{item.name}: {reason}", run.client_id)
    if event is WorkEvent.POSTPONED:
        sheet.note(run.job_id, "put back", reason, run.client_id)
    if event is WorkEvent.RUN_RETURNED and run.intent == "eject":
        item.avoid_client_id = run.client_id
        sheet.note(run.job_id, "ejected", reason, run.client_id)
    elif event is WorkEvent.RUN_RETURNED and row.held:
        # The job's status stays as it is: without this line nothing would say that it begins anew.
        sheet.note(run.job_id, "put back", reason, run.client_id)
    if row.hooks and _go_on_with_hooks(sheet, run, item, event, reason, client_is_there=client_is_there):
        return
    seconds = None
    if run.started_at is not None and run.ended_at is not None:
        seconds = max(run.ended_at - run.started_at, 0.0)
    sheet.move_work(item, event, reason, client_id=run.client_id, seconds=seconds)
    if event is WorkEvent.RUN_RETURNED and row.cancelled:
        sheet.move_work(item, WorkEvent.CANCEL, reason)


# Hooks (CONTRACT 9.13) -----------------------------------------------------------------------------------------


def _go_on_with_hooks(
    sheet: Sheet, run: RunRow, item: work.WorkRow, event: WorkEvent, reason: str, *, client_is_there: bool
) -> bool:
    """The command's run has ended in a job with hooks: give its client the first of them; False where none is due."""
    row = sheet.job(run.job_id)
    if event is WorkEvent.RUN_SUCCEEDED and row.children_unfinished:
        # Children that the command added still live: only they tell how the job ends.
        item.pending, item.pending_reason = event, reason
        sheet.move_work(item, WorkEvent.COMMAND_ENDED, reason, client_id=run.client_id)
        return True
    outcome = WorkEvent.CHILDREN_FAILED if event is WorkEvent.RUN_SUCCEEDED and row.failed_children else event
    due = hooks_after(outcome, row.hooks.split(","))
    if not due or run.started_at is None:
        return False
    if not client_is_there or sheet.farm.watch.is_outside(run.client_id):
        why = "the client is lost" if not client_is_there else "a runner that has claimed the command runs no hooks"
        sheet.note(run.job_id, "hooks skipped", f"{', '.join(due)}: {why}", run.client_id)
        return False
    item.pending, item.pending_reason, item.hooks = event, reason, ",".join(due)
    sheet.note(run.job_id, "hook", f"{reason}; {due[0]} follows", run.client_id)
    _start_hook(sheet, run, item)
    return True


def _start_hook(sheet: Sheet, before: RunRow, item: work.WorkRow) -> None:
    """Offer the next hook to the client on which the command, or the hook before it, has just ended."""
    kind, *left = item.hooks_left
    item.hooks = ",".join(left)
    if item.status is WorkStatus.RUNNING:
        work.save(sheet.connection, item)
    else:
        sheet.move_work(item, WorkEvent.RESUMED, f"{kind} follows", client_id=before.client_id)
    run = replace(
        before,
        id=secrets.token_hex(16),
        kind=kind,
        status=RunStatus.OFFERED,
        offered_at=sheet.now,
        started_at=None,
        ended_at=None,
        unconfirmed=0,
        intent="",
        lease=0,
    )
    runs.insert(sheet.connection, run)
    sheet.run_began(run.job_id, run.client_id)
    sheet.orders.add(run.client_id)


def _after_hook(
    sheet: Sheet, run: RunRow, item: work.WorkRow, event: WorkEvent, reason: str, *, client_is_there: bool
) -> None:
    """A hook's run has ended: its exit status is noted and changes nothing. The next hook follows, or the outcome."""
    row = sheet.job(run.job_id)
    returned = event is WorkEvent.RUN_RETURNED and item.pending != WorkEvent.RUN_RETURNED
    if returned and not row.cancelled and row.command_started_at is None:
        # The client of a job without a command took its hook back: another one may run it.
        item.hooks = ",".join([run.kind, *item.hooks_left])
        sheet.move_work(item, event, reason, client_id=run.client_id)
        return
    # The limit of a hook is hookTimeout, whatever its client calls it.
    sheet.note(run.job_id, "hook", f"{run.kind}: {reason.replace('maxTime', 'hookTimeout', 1)}", run.client_id)
    if row.cancelled and item.pending != WorkEvent.RUN_CANCELLED:
        # Cancelled while its hooks ran: those of a cancelled job follow, but for what has run already.
        item.pending, item.pending_reason = WorkEvent.RUN_CANCELLED, f"cancelled during {run.kind}"
        left = hooks_after(WorkEvent.RUN_CANCELLED, row.hooks.split(",")) if run.kind != Hook.CLEANUP else ()
        item.hooks = ",".join(left)
        work.save(sheet.connection, item)
    if item.hooks_left and client_is_there:
        _start_hook(sheet, run, item)
        return
    finish_hooks(sheet, item, WorkEvent(item.pending), "" if client_is_there else "their client is lost")


def finish_hooks(sheet: Sheet, item: work.WorkRow, outcome: WorkEvent, why: str = "") -> None:
    """The work item's hooks have run, or never will (`why`): it becomes what its command made of it."""
    if why or item.hooks_left:
        left = item.hooks.replace(",", ", ")
        sheet.note(item.job_id, "hooks skipped", f"{left}: {why}" if left and why else left or why)
    reason = item.pending_reason or "all its children had ended"
    item.pending = item.pending_reason = item.hooks = ""
    command = runs.last_of_command(sheet.connection, item.id)
    client_id = command.client_id if command else None
    sheet.move_work(item, outcome, reason, client_id=client_id, seconds=sheet.command_seconds(item))


# What people ask of runs (CONTRACT 3.5) ------------------------------------------------------------------------


def end_run(sheet: Sheet, run: RunRow, intent: str, reason: str, *, said: str = "") -> None:
    """Have a live run killed, durably before its client is told. `intent`: "cancel", or "eject": its work goes back
    to the queue. A kill that is on its way is not called back.

    `reason` stays with the run; the job's history has it with the client's name, after what is `said`.
    """
    if run.status is RunStatus.ENDING and intent in ("eject", run.intent):
        return
    run.intent = intent
    happen(sheet, run, RunEvent.END if intent == "cancel" else RunEvent.EJECT)
    runs.start_ending(sheet.connection, run, sheet.now, reason)
    event, usual = ("cancel", "ending on") if intent == "cancel" else ("ejecting", "taken off")
    label = sheet.farm.watch.label(run.client_id)
    sheet.note(run.job_id, event, f"{said or usual} {label}: {reason}", run.client_id)


def take_back_cancel(sheet: Sheet, run: RunRow, item: work.WorkRow, reason: str) -> None:
    """The run of cancelled work is killed all the same, but its work is to be done again. A hook that follows the
    cancel goes on, and decides nothing any more."""
    if run.kind:
        item.pending, item.pending_reason = WorkEvent.RUN_RETURNED, reason
        if run.status is RunStatus.ENDING:
            item.hooks = ""  # those of an outcome that the cancel took back
    work.save(sheet.connection, item)
    if run.status is RunStatus.ENDING:
        run.intent = "eject"
        happen(sheet, run, RunEvent.EJECT)


def pause_run(sheet: Sheet, run: RunRow, reason: str) -> None:
    """Have a live run's processes stopped where they stand."""
    if run.status in (RunStatus.OFFERED, RunStatus.RUNNING, RunStatus.RESUMING):
        run.intent = "pause"
        happen(sheet, run, RunEvent.PAUSE, reason=reason)


def resume_run(sheet: Sheet, run: RunRow, reason: str) -> None:
    """Let a run's processes go on."""
    if run.status in (RunStatus.PAUSING, RunStatus.PAUSED):
        happen(sheet, run, RunEvent.RESUME, reason=reason)


def encode_resources(resources: Sequence[tuple[str, int]]) -> str:
    """What a run takes up of the counted resources, as its row keeps it."""
    return json.dumps(dict(resources)) if resources else ""
