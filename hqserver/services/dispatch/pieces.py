"""Which piece of a job a free client gets: what was taken off it, or failed on it, comes last (CONTRACT 9.12, 10)."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from hqserver.domain.placement import Board, Seat, Wanted
from hqserver.store import lookup, work


def next_piece(
    connection: sqlite3.Connection, board: Board, wanted: Wanted, seat: Seat, *, one_client: bool
) -> tuple[work.WorkRow, Seat] | None:
    """The next piece of a job to be given out and the client that gets it; `seat`: the first in line for the job.

    None where nothing waits, or where what waits is left for another client: with `one_client` for the pass over all of
    them, and otherwise for one that is about to end another piece of the job. Where no other client may have the job,
    its pieces keep their order.
    """
    items = work.claimable(connection, wanted.job_id, 1)
    if not items:
        return None
    first = items[0]
    if first.avoid_client_id != seat.client_id:
        return first, seat
    if one_client:
        return None
    other = board.choose(replace(wanted, avoid=seat.client_id))
    if other is not None and other is not seat:
        return first, other
    others = board.eligible(wanted.requirement) - wanted.blocked - {seat.client_id}
    if not others:
        return first, seat
    later = work.first_free(connection, wanted.job_id, seat.client_id)
    if later is not None:
        return later, seat
    # After `migrate` of the whole job one client is free before the others are, which soon are too.
    ending = lookup.ending_clients(connection, [wanted.job_id]).get(wanted.job_id, ())
    return None if any(client_id in others for client_id in ending) else (first, seat)
