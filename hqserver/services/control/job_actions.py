"""What each action does to one job, on the sheet of a transaction that somebody else opened (CONTRACT 3.5, 10).

Each function takes a job of which `domain.control.why_not` says that the action means something. What needs a client's
doing is durable first, and confirmed by the client later.
"""

from __future__ import annotations

import sqlite3

from hqserver.domain.control import Action, JobNow, why_not
from hqserver.domain.lifecycle import WorkEvent
from hqserver.domain.status import FINISHED_WORK, RunStatus, WorkStatus
from hqserver.services.farm import Farm
from hqserver.services.work.losses import supersede
from hqserver.services.work.progression import end_run, pause_run, resume_run, take_back_cancel
from hqserver.services.work.sheet import Sheet
from hqserver.store import jobs, queue, results, runs, work
from hqserver.store.jobs import JobRow
from hqserver.store.runs import RunRow

_WAITING = (WorkStatus.QUEUED, WorkStatus.RUNNABLE, WorkStatus.BLOCKED)
_NOT_SUCCEEDED = tuple(status for status in FINISHED_WORK if status is not WorkStatus.SUCCEEDED)


def why_not_now(action: Action, row: JobRow, *, with_children: bool = True) -> str:
    """Why an action changes nothing about a job as it is now, "" where it does."""
    now = JobNow(
        status=str(row.status),
        held=row.held,
        finished=row.finished,
        cancelled=bool(row.cancelled),
        work=row.work,
        children_unfinished=row.children_unfinished,
    )
    return why_not(action, now, with_children=with_children)


# Held back, let go ---------------------------------------------------------------------------------------------------


