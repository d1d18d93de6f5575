"""Work items: the pieces of a job with an agenda (CONTRACT 10)."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Caller, Id, rpc
from hqserver.services.control.changing_work import change_work
from hqserver.services.farm import Farm
from hqserver.services.intake.agenda import add_work, list_work


class Work:
    """The pieces of agendas: listed, added, controlled."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("getWork")
    def get_work(
        self, job_id: Id, statuses: list[str] | None = None, limit: int = 1_000, offset: int = 0
    ) -> list[dict[str, Any]]:
        """A page of the job's work items in the order of the agenda; those in one of `statuses` where any are given.

        Each has name, first, last, status, progress (0.0 to 1.0), tries (how often its command was run), triesLeft,
        client and run (of the last try, "" where there was none), its startTime and endTime, and package. A job
        without an agenda has one work item, whose name is "". Faults: 404 when the job does not exist, -32602 for an
        unknown status and for a limit that is not from 1 to 10,000.
        """
        return list_work(self._farm, job_id, statuses or (), limit, offset)

    @rpc("addWork", idempotent=False)
    def add_work(self, job_id: Id, agenda: str | int | list[Any]) -> list[str]:
        """Add pieces to the agenda of a job that has not ended, behind those it has; their names.

        `agenda` is a frame range, a frame's number or a list of {name, first, last, package}. Faults: 404 when the job
        does not exist, 409 when it has ended, has no agenda, or has a piece of such a name, -32602 for what is no
        agenda.
        """
        return add_work(self._farm, job_id, agenda)

    @rpc("changeWork", idempotent=False)
    def change_work(
        self, caller: Caller, job_id: Id, names: list[str], action: str, options: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Do an action to pieces of a job, by their names: {name, changed, was, now, why} for each.

        `action` is one of pause, resume, block, unblock, suspend, migrate (eject), cancel (kill), retry, requeue, rerun
        (reschedule), complete (skip), top and bottom; `options` may have dryRun, limit and reason. The name of the one
        work item of a job without an agenda is "". Faults: 404 when the job does not exist, -32602 for an unknown
        action or option, 409 when more would change than `limit`, 413 for more than 10,000 names.
        """
        return change_work(self._farm, job_id, names, action, options, caller.user or caller.peer)
