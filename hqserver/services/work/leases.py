"""Strict leases: work that must never run twice at a time, not even when its client cannot be reached (PROMISES 2.2).

The client ends such a run when the server has not answered it for as long as the lease. The server counts from its
latest answer, which is later than what the client counts from, and waits longer: no two are ever alive.
"""

from __future__ import annotations

from hqserver.domain.failure import lease_margin_seconds
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence
from hqserver.store import runs
from hqserver.store.database import Transaction

from .health import client_lost
from .losses import perish
from .sheet import Sheet


def end_leases(farm: Farm) -> None:
    """Runs whose client was not answered for so long are dead by now, and the work may be given out again (9.10)."""
    with farm.database.read() as connection:
        leased = runs.leased(connection)
    farm.watch.forget_claims(run.id for run in leased)
    over = [run.id for run in leased if _seconds_left(farm, run) < 0]

    def write(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            for run_id in over:
                run = runs.load(sheet.connection, run_id)
                if run is not None and run.ended_at is None and _seconds_left(farm, run) < 0:
                    _end(farm, sheet, run)

    if over:
        farm.database.write(write)
        farm.ask_for_pass()


def _end(farm: Farm, sheet: Sheet, run: runs.RunRow) -> None:
    label = farm.watch.label(run.client_id)
    presence, outside = farm.watch.get(run.client_id), farm.watch.is_outside(run.client_id)
    why = f"{label} did not renew its claim within" if outside else f"{label} was silent for longer than its lease of"
    perish(
        sheet,
        run,
        label,
        f"{why} {run.lease} s",
        reschedule=farm.policy.reschedule_abandoned,
        most_losses=farm.policy.max_client_losses,
    )
    if presence is not None:
        client_lost(sheet, presence)


def longest_left(farm: Farm, presence: Presence) -> float:
    """Seconds until every leased run of the client is dead for certain; 0.0 where it has none."""
    with farm.database.read() as connection:
        leased = [run for run in runs.leased(connection) if run.client_id == presence.row.id]
    return max((_seconds_left(farm, run) for run in leased), default=0.0)


def _seconds_left(farm: Farm, run: runs.RunRow) -> float:
    """Seconds until the run is dead for certain, below 0 once it is."""
    presence = farm.watch.get(run.client_id)
    if presence is None:
        return -1.0
    if presence.row.outside:
        # It promised nothing but to renew its claim, so there is no more to wait for.
        return farm.watch.renewed_at(run.id, farm.clock.monotonic()) + run.lease - farm.clock.monotonic()
    since = max(presence.answered_at, presence.heard_at)
    kept_seconds = run.lease + farm.policy.kill_grace_seconds + lease_margin_seconds(run.lease)
    return since + kept_seconds - farm.clock.monotonic()