def pause(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Hold it back, and stop what runs where it stands. It is `paused` once its client has confirmed that."""
    row.held = "pause"
    sheet.note(row.id, "held", reason)
    suspend(sheet, row, reason)


def suspend(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Stop what runs where it stands; work that was not started goes on being given out."""
    for run in sheet.live_runs(row.id):
        pause_run(sheet, run, reason)
    sheet.unsettle(row.id, reason)


def resume(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Let it go on, what was paused and what was suspended."""
    if row.held == "pause":
        row.held = ""
    sheet.note(row.id, "resumed", reason)
    for run in sheet.live_runs(row.id):
        resume_run(sheet, run, reason)
    sheet.unsettle(row.id, reason)


def block(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Hold it back from dispatch."""
    row.held = "block"
    sheet.note(row.id, "blocked", reason)
    sheet.unsettle(row.id, reason)


def unblock(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Put it back into the queue, with those of its pieces that were blocked one by one."""
    if row.held == "block":
        row.held = ""
    sheet.note(row.id, "unblocked", reason)
    sheet.move_waiting_work(row, WorkStatus.BLOCKED, WorkEvent.UNBLOCK, reason)
    sheet.unsettle(row.id, reason)


# Taken off its client, ended -----------------------------------------------------------------------------------------


def preempt(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Let the current work end, withdraw what was not started, and put the job last among its priority."""
    for run in sheet.live_runs(row.id):
        if run.status is RunStatus.OFFERED and not run.kind:
            end_run(sheet, run, "eject", reason, said="not started on")
    sheet.note(row.id, "preempted", reason)
    place_last(sheet, row)


def migrate(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Take it off its clients now: killed, confirmed, back to the queue, no try burnt; the same client is the last to
    get it again (9.12).

    What is left on its client all the same is told in the job's history: a command that has ended cannot be done again
    elsewhere for the sake of its hooks, which are bounded (9.13).
    """
    for run in sheet.live_runs(row.id):
        label = sheet.farm.watch.label(run.client_id)
        because = f"it is cancelled and ends on {label}" if row.cancelled else why_not_migrated(run, label)
        if because:
            sheet.note(row.id, "not ejected", because, run.client_id)
        else:
            end_run(sheet, run, "eject", reason)


def why_none_migrated(farm: Farm, connection: sqlite3.Connection, job_id: int) -> str:
    """Why none of the job's live runs is taken off its client, "" where one is, or there is none."""
    found = [why_not_migrated(run, farm.watch.label(run.client_id)) for run in runs.live_of_job(connection, job_id)]
    return found[0] if found and all(found) else ""


def why_not_migrated(run: RunRow, label: str) -> str:
    """Why a live run is not taken off its client, "" where it is."""
    if run.kind:
        return f"its command has ended, and {run.kind} follows on {label}"
    if run.status is RunStatus.LOST:
        return f"{label} is silent: another client may take it over"
    if run.status is RunStatus.ENDING:
        return f"it is being ended on {label} already"
    return ""


def cancel(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Cancel what waits and kill what runs. It is `cancelled` when its client has confirmed that nothing is left."""
    sheet.mark_cancelled(row, True)
    row.held = ""
    if row.pending:
        sheet.note(row.id, "hooks skipped", f"{row.hooks.replace(',', ', ')}: its command has left its client")
    for waiting in _WAITING:
        sheet.move_waiting_work(row, waiting, WorkEvent.CANCEL, reason)
    for run in sheet.live_runs(row.id):
        end_run(sheet, run, "cancel", reason)
    sheet.unsettle(row.id, reason)


def complete(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Mark it as done: what waits needs not run, what runs is killed, and the job succeeds by hand."""
    row.by_hand, row.held = 1, ""
    sheet.note(row.id, "completed", reason)
    for waiting in _WAITING:
        sheet.move_waiting_work(row, waiting, WorkEvent.COMPLETE, reason)
    for run in sheet.live_runs(row.id):
        complete_run(sheet, run, reason)
    sheet.unsettle(row.id, reason)


def complete_run(sheet: Sheet, run: RunRow, reason: str) -> None:
    """Kill a live run whose work somebody marked as done."""
    item = work.load(sheet.connection, run.work_id)
    item.by_hand = 1
    work.save(sheet.connection, item)
    end_run(sheet, run, "cancel", reason)


# Done again ----------------------------------------------------------------------------------------------------------


def retry(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Put what did not succeed back into the queue; what did is kept."""
    _again(sheet, row, _NOT_SUCCEEDED, reason)


def rerun(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Put all of it back into the queue."""
    _again(sheet, row, FINISHED_WORK, reason)


def requeue(sheet: Sheet, row: JobRow, reason: str) -> None:
    """Reset all of it, and block it until somebody unblocks it."""
    rerun(sheet, row, reason)
    row.held = "block"
    sheet.note(row.id, "blocked", reason)


def _again(sheet: Sheet, row: JobRow, statuses: tuple[WorkStatus, ...], reason: str) -> None:
    sheet.note(row.id, "rescheduled", reason)
    finished = row.finished
    sheet.mark_cancelled(row, False)
    row.deleted_failed = row.by_hand = 0
    row.tries = row.tries_given
    live = sheet.live_runs(row.id)
    if statuses is FINISHED_WORK or not row.work[WorkStatus.SUCCEEDED]:
        results.forget(sheet.connection, row.id)  # of what is kept, the result is kept too
    if statuses is FINISHED_WORK:
        row.runnable_at = row.started_at = row.command_started_at = row.command_ended_at = None
    if finished:
        for run in live:
            supersede(sheet, run, reason)  # an abandoned job's run, whose client is silent
    else:
        # It was cancelled and its kill is on its way: it is killed all the same, and then done again.
        for run in live:
            item = work.load(sheet.connection, run.work_id)
            item.tries, item.losses, item.by_hand = row.tries_given, 0, 0
            take_back_cancel(sheet, run, item, reason)
    sheet.reset_work(row, statuses, reason)


# Its place in the queue ----------------------------------------------------------------------------------------------


def place_first(sheet: Sheet, row: JobRow) -> None:
    """Put it first among its priority."""
    row.position = queue.place_first(sheet.connection)


def place_last(sheet: Sheet, row: JobRow) -> None:
    """Put it last among its priority, before jobs that are still to come."""
    row.position = queue.place_last(sheet.connection, jobs.next_id(sheet.connection))


def set_priority(sheet: Sheet, row: JobRow, priority: int, reason: str = "") -> None:
    """Give it a priority."""
    sheet.note(row.id, "priority changed", f"from {row.priority} to {priority}" + (f": {reason}" if reason else ""))
    row.priority = priority
