"""What the ticks do: flush vitals and progress, notice silent clients, bound waits, forget what is old."""

from __future__ import annotations

import logging

from hqserver.domain.crash import crash_point
from hqserver.domain.job import PROGRESS_UNIT
from hqserver.domain.lifecycle import RunEvent, WorkEvent
from hqserver.domain.status import FINISHED_WORK, RunStatus, WorkStatus
from hqserver.services.clients.stuck import drain_stuck
from hqserver.services.control import deletion
from hqserver.services.events.errors import note_client_error
from hqserver.services.events.events import tell_of_client
from hqserver.services.farm import Farm
from hqserver.services.work.health import client_lost
from hqserver.services.work.losses import lose
from hqserver.services.work.progression import finish_hooks, happen
from hqserver.services.work.sheet import Sheet
from hqserver.store import clients, lookup, runs, work
from hqserver.store.database import Transaction
from hqserver.store.submissions import forget_before

_LOG = logging.getLogger(__name__)
_EXPIRED_BATCH, _EXPIRED_BATCHES = 100, 100
_SUBMISSIONS_KEPT_SECONDS = 7 * 86400.0


def flush(farm: Farm) -> None:
    """Write what heartbeats told since the last time: vitals of clients and progress of runs, in one transaction."""
    rows = farm.watch.take_unsaved()
    progress = farm.watch.take_progress()
    if not rows and not progress:
        return

    def write(transaction: Transaction) -> None:
        clients.save_vitals(transaction.connection, rows)
        with Sheet(farm, transaction) as sheet:
            for run_id, fraction in progress.items():
                run = runs.load(sheet.connection, run_id)
                if run is not None and run.ended_at is None and not run.kind:
                    item = work.load(sheet.connection, run.work_id)
                    if item.status in FINISHED_WORK:
                        continue  # abandoned since, with this run
                    sheet.set_progress(item, int(min(max(fraction, 0.0), 1.0) * PROGRESS_UNIT))

    farm.database.write(write)


def notice_silence(farm: Farm) -> None:
    """Clients silent past their time are lost, and so are their runs (CONTRACT 9.10)."""
    monotonic = farm.clock.monotonic()
    for presence in farm.watch.every():
        if presence.row.outside or presence.lost or presence.silence(monotonic) <= farm.policy.lost_seconds:
            continue  # of a runner from outside each claim has a lease of its own
        label = presence.row.label
        client_id = presence.row.id

        def write(transaction: Transaction, client_id: int = client_id, label: str = label) -> int:
            now_known = farm.watch.get(client_id)
            if now_known is None or now_known.silence(farm.clock.monotonic()) <= farm.policy.lost_seconds:
                return 0  # it was heard while this waited for its turn
            with Sheet(farm, transaction) as sheet:
                live = runs.live_of_client(sheet.connection, client_id)
                for run in live:
                    lose(
                        sheet,
                        run,
                        label,
                        reschedule=farm.policy.reschedule_abandoned,
                        most_losses=farm.policy.max_client_losses,
                    )
                if live:
                    client_lost(sheet, now_known)
                if live or now_known.heard:  # not those again that were lost before the server was started
                    note_client_error(sheet.connection, client_id, _lost(farm, len(live)), sheet.now)
                    tell_of_client(farm, transaction, label, "", "lost", _lost(farm, len(live)).partition(": ")[2])
                return len(live)

        held = farm.database.write(write)
        presence.lost = True
        if held:
            _LOG.warning("%s is silent; its %d runs may be given to other clients", label, held)
            farm.ask_for_pass()


def _lost(farm: Farm, held: int) -> str:
    work = f", with {held} {'run' if held == 1 else 'runs'} in hand" if held else ""
    return f"lost: silent for more than {farm.policy.lost_seconds:.0f} s{work}"


