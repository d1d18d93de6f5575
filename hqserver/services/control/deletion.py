"""Removing finished jobs for good, and what that leaves behind in the jobs around them (CONTRACT 3.5, 9.8)."""

from __future__ import annotations

from collections.abc import Sequence, Set

from hqserver.domain.family import fails_its_parent
from hqserver.services.farm import Farm
from hqserver.services.work.families import finished_below, in_parts
from hqserver.services.work.sheet import Sheet
from hqserver.store import lineage, removal, runs
from hqserver.store.database import Transaction
from hqserver.store.kin import Family


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
        delete_in(sheet, job_ids)


def delete_in(sheet: Sheet, job_ids: Sequence[int]) -> set[int]:
    """Remove those of these jobs that have ended and of which no client may run anything; the ids of those."""
    family = Family(sheet.connection)
    family.read(job_ids)
    found = runs.of_jobs(sheet.connection, job_ids)
    alive = {each.job_id for each in found if each.may_be_alive}
    gone = {each for each in job_ids if (row := family.find(each)) is not None and row.finished} - alive
    _remove(sheet, gone, family)

    def remove_output() -> None:
        for each in found:
            if each.job_id in gone:
                sheet.farm.output.remove(each.job_id, [each.run_id])

    sheet.transaction.after_commit(remove_output)
    return gone


def _remove(sheet: Sheet, gone: Set[int], family: Family) -> None:
    """What the jobs meant for those that stay above them does not change; counters forget them."""
    sheet.reread()
    removal.lose_parents(sheet.connection, gone, sheet.now)
    sheet.read(gone)
    family.read_parents(gone)
    for job_id in gone:
        failed = fails_its_parent(sheet.job(job_id).status)
        for parent_id in family.parents_of(job_id):
            if parent_id not in gone:
                parent = sheet.job(parent_id)
                parent.children -= 1
                parent.children_failed -= failed
                parent.deleted_failed += failed
    above = lineage.ancestors_of(sheet.connection, gone) - gone
    sheet.forget(gone)
    removal.delete(sheet.connection, gone)
    for each in above:
        relative = sheet.job(each)
        relative.tree = lineage.recount_tree(sheet.connection, each)
        relative.tree_clients = lineage.recount_presence(sheet.connection, each)
