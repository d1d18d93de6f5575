"""Removing all jobs, so that a farm can start anew (CONTRACT 10, Keeping).

It is meant for the jobs there are when it is asked for, up to `last_job`, and can be asked for again for the same ones
until none of them is left: after a server that died in the middle, after runs that would not end.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hqserver.domain.crash import crash_point
from hqserver.domain.errors import BadParameters, Busy
from hqserver.domain.event import Event, EventKind
from hqserver.domain.status import FINISHED_JOB, JobStatus
from hqserver.services.control import commands, deletion
from hqserver.services.events.events import tell
from hqserver.services.farm import Farm
from hqserver.services.longtask import Failed, Tell
from hqserver.store import idfloor, lookup, removal
from hqserver.store.database import Transaction
from hqserver.store.submissions import forget_before

from .backup import CopyFailed, back_up_before_reset

_LOG = logging.getLogger(__name__)
CONFIRMATION = "delete all jobs"
"""What a caller must say: nobody says it by accident."""

ANSWER_SECONDS = 5.0
"""For so long a call waits for the end where it does not say."""

_JOBS_AT_ONCE, _PIECES_AT_ONCE = 200, 5_000
_LOOK_SECONDS, _REST_SECONDS, _TELL_SECONDS = 0.1, 0.01, 1.0
_PAST_KILL_TIMEOUT_SECONDS = 5.0


def reset(farm: Farm, confirm: str, last_job: int | None, caller: str, seconds: float | None = None) -> dict[str, Any]:
    """Begin to remove all jobs up to `last_job`, by default all there are, or look how far that is; after at most so
    many seconds. `caller`: who asks, for the history. Raises `BadParameters` where that is not confirmed."""
    if " ".join(confirm.split()).lower() != CONFIRMATION:
        with farm.database.read() as connection:
            jobs = removal.count_up_to(connection, idfloor.last_job(connection))
        raise BadParameters(
            f"confirm must be {CONFIRMATION!r}: this removes every job of the farm for good, {jobs} by now"
        )

    def ask(transaction: Transaction) -> int:
        last = idfloor.last_job(transaction.connection)
        last = last if last_job is None else min(last_job, last)
        if not farm.reset.running:
            _tell_farm(farm, transaction, "resetting", f"all jobs up to {last} are being removed, by {caller}")
        return last

    last = farm.database.write(ask)
    wait = ANSWER_SECONDS if seconds is None else seconds
    jobs = _count(farm, last)
    first = {"step": "copying", "lastJob": last, "jobs": jobs, "left": jobs, "copy": ""}
    return farm.reset.ask(lambda progress: _Reset(farm, last, caller, progress).carry_out(), wait, first)


def _count(farm: Farm, last: int) -> int:
    with farm.database.read() as connection:
        return removal.count_up_to(connection, last)


def _tell_farm(farm: Farm, transaction: Transaction, now: str, reason: str) -> None:
    tell(farm, transaction, [Event(EventKind.FARM, None, None, "", "", "", now, reason)], farm.clock.now())


class _Reset:
    def __init__(self, farm: Farm, last: int, caller: str, progress: Tell):
        self.farm, self.last, self.tell = farm, last, progress
        self.reason = f"the farm is reset by {caller}"
        self.began = farm.clock.now()

    def carry_out(self) -> None:
        """All of it, each step told."""
        self.farm.leaving.last_job = self.last
        try:
            self._carry_out()
        finally:
            self.farm.leaving.last_job = 0

    def _carry_out(self) -> None:
        jobs = _count(self.farm, self.last)
        _LOG.warning("%s: all %d jobs up to %d are removed", self.reason, jobs, self.last)
        if jobs:
            self.tell(copy=self._copy().name, step="cancelling")
            crash_point("reset_copied")
            self._cancel()
            self.tell(step="ending")
            self._wait_for_runs()
            self.tell(step="removing")
            self._remove()
        self.tell(left=_count(self.farm, self.last))
        self._end(jobs)

    def _copy(self) -> Path:
        folder = self.farm.copies or self.farm.database.path.with_name("backups")
        try:
            return back_up_before_reset(self.farm.database, folder, self.began, self.last)
        except CopyFailed as problem:
            raise Failed(f"nothing was removed, since no copy could be made before: {problem}") from None

    def _cancel(self) -> None:
        """Roots first, with all below them: a parent does not fail because its children are cancelled."""
        with self.farm.database.read() as connection:
            roots = [each for each in lookup.root_ids(connection, finished=False) if each <= self.last]
        for part in _parts(roots):
            commands.cancel(self.farm, part, self.reason)
        unfinished = [str(status) for status in JobStatus if status not in FINISHED_JOB]
        with self.farm.database.read() as connection:
            others = [each for each in lookup.ids_by_status(connection, unfinished) if each <= self.last]
        for part in _parts(others):
            commands.cancel(self.farm, part, self.reason)

    def _wait_for_runs(self) -> None:
        """Until all have ended, at most for as long as a kill may take to be confirmed (9.11), and their hooks a bit
        more; what has not ended by then is left."""
        clock, policy = self.farm.clock, self.farm.policy
        until = clock.monotonic() + policy.kill_timeout_seconds + _PAST_KILL_TIMEOUT_SECONDS
        while clock.monotonic() < until:
            if self.farm.database.closed:
                raise Busy("the server is shutting down")
            with self.farm.database.read() as connection:
                if not removal.unfinished_up_to(connection, self.last):
                    return
            time.sleep(_LOOK_SECONDS)

    def _remove(self) -> None:
        """In short transactions. A job of which a client may still run something stays."""
        after, told_at = 0, time.monotonic()
        while True:
            with self.farm.database.read() as connection:
                part = removal.up_to(connection, self.last, after, _JOBS_AT_ONCE, _PIECES_AT_ONCE)
            if not part:
                return
            deletion.delete(self.farm, part)
            crash_point("reset_part_removed")
            after = part[-1]
            if time.monotonic() - told_at > _TELL_SECONDS:
                self.tell(left=_count(self.farm, self.last))
                told_at = time.monotonic()
            time.sleep(_REST_SECONDS)

    def _end(self, jobs: int) -> None:
        """The keys of what was submitted may be used again: their jobs are gone."""
        left = _count(self.farm, self.last)
        removed = jobs - left
        said = f"{removed} {'job' if removed == 1 else 'jobs'} removed"
        if left:
            said += f"; {left} left, of which a client may still run something"

        def write(transaction: Transaction) -> None:
            forget_before(transaction.connection, self.began)
            _tell_farm(self.farm, transaction, "reset", said)

        self.farm.database.write(write)
        _LOG.warning("the farm was reset: %s", said)
        self.tell(step="done", left=left)
        if left:
            raise Failed(f"{said}; ask again for the jobs up to {self.last} when it has ended")


def _parts(job_ids: Sequence[int]) -> list[Sequence[int]]:
    return [job_ids[start : start + _JOBS_AT_ONCE] for start in range(0, len(job_ids), _JOBS_AT_ONCE)]
