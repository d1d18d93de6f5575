"""Ids of jobs that clients know and this server does not: it was put back to an older time (PROMISES 2.5, I10)."""

from __future__ import annotations

import logging

from hqserver.services.farm import Farm
from hqserver.store import idfloor
from hqserver.store.idfloor import JUMP, MOST_BELIEVED

_LOG = logging.getLogger(__name__)


def heed_known_ids(farm: Farm, highest_job: int, label: str) -> None:
    """The client called `label` knows a job with this id: no id up to it is given out from here on.

    Where the database has not given it out, both it and `id.floor` are older than the client's work: somebody put an
    image of the server's disk back. A claim that no farm can have come to is left out. What is known costs a look
    at memory.
    """
    if not farm.watch.last_job < highest_job <= MOST_BELIEVED:
        return
    with farm.database.read() as connection:
        last = idfloor.last_job(connection)
    if highest_job <= last:
        farm.watch.last_job = last
        return
    if farm.database.write(lambda transaction: idfloor.leave_out(transaction.connection, highest_job)):
        farm.watch.last_job = highest_job
        _LOG.error(
            "%s knows job %d, and the last one here is %d: an older state of the database was put back; new ids leave "
            "out %d, so that none is given twice",
            label,
            highest_job,
            last,
            JUMP,
        )
