"""Giving the space of what was deleted back to the disk while the farm works (CONTRACT 10, Keeping)."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from typing import Any

from hqserver.domain.crash import crash_point
from hqserver.domain.errors import Conflict, DiskFull
from hqserver.services.farm import Farm
from hqserver.services.longtask import Tell
from hqserver.store import compaction
from hqserver.store.database import Transaction
from hqserver.store.room import BALLAST_BYTES

_LOG = logging.getLogger(__name__)
ANSWER_SECONDS = 5.0
"""For so long a call waits for the end where it does not say."""

_SLICE_SECONDS = 0.03
_REST_SECONDS = 0.03
_ROOM_NEEDED = BALLAST_BYTES // 2
"""What is moved goes through the write-ahead log, which is folded in every few megabytes. On a full disk that is half
of the room which the ballast leaves: giving space back must be possible just then."""

_FOLDS = 40


def compact(farm: Farm, seconds: float | None = None) -> dict[str, Any]:
    """Begin to give space back, or look how far that is; after at most so many seconds.

    Raises `Conflict` for a file that cannot shrink, `DiskFull` where there is no room even for moving things about.
    """
    if not farm.compaction.running:
        _check(farm)
    size = farm.database.size()
    wait = ANSWER_SECONDS if seconds is None else seconds
    return farm.compaction.ask(lambda tell: _compact(farm, size, tell), wait, {"before": size, "after": size})


def _check(farm: Farm) -> None:
    with farm.database.read() as connection:
        if not compaction.can_shrink(connection):
            raise Conflict(
                "this database was made by an older hqserver, and there was too little room to write it anew when the "
                "server was started: make room for it twice, and restart the server"
            )
    free = shutil.disk_usage(farm.database.path.parent).free
    if free < _ROOM_NEEDED:
        raise DiskFull(
            f"compacting needs {_ROOM_NEEDED >> 20} MB of room on the server's disk, which has {free >> 20} MB"
        )


def _compact(farm: Farm, before: int, tell: Tell) -> None:
    database = farm.database
    with database.read() as connection:
        free = compaction.free_bytes(connection)
    _LOG.info("the database of %d MB is being compacted; %d MB of it are free", before >> 20, free >> 20)
    database.write(lambda transaction: compaction.begin_merging(transaction.connection))
    _in_slices(farm, lambda transaction: compaction.merge(transaction.connection, _SLICE_SECONDS), tell)
    _in_slices(farm, lambda transaction: compaction.give_back(transaction.connection, _SLICE_SECONDS), tell)
    # Readers are gone again within a request; one that stays longer keeps the log as it is, not the farm waiting.
    for _ in range(_FOLDS):
        if database.fold_log_in():
            break
        time.sleep(_REST_SECONDS)
    after = database.size()
    tell(after=after)
    _LOG.info("the database was compacted from %d to %d bytes", before, after)


def _in_slices(farm: Farm, do: Callable[[Transaction], bool], tell: Tell) -> None:
    """In short transactions, with room for others between them, until there is no more to do."""
    while farm.database.write(do):
        crash_point("compacted_in_part")
        tell(after=farm.database.size())
        time.sleep(_REST_SECONDS)
