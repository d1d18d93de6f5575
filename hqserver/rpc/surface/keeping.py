"""Keeping: jobs as documents that outlive them and their farm, its space, its new beginning."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Caller, Id, Ids, rpc
from hqserver.services.care.compacting import compact
from hqserver.services.care.resetting import reset
from hqserver.services.farm import Farm
from hqserver.services.intake.exports import export_jobs
from hqserver.services.intake.imports import import_jobs


class Keeping:
    """Jobs written down as a document, and taken in again, here or on another farm; the space that deleted ones leave,
    and a farm without any."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("exportJobs")
    def export_jobs(self, job_ids: Ids) -> str:
        """These jobs and all below them as one JSON document: `version` and `jobs`, the oldest first.

        Of each job its specification, status, times, work items, history (`logs`), notes, result, and links to others
        of the document. It is text because XML cannot carry all that a command may hold. Runs and the output of
        commands are not part of it. Faults: 404 names jobs that do not exist, 413 for more than 10,000 jobs, 250,000
        work items, 500,000 lines of history and notes or 32 MB of results.
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

    @rpc("compactDatabase")
    def compact_database(self) -> dict[str, Any]:
        """Give the space of what was deleted back to the disk, while the farm works.

        Answers `{running, failed, before, after}`: bytes of the database when it began and now. What takes longer than
        5 seconds goes on in the background, `running`; the same call tells how far it is, and begins anew once its end
        was told. `failed` says in a sentence why it ended early. It works in slices of some hundredths of a second, and
        lets others in between. A server that ends, or a disk that becomes full, leaves what was not given back yet.
        What commands wrote is not in the database: it goes with its jobs. Faults: 507 for less than 8 MB of room, 409
        for a database of an older server that there was no room to write anew at its start, 503 while the server is
        ending.
        """
        return compact(self._farm)

    @rpc("resetFarm", idempotent=False)
    def reset_farm(self, caller: Caller, confirm: str, last_job: Id | None = None) -> dict[str, Any]:
        """Remove all jobs, with their runs, output, notes and callbacks, so that the farm starts anew.

        `confirm` is the text "delete all jobs". It is meant for the jobs there are by now; `last_job`, the `lastJob` of
        an earlier answer, means those of that call, and is how to ask how far it is. Clients, groups, resources,
        folders, notes on clients, callbacks for any job, and the journal stay; ids go on; keys of submissions may be
        used again. The database is copied first (`copy`, in the folder of copies; output is not in it), then all jobs
        are cancelled, as by `cancelJobs`, and removed once their runs have ended, or once nobody confirmed that within
        `hqserver.killTimeout`: those of which a client may still run something are `left`, to be asked for again.
        Nobody gets mail or a callback for what becomes of these jobs meanwhile; the journal tells it.

        Answers `{running, failed, step, lastJob, jobs, left, copy}` after at most 5 seconds; what takes longer goes on
        in the background, `running`. `step`: copying, cancelling, ending, removing or done. A server that ends in the
        middle loses nothing but removed jobs: ask again. Faults: -32602 for another text, 503 while the server
        is ending.
        """
        return reset(self._farm, confirm, last_job, caller.user or caller.peer)
