"""Clients that fall silent, and what becomes of the runs they hold (CONTRACT 9.10).

Each function is one event, on the sheet of a transaction that somebody else opened.
"""

from __future__ import annotations

from hqserver.domain.lifecycle import RunEvent, WorkEvent
from hqserver.domain.run import RunEnd
from hqserver.domain.status import RunStatus, WorkStatus
from hqserver.store import lineage, runs, work
from hqserver.store.runs import RunRow

from .progression import end_run, finish_hooks, happen, pause_run, resume_run
from .sheet import Sheet


def come_back(sheet: Sheet, run: RunRow, client_label: str) -> None:
    """The client of a lost run is heard again before anybody took the work.

    A run that is not known to have started is offered once more: its order may never have arrived, and a client
    starts a run at most once however often it is ordered.
    """
    reason = f"{client_label} is back"
    item = work.load(sheet.connection, run.work_id)
    if item.status is WorkStatus.ABANDONED:
        if _parents_have_moved(sheet, run.job_id):
            supersede(sheet, run, f"{reason}, after others went on without it")
            return
        sheet.move_work(item, WorkEvent.OWNER_BACK, reason, client_id=run.client_id)
    if run.started_at is not None:
        sheet.farm.health.heard(run.client_id)  # with its work in hand: what failed was the way to it
    happen(sheet, run, RunEvent.CLIENT_BACK if run.started_at is not None else RunEvent.OFFERED_AGAIN, reason=reason)
    held = sheet.job(run.job_id).held == "pause"
    if held:
        pause_run(sheet, run, reason)
    elif run.intent == "pause" and run.status is RunStatus.RUNNING:
        # It was paused when its client fell silent, and resumed meanwhile: say so to the client.
        happen(sheet, run, RunEvent.PAUSE, reason=reason)
        resume_run(sheet, run, reason)


def _parents_have_moved(sheet: Sheet, job_id: int) -> bool:
    """Whether a job's end had consequences: a parent that ended, or that waits for nothing more."""
    parents = [sheet.job(parent_id) for parent_id in lineage.parents_of(sheet.connection, job_id)]
    return any(parent.finished or not parent.children_unfinished for parent in parents)


def supersede(sheet: Sheet, run: RunRow, reason: str) -> None:
    """A lost run does not count any more; its client is told to end it, first of all."""
    run.unconfirmed = 1
    happen(sheet, run, RunEvent.TAKEN_OVER, RunEnd(reason=reason))


def lose(sheet: Sheet, run: RunRow, client_label: str, *, reschedule: bool, most_losses: int) -> None:
    """The run's client is silent past its time (CONTRACT 9.10).

    The run stays the owner until another client takes the work; after `most_losses` losses, or without `reschedule`,
    the work is abandoned. A further client of a job that holds several takes the others down with it (9.15).
    With a strict lease nothing follows before that has ended: then `perish` is what follows.
    """
    if run.slot > 0:
        lose_companion(sheet, run, client_label)
        return
    was = run.status
    happen(sheet, run, RunEvent.CLIENT_LOST)
    if run.status is not RunStatus.LOST or was is RunStatus.LOST:
        return  # it is being killed, or this loss was counted before the server was started anew
    item = work.load(sheet.connection, run.work_id)
    if run.kind:
        run.unconfirmed = 1
        happen(sheet, run, RunEvent.TAKEN_OVER, RunEnd(reason=f"{client_label} is silent"))
        finish_hooks(sheet, item, WorkEvent(item.pending), f"{run.kind} was lost: {client_label} is silent")
        return
    item.losses += 1
    if run.lease:
        work.save(sheet.connection, item)
        why = f"{client_label} is silent; its lease of {run.lease} s must end before another client may take over"
        sheet.note(run.job_id, "client lost", why, run.client_id)
        return
    if runs.companions(sheet.connection, run.work_id) and reschedule and item.losses < most_losses:
        # Losing any host ends the run on all (9.15): the others are free for whoever comes.
        run.unconfirmed = 1
        happen(sheet, run, RunEvent.TAKEN_OVER, RunEnd(reason=f"{client_label} is silent"))
        why = f"{client_label}, one of its clients, is silent: its run ends on all of them"
        sheet.note(run.job_id, "client lost", why, run.client_id)
        sheet.move_work(item, WorkEvent.RUN_RETURNED, f"{client_label} is silent")
        return
    if reschedule and item.losses < most_losses:
        sheet.offer_again(item, claimable=True)
        sheet.note(run.job_id, "client lost", f"{client_label} is silent; another client may take over", run.client_id)
        return
    # The lost run stays its owner: if its client comes back before anything followed from it, it goes on (9.10).
    _abandon(sheet, run, item, client_label, reschedule=reschedule)


def perish(sheet: Sheet, run: RunRow, client_label: str, why: str, *, reschedule: bool, most_losses: int) -> None:
    """The run is dead and its client was lost with it, which is proven: its work may be given out again, to that client
    last of all.

    After `most_losses` losses, or without `reschedule`, the work is abandoned. A run that was to be ended anyway is no
    loss.
    """
    if run.status is RunStatus.ENDING or run.kind:
        happen(sheet, run, RunEvent.DIED, reason=why)
        return
    item = work.load(sheet.connection, run.work_id)
    if item.status is WorkStatus.ABANDONED:
        happen(sheet, run, RunEvent.TAKEN_OVER, RunEnd(reason=why))
        return
    item.avoid_client_id = run.client_id
    item.losses += run.status is not RunStatus.LOST  # of a lost run this loss was counted before
    work.save(sheet.connection, item)
    if reschedule and item.losses < most_losses:
        happen(sheet, run, RunEvent.DIED, reason=why)
        return
    if run.status is not RunStatus.LOST:
        happen(sheet, run, RunEvent.CLIENT_LOST)
    happen(sheet, run, RunEvent.TAKEN_OVER, RunEnd(reason=why))
    _abandon(sheet, run, work.load(sheet.connection, run.work_id), client_label, reschedule=reschedule)


def _abandon(sheet: Sheet, run: RunRow, item: work.WorkRow, client_label: str, *, reschedule: bool) -> None:
    if hooks := sheet.job(run.job_id).hooks:
        sheet.note(run.job_id, "hooks skipped", f"{hooks.replace(',', ', ')}: {client_label} is silent", run.client_id)
    why = f"{client_label} is silent"
    if reschedule:
        lost = runs.clients_lost_with(sheet.connection, item.id)[-item.losses :]
        why = f"its client was lost {item.losses} times: {', '.join(map(sheet.farm.watch.label, lost))}"
    sheet.move_work(item, WorkEvent.ABANDON, why)


def lose_companion(sheet: Sheet, run: RunRow, client_label: str) -> None:
    """A further client of a job that holds several is gone: the run ends on all of them (CONTRACT 9.15)."""
    first = runs.live_of_work(sheet.connection, run.work_id)
    if first is not None and first.status is not RunStatus.ENDING:
        end_run(sheet, first, "eject", f"{client_label}, one of its clients, is lost")
