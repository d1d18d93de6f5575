"""Removing finished jobs for good, and what that leaves behind in the jobs around them (CONTRACT 3.5, 9.8)."""

from __future__ import annotations

from collections.abc import Sequence

from hqserver.domain.family import fails_its_parent
from hqserver.store import jobs, runs
from hqserver.store.database import Transaction

from .families import finished_below, in_parts
from .farm import Farm
from .sheet import Sheet


def delete(farm: Farm, job_ids: Sequence[int]) -> None:
    """Remove finished jobs for good, with all below them that no other parent has, and their output.

    In several transactions, parents first. A job of which a client may still run something is left for later.
    """
    with farm.database.read() as connection:
        family = finished_below(connection, job_ids)
    for part in in_parts(family):
        farm.database.write(lambda transaction, part=part: _delete(farm, transaction, part))  # type: ignore[misc]


def _delete(farm: Farm, transaction: Transaction, job_ids: Sequence[int]) -> None:
    with Sheet(farm, transaction) as sheet:
        rows = [row for job_id in job_ids if (row := sheet.find(job_id)) is not None and row.finished]
        rows = [row for row in rows if not runs.may_be_alive_of_job(sheet.connection, row.id)]
        gone = [(row.id, runs.ids_of_job(sheet.connection, row.id)) for row in rows]
        _remove(sheet, {row.id: row for row in rows})

    def remove_output() -> None:
        for job_id, run_ids in gone:
            farm.output.remove(job_id, run_ids)

    transaction.after_commit(remove_output)


def _remove(sheet: Sheet, gone: dict[int, jobs.JobRow]) -> None:
    """What the jobs meant for those that stay above them does not change; counters forget them."""
    for row in gone.values():
        failed = fails_its_parent(row.status)
        for child_id in jobs.children_of(sheet.connection, row.id):
            if child_id not in gone:
                child = sheet.job(child_id)
                child.parents -= 1
                if child.first_parent_id == row.id:
                    child.first_parent_id = None
        for parent_id in jobs.parents_of(sheet.connection, row.id):
            if parent_id not in gone:
                parent = sheet.job(parent_id)
                parent.children -= 1
                parent.children_failed -= failed
                parent.deleted_failed += failed
    above = jobs.ancestors_of(sheet.connection, gone) - gone.keys()
    sheet.forget(gone)
    for job_id in gone:
        jobs.delete(sheet.connection, job_id)
    for each in above:
        relative = sheet.job(each)
        relative.tree = jobs.recount_tree(sheet.connection, each)
        relative.tree_clients = jobs.recount_presence(sheet.connection, each)
