"""What people ask of jobs: cancel (CONTRACT 3.5, 9.8, 9.11)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from hqserver.domain.lifecycle import RunEvent, WorkEvent
from hqserver.domain.status import RunStatus, WorkStatus
from hqserver.store import jobs, runs
from hqserver.store.database import Transaction

from .farm import Farm
from .progression import happen
from .sheet import Sheet

_JOBS_A_TRANSACTION = 500


def cancel(farm: Farm, job_ids: Sequence[int], reason: str) -> None:
    """Cancel unfinished jobs and all below them that nobody else needs.

    Jobs that run keep their status until their client confirms that nothing of them is left. Unknown ids and finished
    jobs are ignored (CONTRACT 9.3). Large families are worked through in several short transactions.
    """
    family = farm.database.write(lambda transaction: _family(Sheet(transaction, farm.clock.now()), job_ids))
    for part in _parts(family):
        farm.database.write(lambda transaction, part=part: _cancel(farm, transaction, part, reason))  # type: ignore[misc]


def _parts(family: Sequence[int]) -> Iterable[Sequence[int]]:
    return [family[start : start + _JOBS_A_TRANSACTION] for start in range(0, len(family), _JOBS_A_TRANSACTION)]


def _family(sheet: Sheet, job_ids: Sequence[int]) -> list[int]:
    """The unfinished jobs to cancel: those asked for, and every job below that no unfinished other parent needs."""
    chosen: dict[int, None] = {}
    waiting = deque(job_ids)
    while waiting:
        job_id = waiting.popleft()
        row = sheet.find(job_id)
        if row is None or job_id in chosen:
            continue
        if not row.finished:
            chosen[job_id] = None
        elif job_id not in job_ids:
            continue
        for child_id in jobs.children_of(sheet.connection, job_id) if row.children_unfinished else ():
            if all(_no_longer_needs(sheet, parent, chosen) for parent in jobs.parents_of(sheet.connection, child_id)):
                waiting.append(child_id)
    return list(chosen)


def _no_longer_needs(sheet: Sheet, parent_id: int, chosen: Iterable[int]) -> bool:
    parent = sheet.job(parent_id)
    return parent_id in chosen or parent.finished or bool(parent.cancelled)


def _cancel(farm: Farm, transaction: Transaction, job_ids: Sequence[int], reason: str) -> None:
    with Sheet(transaction, farm.clock.now()) as sheet:
        for job_id in job_ids:
            row = sheet.find(job_id)
            if row is None or row.finished or row.cancelled:
                continue
            row.cancelled = 1
            for waiting in (WorkStatus.QUEUED, WorkStatus.RUNNABLE):
                sheet.move_waiting_work(row, waiting, WorkEvent.CANCEL, reason)
            for run in runs.live_of_job(sheet.connection, job_id):
                if run.status is not RunStatus.ENDING:
                    end_run(farm, sheet, run)
            sheet.unsettle(job_id, reason)


def end_run(farm: Farm, sheet: Sheet, run: runs.RunRow) -> None:
    """Have a live run killed: durable first, then its client is told."""
    happen(sheet, run, RunEvent.END)
    runs.start_ending(sheet.connection, run, sheet.now)
    label = farm.watch.label(run.client_id)
    sheet.note(run.job_id, "cancel", f"ending on {label}", run.client_id)
    client_id = run.client_id

    def tell() -> None:
        presence = farm.watch.get(client_id)
        if presence is not None:
            presence.orders_waiting = True
            farm.wake(client_id)

    sheet.transaction.after_commit(tell)
