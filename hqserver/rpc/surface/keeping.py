"""Keeping: jobs as documents that outlive them and their farm."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Ids, rpc
from hqserver.services.farm import Farm
from hqserver.services.intake.exports import export_jobs
from hqserver.services.intake.imports import import_jobs


class Keeping:
    """Jobs written down as a document, and taken in again, here or on another farm."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("exportJobs")
    def export_jobs(self, job_ids: Ids) -> str:
        """These jobs and all below them as one JSON document: `version` and `jobs`, the oldest first.

        Of each job its specification, status, times, work items, history (`logs`), notes, and links to others of the
        document. It is text because XML cannot carry all that a command may hold. Runs and the output of commands are
        not part of it. Faults: 404 names jobs that do not exist, 413 for more than 10,000 jobs, 250,000 work items or
        500,000 lines of history and notes.
        """
        return export_jobs(self._farm, job_ids)

    @rpc("importJobs", idempotent=False)
    def import_jobs(self, document: str | dict[str, Any]) -> list[dict[str, int]]:
        """Store the jobs of a document that `exportJobs` wrote, all of them or none; for each in its order `was`, its
        id in the document, and `id`, its new one.

        Jobs that had ended stay as they ended, with their history; the `outcome` of succeeded ones is `imported`, and
        they expire counted from now. Others come in blocked (`unblock` lets them go): pieces that had ended keep their
        results, all else begins anew. A job that was being cancelled comes in cancelled. Faults: 400 names the place in
        the document (`jobs[3].work[0].status`), 409 for a `uuid` that a job of the farm has: without it a job gets
        a new one. 413 as for `exportJobs`.
        """
        return import_jobs(self._farm, document)
