"""Rates: resources that limit how often work starts, whatever becomes of the server meanwhile (CONTRACT 10, Limits).

Starts are rows, written in the transaction that gives the work out and taken back by one that refuses it. Their times
are those of `Clock.certain`, so that a clock that is set ahead lets nothing go early.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from hqserver.domain.rate import RATE_SECONDS
from hqserver.domain.resources import Amounts, Counting
from hqserver.services.farm import Farm
from hqserver.services.work.sheet import Sheet
from hqserver.store import starts
from hqserver.store.database import Transaction
from hqserver.store.resources import ResourceRow


def recent_starts(
    farm: Farm, connection: sqlite3.Connection, totals: Mapping[str, ResourceRow]
) -> list[tuple[str, float, int]]:
    """(resource, age in seconds, amount) of what was started in the last minute of those of these that are rates."""
    if not any(row.counting is Counting.RATE for row in totals.values()):
        return []
    now = farm.clock.certain()
    return [(name, max(now - at, 0.0), amount) for name, at, amount in starts.since(connection, now - RATE_SECONDS)]


def note_starts(sheet: Sheet, run_id: str, started: Amounts) -> None:
    """The run was given out and takes these amounts of rates."""
    starts.insert(sheet.connection, run_id, started, sheet.farm.clock.certain())


def let_go(farm: Farm) -> None:
    """Forget starts that a minute has passed over, and look for what waited for that."""
    now = farm.clock.certain()
    with farm.database.read() as connection:
        oldest, newest = starts.span(connection)
    if oldest is None or newest is None or now - RATE_SECONDS < oldest <= newest <= now:
        return

    def write(transaction: Transaction) -> int:
        # Where the clock was set back nobody knows how old starts are: they count for another minute at most.
        starts.bring_back(transaction.connection, now)
        return starts.forget_until(transaction.connection, now - RATE_SECONDS)

    if farm.database.write(write):
        farm.ask_for_pass()
