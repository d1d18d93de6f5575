"""Jobs: submit, watch, control."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Attribs, Id, Ids, rpc
from hqserver.services import commands, lookup, output, submission
from hqserver.services.farm import Farm


class Jobs:
    """Submitting jobs, watching them, cancelling them."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("newjob", since="12", idempotent=False)
    def newjob(
        self, jobspec: str | dict[str, Any] | list[Any], parent_id: Id | None = None, child_ids: Ids | None = None
    ) -> list[int]:
        """Submit jobs; the ids of the new jobs: first one for each specification in order, then those of nested
        children, depth first.

        `jobspec` is a specification as a dictionary, a list of such, or JSON text of either. The new jobs become
        children of `parent_id`, and the existing jobs `child_ids` become children of each of them. All is stored or
        nothing. Faults: 400 names the place in the specification (`children[3].priority`), 404 a parent or child that
        does not exist, 409 a parent that has ended, a circle, or a `submitKey` that was used for something else.
        """
        return submission.submit(self._farm, jobspec, parent_id, child_ids or [])

    @rpc("runcmd", since="12", idempotent=False)
    def runcmd(self, cmd: str) -> int:
        """Submit an anonymous job that runs `cmd`; its id."""
        return submission.submit(self._farm, {"name": cmd.strip()[:60] or "runcmd", "command": cmd})[0]

    @rpc("getJobs", since="12")
    def get_jobs(self, job_ids: Ids, attribs: Attribs = None) -> list[dict[str, Any]]:
        """A dictionary of attributes for each of these jobs, in the order asked for.

        `id` is always there. Jobs that do not exist are left out. Fault -32602 names an attribute that does not exist.
        At most 100,000 ids a call, 10,000 where an attribute is computed.
        """
        return lookup.job_details(self._farm, job_ids, attribs)

    @rpc("getJob", since="12")
    def get_job(self, job_id: Id, attribs: Attribs = None) -> dict[str, Any]:
        """The attributes of one job. Fault 404 when it does not exist."""
        return lookup.job_detail(self._farm, job_id, attribs)

    @rpc("getJobOutput", since="12")
    def get_job_output(self, job_id: Id, max_last_chars: int | None = None) -> str:
        """What the job's commands wrote, stdout and stderr together; each later try begins with a marker line.

        At most the last `max_last_chars` characters; everything for None or less than 1. Characters that XML cannot
        carry become U+FFFD. Fault 404 when the job does not exist.
        """
        return output.job_output_text(self._farm, job_id, max_last_chars)

    @rpc("getJobIdsByStatus", "getJobIdsBySatus", since="12")
    def get_job_ids_by_status(self, statuses: list[str]) -> list[int]:
        """Ids of the jobs in one of these statuses, oldest first. `waiting` means the runnable ones.

        Fault -32602 names a status that does not exist. HQueue's first releases spelled the name getJobIdsBySatus.
        """
        return lookup.ids_by_status(self._farm, statuses)

    @rpc("getUnfinishedRootJobIds", since="12")
    def get_unfinished_root_job_ids(self) -> list[int]:
        """Ids of the unfinished jobs that have no parent, oldest first."""
        return lookup.root_ids(self._farm, finished=False)

    @rpc("getFinishedRootJobIds", since="12")
    def get_finished_root_job_ids(self) -> list[int]:
        """Ids of the finished jobs that have no parent, oldest first."""
        return lookup.root_ids(self._farm, finished=True)

    @rpc("cancelJobs", since="17")
    def cancel_jobs(self, job_ids: Ids) -> None:
        """Cancel these jobs and all below them, but for children that another unfinished job needs.

        Returns at once: a job that runs is `cancelled` when its client has confirmed that nothing of it is left; until
        then `waitingFor` says where it ends. Unknown and finished jobs are ignored.
        """
        commands.cancel(self._farm, job_ids, "cancelled by a caller")
