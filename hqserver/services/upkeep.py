"""What the ticks do: flush vitals and progress, notice silent clients, bound kills, forget old submissions."""

from __future__ import annotations

import logging

from hqserver.domain.job import PROGRESS_UNIT
from hqserver.domain.lifecycle import RunEvent
from hqserver.domain.status import RunStatus
from hqserver.store import clients, runs, work
from hqserver.store.database import Transaction
from hqserver.store.submissions import forget_before

from .farm import Farm
from .progression import happen, lose
from .sheet import Sheet

_LOG = logging.getLogger(__name__)
_SUBMISSIONS_KEPT_SECONDS = 7 * 86400.0


def flush(farm: Farm) -> None:
    """Write what heartbeats told since the last time: vitals of clients and progress of runs, in one transaction."""
    rows = farm.watch.take_unsaved()
    progress = farm.watch.take_progress()
    if not rows and not progress:
        return

    def write(transaction: Transaction) -> None:
        clients.save_vitals(transaction.connection, rows)
        with Sheet(transaction, farm.clock.now()) as sheet:
            for run_id, fraction in progress.items():
                run = runs.load(sheet.connection, run_id)
                if run is not None and run.status in (RunStatus.RUNNING, RunStatus.OFFERED, RunStatus.ENDING):
                    item = work.load(sheet.connection, run.work_id)
                    sheet.set_progress(item, int(min(max(fraction, 0.0), 1.0) * PROGRESS_UNIT))

    farm.database.write(write)


def notice_silence(farm: Farm) -> None:
    """Clients silent past their time are lost, and so are their runs (CONTRACT 9.10)."""
    monotonic = farm.clock.monotonic()
    for presence in farm.watch.every():
        if presence.lost or presence.silence(monotonic) <= farm.policy.lost_seconds:
            continue
        label = presence.row.label
        client_id = presence.row.id

        def write(transaction: Transaction, client_id: int = client_id, label: str = label) -> int:
            now_known = farm.watch.get(client_id)
            if now_known is None or now_known.silence(farm.clock.monotonic()) <= farm.policy.lost_seconds:
                return 0  # it was heard while this waited for its turn
            with Sheet(transaction, farm.clock.now()) as sheet:
                live = runs.live_of_client(sheet.connection, client_id)
                for run in live:
                    lose(
                        sheet,
                        run,
                        label,
                        reschedule=farm.policy.reschedule_abandoned,
                        most_losses=farm.policy.max_client_losses,
                    )
                return len(live)

        held = farm.database.write(write)
        presence.lost = True
        if held:
            _LOG.warning("%s is silent; its %d runs may be given to other clients", label, held)
            farm.ask_for_pass()


def bound_kills(farm: Farm) -> None:
    """A kill that is not confirmed in time is given up: the job is cancelled and names the client (CONTRACT 9.11)."""
    with farm.database.read() as connection:
        ending = [run.id for run in runs.ending(connection)]
    overdue = farm.watch.overdue_kills(ending, farm.clock.monotonic(), farm.policy.kill_timeout_seconds)

    def write(transaction: Transaction) -> None:
        with Sheet(transaction, farm.clock.now()) as sheet:
            for run_id in overdue:
                run = runs.load(sheet.connection, run_id)
                if run is not None and run.status is RunStatus.ENDING:
                    run.unconfirmed = 1
                    label = farm.watch.label(run.client_id)
                    happen(sheet, run, RunEvent.GIVEN_UP, reason=f"cancelled; {label} has not confirmed it")

    if overdue:
        farm.database.write(write)


def forget_submissions(farm: Farm) -> None:
    """Submission keys older than seven days may be used again (CONTRACT 10, Keeping)."""
    oldest = farm.clock.now() - _SUBMISSIONS_KEPT_SECONDS
    farm.database.write(lambda transaction: forget_before(transaction.connection, oldest))
