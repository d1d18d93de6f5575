"""How runs and the work they serve move: the only caller of the lifecycle tables' run half.

Each function is one event. All of it happens on the sheet of a transaction that somebody else opened.
"""

from __future__ import annotations

from hqserver.domain.lifecycle import RunEvent, WorkEvent, advance_run
from hqserver.domain.run import RunEnd
from hqserver.domain.status import RunStatus
from hqserver.store import runs, work
from hqserver.store.runs import RunRow

from .sheet import Sheet


def claim(sheet: Sheet, item: work.WorkRow, run: RunRow, client_label: str) -> None:
    """Give a work item to a client: the run is its owner from here on. A lost run that held it is superseded."""
    lost = runs.live_of_work(sheet.connection, item.id) if item.status != "runnable" else None
    if lost is not None:
        lost.unconfirmed = 1  # it may be alive where nobody hears it: its client is told to end it, first of all
        happen(sheet, lost, RunEvent.TAKEN_OVER, RunEnd(reason=f"given to {client_label}"))
        sheet.note(item.job_id, "taken over", f"given to {client_label}", run.client_id)
    runs.insert(sheet.connection, run)
    sheet.run_began(run.job_id, run.client_id)
    sheet.move_work(item, WorkEvent.CLAIMED, f"assigned to {client_label}", client_id=run.client_id)


def happen(sheet: Sheet, run: RunRow, event: RunEvent, end: RunEnd | None = None, *, reason: str = "") -> bool:
    """Something happened to a run. False where the run does not count any more: nothing was changed.

    `end` says how it ended, for events that end it. Raises `InvalidTransition`.
    """
    was = run.status
    move = advance_run(was, event)
    run.status = move.status
    live = run.status in (RunStatus.OFFERED, RunStatus.RUNNING, RunStatus.ENDING, RunStatus.LOST)
    if live:
        changed = runs.move(sheet.connection, run, run.status)
    else:
        run.ended_at = sheet.now if run.ended_at is None else run.ended_at
        changed = runs.finish(sheet.connection, run, run.status, end or RunEnd(reason=reason))
    if not changed:
        return False
    if event is RunEvent.STARTED:
        sheet.command_started(run.job_id, run.started_at or sheet.now)
    if was is RunStatus.LOST and live:
        sheet.offer_again(work.load(sheet.connection, run.work_id), claimable=False)
    if not live:
        sheet.run_ended(run.job_id, run.client_id)
        if run.started_at is not None:
            sheet.command_started(run.job_id, run.started_at)
            sheet.job(run.job_id).command_ended_at = run.ended_at
    if move.work is not None:
        _tell_work(sheet, run, move.work, reason or (end.reason if end else "") or event)
    return True


def _tell_work(sheet: Sheet, run: RunRow, event: WorkEvent, reason: str) -> None:
    item = work.load(sheet.connection, run.work_id)
    if event is WorkEvent.RUN_FAILED and item.tries > 0 and not sheet.job(run.job_id).cancelled:
        item.tries -= 1
        row = sheet.job(run.job_id)
        row.tries = max(row.tries - 1, 0)
        event = WorkEvent.TRY_FAILED
        sheet.note(
            run.job_id,
            "rescheduled",
            f"{reason}; {item.tries} {'try' if item.tries == 1 else 'tries'} left",
            run.client_id,
        )
    seconds = None
    if run.started_at is not None and run.ended_at is not None:
        seconds = max(run.ended_at - run.started_at, 0.0)
    sheet.move_work(item, event, reason, client_id=run.client_id, seconds=seconds)
    if event is WorkEvent.RUN_RETURNED and sheet.job(run.job_id).cancelled:
        sheet.move_work(item, WorkEvent.CANCEL, reason)


def come_back(sheet: Sheet, run: RunRow, client_label: str) -> None:
    """The client of a lost run is heard again before anybody took the work.

    A run that is not known to have started is offered once more: its order may never have arrived, and a client
    starts a run at most once however often it is ordered.
    """
    event = RunEvent.CLIENT_BACK if run.started_at is not None else RunEvent.OFFERED_AGAIN
    happen(sheet, run, event, reason=f"{client_label} is back")


def lose(sheet: Sheet, run: RunRow, client_label: str, *, reschedule: bool, most_losses: int) -> None:
    """The run's client is silent past its time (CONTRACT 9.10).

    The run stays the owner until another client takes the work; after `most_losses` losses, or without `reschedule`,
    the work is abandoned.
    """
    was = run.status
    happen(sheet, run, RunEvent.CLIENT_LOST)
    if run.status is not RunStatus.LOST or was is RunStatus.LOST:
        return  # it is being killed, or this loss was counted before the server was started anew
    item = work.load(sheet.connection, run.work_id)
    item.losses += 1
    if reschedule and item.losses < most_losses:
        sheet.offer_again(item, claimable=True)
        sheet.note(run.job_id, "client lost", f"{client_label} is silent; another client may take over", run.client_id)
        return
    run.unconfirmed = 1
    happen(sheet, run, RunEvent.TAKEN_OVER, RunEnd(reason=f"{client_label} is silent"))
    why = f"{item.losses} clients were lost with it" if reschedule else f"{client_label} is silent"
    sheet.move_work(item, WorkEvent.ABANDON, why)