def bound_waits(farm: Farm) -> None:
    """Nothing waits without a bound: kills, pauses and resumes that no client confirms, hooks that no client runs.

    The kill of a run with a strict lease is no exception: its lease bounds it where the client is silent. Where the
    client is heard and cannot end it, the run is alive for all anybody knows; then the client is drained, its page says
    why, and the end of the process, a boot of the machine or the end of the daemon is what the work waits for.
    """
    with farm.database.read() as connection:
        moving = runs.in_transition(connection)
        hooks = {f"hooks {work_id}": work_id for work_id in work.waiting_for_hooks(connection)}
        # Named with its last run, for it may be given out and put back again between two looks.
        delayed = {f"delayed {work_id} {run}": work_id for work_id, run in work.delayed(connection)}
    asked = {f"{run.status} {run.id}": run.id for run in moving}
    ages = farm.watch.waiting_seconds([*asked, *hooks, *delayed], farm.clock.monotonic())
    overdue = [run_id for name, run_id in asked.items() if ages[name] > farm.policy.kill_timeout_seconds]
    rested = [work_id for name, work_id in delayed.items() if ages[name] > farm.policy.licence_pause_seconds]
    # Runners from outside are asked nothing: of their claims each has a bound, and the next one is another matter.
    ending = [
        (run, ages[f"{run.status} {run.id}"])
        for run in moving
        if run.status is RunStatus.ENDING and not farm.watch.is_outside(run.client_id)
    ]
    unrun = [work_id for name, work_id in hooks.items() if ages[name] > farm.policy.hook_timeout_seconds]

    def write(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            for run_id in overdue:
                _give_up(farm, sheet, run_id)
            for work_id in rested:
                item = work.find(sheet.connection, work_id)
                if item is not None and item.delayed:
                    sheet.end_delay(item)
            for work_id in unrun:
                item = work.find(sheet.connection, work_id)
                if item is not None and item.status is WorkStatus.RUNNABLE and item.pending:
                    finish_hooks(sheet, item, WorkEvent(item.pending), "no client could run its hooks in time")

    if overdue or unrun or rested:
        farm.database.write(write)
    if rested:
        farm.ask_for_pass()
    drain_stuck(farm, ending)


def _give_up(farm: Farm, sheet: Sheet, run_id: str) -> None:
    """What was asked of the run's client is not confirmed in time (CONTRACT 9.11)."""
    run = runs.load(sheet.connection, run_id)
    if run is None or run.status not in (RunStatus.ENDING, RunStatus.PAUSING, RunStatus.RESUMING):
        return
    label, outside = farm.watch.label(run.client_id), farm.watch.is_outside(run.client_id)
    if run.status is RunStatus.ENDING:
        if run.lease and (not outside or sheet.job(run.job_id).lease):
            return  # it must be dead before its work can be given out again: its lease bounds this wait
        run.unconfirmed = int(not outside)  # nobody may ever hear of such a runner again
        done = "taken off it" if run.intent == "eject" else "cancelled"
        happen(sheet, run, RunEvent.GIVEN_UP, reason=f"{done}; {label} has not confirmed it")
        error = f"job {run.job_id} was {done} and may still run"
        if not outside:
            error += ": no new work until this client says that it does not"
        note_client_error(sheet.connection, run.client_id, error, sheet.now)
        return
    if outside:
        _go_on(sheet, run, label)
        return
    what = "pause" if run.status is RunStatus.PAUSING else "resume"
    sheet.note(run.job_id, f"{what} not confirmed", f"{label} has not confirmed it in time", run.client_id)
    # The job stays as its commands are: paused where they did not go on, not held where they did not stop.
    sheet.job(run.job_id).held = "" if what == "pause" else "pause"
    happen(sheet, run, RunEvent.GIVEN_UP, reason=f"{label} has not confirmed the {what}")


def _go_on(sheet: Sheet, run: runs.RunRow, label: str) -> None:
    """A runner from outside pauses nothing: what it has claimed goes on, while the rest of its job stays held."""
    sheet.note(run.job_id, "pause not confirmed", f"{label} is a runner that pauses nothing", run.client_id)
    paused = run.status is RunStatus.PAUSING
    happen(sheet, run, RunEvent.GIVEN_UP if paused else RunEvent.RESUMED, reason=f"{label} goes on with it")


def expire_jobs(farm: Farm) -> None:
    """Remove finished jobs older than `hqserver.expireJobsDays`, with all below them and their output (CONTRACT 7.3).

    In small batches, so that nobody waits long behind it. 0 days: never.
    """
    if farm.policy.expire_jobs_days <= 0:
        return
    before = farm.clock.certain() - farm.policy.expire_jobs_days * 86400.0
    last = (0.0, 0)
    for _ in range(_EXPIRED_BATCHES):
        with farm.database.read() as connection:
            batch = lookup.roots_ended_before(connection, before, last, _EXPIRED_BATCH)
        if not batch:
            return
        deletion.delete(farm, [job_id for _, job_id in batch])
        crash_point("expiry_batch_done")
        last = batch[-1]


def forget_submissions(farm: Farm) -> None:
    """Submission keys older than seven days may be used again (CONTRACT 10, Keeping)."""
    oldest = farm.clock.certain() - _SUBMISSIONS_KEPT_SECONDS
    farm.database.write(lambda transaction: forget_before(transaction.connection, oldest))
