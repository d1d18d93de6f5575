"""What part of the queue a runner from outside asks for."""

from __future__ import annotations

import sqlite3

from hqserver.domain.job_filter import JobFilter

from .clause import Clause, all_of
from .search_conditions import clients_called, conditions, prepare

FOR_RUNNERS = Clause("job.hooks = ''")
"""That a job of the queue may be claimed from outside: whoever has run a command runs its hooks, which daemons do."""


def for_runners(connection: sqlite3.Connection, wanted: JobFilter) -> Clause | None:
    """That such a job matches; None where none can. It uses functions that the connection has from now on."""
    client_ids = [] if wanted.client is None else clients_called(connection, wanted.client)
    if wanted.matches_nothing or (wanted.client is not None and not client_ids):
        return None
    prepare(connection, wanted)
    return all_of([FOR_RUNNERS, *conditions(wanted, client_ids).values()])
