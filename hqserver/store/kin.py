"""What a walk through a family looks at of each job: many jobs in one query, no more of each than decides the way."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple


class Kin(NamedTuple):
    """A job as a walk sees it. `parents` and `children` are how many it has."""

    finished: bool
    cancelled: bool
    held: str
    parents: int
    children: int
    children_failed: int
    children_unfinished: int


class Family:
    """The jobs around those of a walk, read once each, a whole generation at a time."""

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection
        self._known: dict[int, Kin] = {}
        self._asked: set[int] = set()
        self._children: dict[int, list[int]] = {}
        self._parents: dict[int, list[int]] = {}

    def find(self, job_id: int) -> Kin | None:
        """The job, None for an unknown id."""
        self.read([job_id])
        return self._known.get(job_id)

    def children_of(self, job_id: int) -> list[int]:
        """Ids of the job's children, in order of submission."""
        if job_id not in self._children:
            self._children |= self._related("parent_id", "child_id", [job_id])
        return self._children[job_id]

    def parents_of(self, job_id: int) -> list[int]:
        """Ids of the job's parents."""
        if job_id not in self._parents:
            self._parents |= self._related("child_id", "parent_id", [job_id])
        return self._parents[job_id]

    def read_down(self, job_ids: Iterable[int]) -> None:
        """Read these jobs, their children and the children's other parents, so that asking for them costs nothing."""
        asked = list(job_ids)
        self.read(asked)
        above = [each for each in asked if each in self._known and self._known[each].children]
        self._children |= self._related("parent_id", "child_id", above)
        below = [child for each in above for child in self._children[each]]
        self.read(below)
        # One that has a single parent has the one that it was reached from.
        self.read_parents(child for child in below if self._known[child].parents > 1)

    def read_parents(self, job_ids: Iterable[int]) -> None:
        """Read the parents of these jobs."""
        wanted = [each for each in job_ids if each not in self._parents]
        self._parents |= self._related("child_id", "parent_id", wanted)
        self.read(parent for each in wanted for parent in self._parents[each])

    def read(self, job_ids: Iterable[int]) -> None:
        """Read these jobs."""
        missing = [each for each in job_ids if each not in self._asked]
        if not missing:
            return
        rows = self._connection.execute(
            """
            SELECT id, ended_at IS NOT NULL, cancelled, held, parents, children, children_failed, children_unfinished
            FROM job WHERE id IN (SELECT value FROM json_each(?))
            """,
            (json.dumps(missing),),
        )
        self._known.update((job_id, Kin(*values)) for job_id, *values in rows)
        self._asked.update(missing)

    def _related(self, whose: str, wanted: str, job_ids: list[int]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        if job_ids:
            rows = self._connection.execute(
                f"""
                SELECT {whose}, {wanted} FROM family
                WHERE {whose} IN (SELECT value FROM json_each(?)) ORDER BY {wanted}
                """,
                (json.dumps(job_ids),),
            )
            for job_id, other in rows:
                found[job_id].append(other)
        return {job_id: found.get(job_id, []) for job_id in job_ids}


def ancestors_of_each(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, list[int]]:
    """Ids of the distinct ancestors of each of these jobs that has any."""
    rows = connection.execute(
        """
        WITH RECURSIVE above (job, id) AS (
            SELECT child_id, parent_id FROM family WHERE child_id IN (SELECT value FROM json_each(?))
            UNION
            SELECT above.job, parent_id FROM family JOIN above ON child_id = above.id
        )
        SELECT job, id FROM above
        """,
        (json.dumps(list(job_ids)),),
    )
    found: dict[int, list[int]] = defaultdict(list)
    for job_id, above in rows:
        found[job_id].append(above)
    return found
