"""Which jobs a control call reaches: those asked for and what is linked to them (CONTRACT 3.5, 9.8).

Read from a reader's snapshot, so that a family of any size keeps no writer waiting; what changed since is looked at
again when each job is changed.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from hqserver.store import lineage
from hqserver.store.kin import Family, Kin

JOBS_A_TRANSACTION = 500


def in_parts(job_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """The jobs in portions that a transaction can change without keeping others waiting."""
    for start in range(0, len(job_ids), JOBS_A_TRANSACTION):
        yield job_ids[start : start + JOBS_A_TRANSACTION]


def unfinished_below(connection: sqlite3.Connection, job_ids: Iterable[int]) -> list[int]:
    """The unfinished jobs of these and below, but for those that another unfinished parent still needs.

    A finished job that was asked for leads to what is unfinished below it.
    """
    return _below(connection, job_ids, wanted=_unfinished, spares=_unfinished, leads=True)


def to_pause(connection: sqlite3.Connection, job_ids: Iterable[int]) -> list[int]:
    """The same, where a parent that is paused itself needs nothing."""
    return _below(connection, job_ids, wanted=_unfinished, spares=_unpaused, leads=True)


def to_resume(connection: sqlite3.Connection, job_ids: Iterable[int]) -> list[int]:
    """The unfinished jobs of these and all below: what one parent needs goes on, whatever another one waits for."""
    return _below(connection, job_ids, wanted=_unfinished, spares=lambda row: False, leads=True)


def finished_below(connection: sqlite3.Connection, job_ids: Iterable[int]) -> list[int]:
    """The finished jobs of these and below, but for those that have any other parent; parents come first."""
    return _below(connection, job_ids, wanted=lambda row: row.finished, spares=lambda row: True, leads=False)


def _unfinished(row: Kin) -> bool:
    return not row.finished and not row.cancelled


def _unpaused(row: Kin) -> bool:
    return _unfinished(row) and row.held != "pause"


def _below(
    connection: sqlite3.Connection,
    job_ids: Iterable[int],
    *,
    wanted: Callable[[Kin], bool],
    spares: Callable[[Kin], bool],
    leads: bool,
) -> list[int]:
    """Jobs that are `wanted`, from those asked for down, but for a child of which another parent `spares` it.

    `leads`: one that was asked for and is not wanted leads on to its children.
    """
    asked = dict.fromkeys(job_ids)
    chosen: dict[int, None] = {}
    looked_at: set[int] = set()
    family = Family(connection)

    def spared(child_id: int, by: int) -> bool:
        child = family.find(child_id)
        others = family.parents_of(child_id) if child is not None and child.parents > 1 else [by]
        return any(
            (parent := family.find(other)) is not None and spares(parent) for other in others if other not in looked_at
        )

    generation = list(asked)
    while generation:
        family.read_down(generation)
        below: list[int] = []
        for job_id in generation:
            row = family.find(job_id)
            if row is None or job_id in looked_at:
                continue
            if wanted(row):
                chosen[job_id] = None
            elif not leads or job_id not in asked:
                continue
            looked_at.add(job_id)
            if row.children:
                below += [child_id for child_id in family.children_of(job_id) if not spared(child_id, job_id)]
        generation = below
    return list(chosen)


def to_reschedule(connection: sqlite3.Connection, job_ids: Iterable[int]) -> list[int]:
    """The finished jobs of these, the finished jobs above them, and the failed ones below (CONTRACT 3.5).

    A cancelled job whose kill is not confirmed yet is as good as finished. Children come before their parents, so that
    no parent is looked at while a child of it is still to be reset.
    """
    chosen: dict[int, None] = {}
    family = Family(connection)
    generation = list(job_ids)
    while generation:
        family.read_down(generation)
        below: list[int] = []
        for job_id in generation:
            row = family.find(job_id)
            if row is None or job_id in chosen or not _over(row):
                continue
            chosen[job_id] = None
            if row.children_failed or row.children_unfinished:
                below += lineage.failed_children_of(connection, job_id)
        generation = below
    above = lineage.ancestors_of(connection, list(chosen))
    family.read_down(above)
    chosen |= dict.fromkeys(each for each in above if (row := family.find(each)) is not None and _over(row))
    return _children_first(family, chosen)


def children_first(connection: sqlite3.Connection, job_ids: Collection[int]) -> list[int]:
    """These jobs so that each stands behind those of them that are its children."""
    return _children_first(Family(connection), job_ids)


def _over(row: Kin) -> bool:
    return row.finished or row.cancelled


def _children_first(family: Family, job_ids: Collection[int]) -> list[int]:
    family.read_parents(job_ids)
    above = {job_id: [each for each in family.parents_of(job_id) if each in job_ids] for job_id in job_ids}
    waiting = Counter(parent for parents in above.values() for parent in parents)
    ready = [job_id for job_id in job_ids if not waiting[job_id]]
    for job_id in ready:  # it grows meanwhile
        for parent in above[job_id]:
            waiting[parent] -= 1
            if not waiting[parent]:
                ready.append(parent)
    return ready
