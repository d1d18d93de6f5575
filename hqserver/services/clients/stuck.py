"""Clients that do not manage to end something (PROMISES 3, a process in D state; 5, step 5).

Such a client gets no new work, and its page says why, until what it was to end has ended: what not even a kill ends
waits for something that others on that machine would wait for too, such as a file server that does not answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from hqserver.services.events.errors import note_client_error
from hqserver.services.farm import Farm
from hqserver.store.database import Transaction
from hqserver.store.runs import RunRow

_LOG = logging.getLogger(__name__)
_STUCK_SECONDS = 60.0


def drain_stuck(farm: Farm, ending: Iterable[tuple[RunRow, float]]) -> None:
    """Give no new work to clients that are heard and have not ended a run for so long. `ending`: each run that is to be
    killed, and the seconds since it was seen so here."""
    patience = max(_STUCK_SECONDS, 2 * farm.policy.kill_grace_seconds)
    monotonic = farm.clock.monotonic()
    stuck: dict[int, str] = {}
    for run, seconds in ending:
        presence = farm.watch.get(run.client_id)
        # One that is silent may not know of it, and gets no new work anyway.
        if seconds > patience and presence and presence.silence(monotonic) <= farm.policy.suspect_seconds:
            stuck.setdefault(run.client_id, f"job {run.job_id}")
    added, freed = farm.watch.set_stuck(stuck)
    if freed:
        farm.ask_for_pass()
    if not added:
        return

    def write(transaction: Transaction) -> None:
        for client_id in added:
            error = f"{stuck[client_id]} was to end {patience:.0f} s ago and has not: no new work until it has"
            note_client_error(transaction.connection, client_id, error, farm.clock.now())

    farm.database.write(write)
    for client_id in added:
        label = farm.watch.label(client_id)
        _LOG.warning("%s has not ended %s in %.0f s: it gets no new work", label, stuck[client_id], patience)
