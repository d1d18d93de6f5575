"""The order in which a pass serves jobs that require different things (CONTRACT 3.4; DESIGN, Dispatch)."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator

from hqserver.domain.placement import Wanted
from hqserver.domain.requirement import Requirement, requirement_from
from hqserver.store.clause import EVERYTHING, Clause
from hqserver.store.queue import Queued, jobs_in_order, waiting_jobs


class JobQueue:
    """Jobs of several requirements in one order: priority, position, age. A requirement nobody can take is dropped.

    Jobs that were added alone are served whatever becomes of others that require the same. `only`: what else must hold
    of a job.
    """

    def __init__(self, connection: sqlite3.Connection, only: Clause = EVERYTHING):
        self._connection = connection
        self._only = only
        self._heads: list[tuple[Queued, int, bool]] = []
        self._streams: dict[int, Iterator[Queued]] = {}
        self._barren: dict[int, set[int]] = {}
        self._requirements: dict[int, Requirement] = {}
        self._ids: dict[Requirement, int] = {}
        self._dropped: set[int] = set()

    def add(self, requirement_id: int, requirement: Requirement) -> None:
        """Serve the jobs that have this requirement too."""
        self._requirements[requirement_id] = requirement
        self._ids[requirement] = requirement_id
        barren = self._barren[requirement_id] = set()
        self._streams[requirement_id] = jobs_in_order(self._connection, requirement_id, barren, self._only)
        self._advance(requirement_id)

    def add_alone(self, job_ids: Iterable[int]) -> None:
        """Serve those of these jobs that wait and may have what others like them lack: clients or resources."""
        for job, requirement_id, key in waiting_jobs(self._connection, job_ids):
            requirement = requirement_from(key)
            if requirement.several_hosts or requirement.resources:
                self._requirements[requirement_id] = requirement
                heapq.heappush(self._heads, (job, requirement_id, True))

    def nobody_for(self, wanted: Wanted, root_id: int, *, only_it: bool) -> None:
        """Nobody can take any more work that requires this, or `only_it`, none of this root."""
        requirement_id = self._ids.get(wanted.requirement)
        if requirement_id is None:
            return
        if only_it:
            self._barren[requirement_id].add(root_id)
        else:
            self._dropped.add(requirement_id)

    def _advance(self, requirement_id: int) -> None:
        for job in self._streams[requirement_id]:
            if job.root_id not in self._barren[requirement_id]:
                heapq.heappush(self._heads, (job, requirement_id, False))
                return

    def __iter__(self) -> Iterator[tuple[Queued, Requirement, bool]]:
        while self._heads:
            job, requirement_id, alone = heapq.heappop(self._heads)
            if alone or requirement_id not in self._dropped:
                yield job, self._requirements[requirement_id], alone
            if not alone and requirement_id not in self._dropped:
                self._advance(requirement_id)
