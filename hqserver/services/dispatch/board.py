"""The clients as a pass over the queue sees them: one picture of who runs what, for dispatch and for "why?"."""

from __future__ import annotations

import json
import sqlite3

from hqserver.domain.placement import Board, Holding, Seat
from hqserver.domain.resources import Stock, Supply
from hqserver.services.farm import Farm
from hqserver.store import failures, resources, runs

from .rates import recent_starts
from .standing import moment_of, standing, why_not_taking


def open_board(
    farm: Farm,
    connection: sqlite3.Connection,
    only: int | None = None,
    *,
    explained: bool = False,
    asking: bool = False,
) -> Board:
    """Every client of the farm with what it runs, or only one client; what is left of the counted resources.

    `asking`: that one client is a runner that asks for work itself just now.
    `explained`: with all that is asked of each client before it takes any work, for who asks why.
    """
    occupied = runs.occupancy(connection, only)
    held = farm.holds.held_for()
    at = moment_of(farm, connection, occupied, only if asking else None)
    seats: dict[int, Seat] = {}
    known = farm.watch.every() if only is None else [farm.watch.get(only)]
    for presence in known:
        if presence is None or presence.row.removed:
            continue
        client_id = presence.row.id
        cpus_used, live_runs = occupied.get(client_id, (0, 0))
        why_not = why_not_taking(presence, at)
        probed = bool(presence.row.sick)
        seats[client_id] = Seat(
            client_id=client_id,
            facts=farm.watch.facts(presence),
            cpus_used=cpus_used,
            live_runs=live_runs,
            # CPUs counted beyond what it has are those of runs it queues already.
            spare=0 if probed else max(presence.spare - max(cpus_used - presence.row.cpus, 0), 0),
            load=presence.row.load,
            taking=not why_not,
            why_not=why_not,
            held_for=held.get(client_id),
            probed=probed,
            standing=standing(presence, at) if explained else (),
        )
    used: list[tuple[str, str, int]] = []
    for client_id, sharing, taken in runs.special(connection):
        if client_id in seats and sharing:
            seats[client_id].sharing.update(sharing.split(","))
        hostname = _hostname(farm, client_id)
        used += [(hostname, name, amount) for name, amount in json.loads(taken or "{}").items()]
    totals = resources.totals(connection)
    supplies = {name: Supply(row.total, row.counting) for name, row in totals.items()}
    return Board(seats.values(), Stock(supplies, used, recent_starts(farm, connection, totals)))


def holdings(farm: Farm, connection: sqlite3.Connection, work_id: int) -> list[Holding]:
    """What the runs of a work item take up, on their first client and the further ones."""
    owner = runs.live_of_work(connection, work_id)
    return [
        Holding(
            run.client_id,
            _hostname(farm, run.client_id),
            run.cpus,
            tuple(run.sharing.split(",")) if run.sharing else (),
            tuple(json.loads(run.resources or "{}").items()),
        )
        for run in ([owner] if owner else []) + runs.companions(connection, work_id)
    ]


def _hostname(farm: Farm, client_id: int) -> str:
    presence = farm.watch.get(client_id)
    return presence.row.hostname if presence else str(client_id)


class Blocked:
    """Clients that failed too much of a root job to get more of it (CONTRACT 3.6), looked up once a root."""

    def __init__(self, farm: Farm, connection: sqlite3.Connection):
        self._most = farm.policy.max_failures_per_client
        self._connection = connection
        self._known: dict[int, frozenset[int]] = {}

    def of(self, root_id: int) -> frozenset[int]:
        """Ids of the clients that are blocked for the root job."""
        found = self._known.get(root_id)
        if found is None:
            found = failures.blocked(self._connection, self._most, [root_id]).get(root_id, frozenset())
            self._known[root_id] = found
        return found
