"""What a client holds, compared with what it owns here: whatever it does not hold any more is dead, or lost to it."""

from __future__ import annotations

from collections.abc import Set

from hqserver.domain.lifecycle import RunEvent
from hqserver.domain.status import RunStatus
from hqserver.services.farm import Farm
from hqserver.services.work.health import client_lost
from hqserver.services.work.losses import come_back, lose, lose_companion, perish
from hqserver.services.work.progression import happen
from hqserver.services.work.sheet import Sheet
from hqserver.store import runs
from hqserver.store.clients import ClientRow
from hqserver.store.database import Transaction


def reconcile(
    farm: Farm, sheet: Sheet, was: ClientRow, now: ClientRow, held: Set[str], died: Set[str], *, fresh: bool
) -> list[str]:
    """Compare the runs that the client holds with those that it owns here; those that it must end.

    `died`: those that were alive when its machine went down.

    A run that was started and is not held any more is dead: the client's folder is intact and does not know it, or
    the machine booted anew. With a `fresh` secret and the same boot nothing is proven, and the run is lost.
    """
    booted_anew = now.boot_id != was.boot_id
    proven = not fresh or booted_anew
    policy = farm.policy
    owned = set[str]()
    went_down = False
    for run in runs.live_of_client(sheet.connection, now.id):
        owned.add(run.id)
        if run.slot > 0:
            # Nothing of ours runs for it there; only a machine that booted anew has lost what does.
            if booted_anew:
                lose_companion(sheet, run, now.label)
            continue
        if run.id in held:
            if run.status is RunStatus.LOST:
                come_back(sheet, run, now.label)
        elif run.status is RunStatus.OFFERED and not fresh and run.id not in died:
            continue  # never arrived: it is ordered again under the same id
        elif run.id in died or (proven and booted_anew and run.started_at is not None):
            # It may be what brought the machine down: that counts as a loss, however soon it is up again.
            why = f"{now.label} was started anew"
            perish(sheet, run, now.label, why, reschedule=True, most_losses=policy.max_client_losses)
            went_down = True
        elif proven:
            happen(sheet, run, RunEvent.DIED, reason=f"{now.label} does not hold it any more")
        else:
            reschedule, most_losses = policy.reschedule_abandoned, policy.max_client_losses
            lose(sheet, run, now.label, reschedule=reschedule, most_losses=most_losses)
            if run.status is RunStatus.LOST:
                # Only the secret that is gone could report it: it counts as a loss and never comes back.
                why = f"{now.label} was installed anew"
                perish(sheet, run, now.label, why, reschedule=reschedule, most_losses=most_losses)
    former = farm.watch.get(now.id)
    if went_down and former is not None:
        client_lost(sheet, former)
    for run in runs.unconfirmed_of_client(sheet.connection, now.id):
        owned.add(run.id)  # held, it is ordered to be killed, so that the daemon reports when that is done
        if proven and run.id not in held:
            runs.confirm(sheet.connection, run.id)
            sheet.note(run.job_id, "kill confirmed", f"nothing is left on {now.label}", now.id)
    return sorted(held - owned)


def forget(farm: Farm, client_id: int) -> None:
    """A client leaves the farm: whatever it still holds is lost to it, as if it had fallen silent (CONTRACT 9.10)."""
    label = farm.watch.label(client_id)

    def write(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            for run in runs.live_of_client(sheet.connection, client_id):
                lose(
                    sheet,
                    run,
                    label,
                    reschedule=farm.policy.reschedule_abandoned,
                    most_losses=farm.policy.max_client_losses,
                )

    farm.database.write(write)
    farm.ask_for_pass()
