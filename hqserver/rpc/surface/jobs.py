"""Jobs: submit, watch, control."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hqserver.rpc.kinds import Priority
from hqserver.rpc.method import Attribs, Caller, Id, Ids, rpc
from hqserver.rpc.wire import LongText
from hqserver.services.control import changing, commands, deletion
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.queries import finding, lookup, output


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
    def get_jobs(self, job_ids: Ids, attribs: Attribs = None) -> Iterator[dict[str, Any]]:
        """A dictionary of attributes for each of these jobs, in the order asked for.

        `id` is always there. Jobs that do not exist are left out. Fault -32602 names an attribute that does not exist.
        At most 100,000 ids a call, 10,000 where an attribute is computed.
        """
        return lookup.job_details_one_by_one(self._farm, job_ids, attribs)

    @rpc("getJob", since="12")
    def get_job(self, job_id: Id, attribs: Attribs = None) -> dict[str, Any]:
        """The attributes of one job. Fault 404 when it does not exist."""
        return lookup.job_detail(self._farm, job_id, attribs)

    @rpc("getJobOutput", since="12")
    def get_job_output(self, job_id: Id, max_last_chars: int | None = None) -> LongText:
        """What the job's commands wrote, stdout and stderr together; each later try begins with a marker line. With
        `splitOutput` what a run wrote to stderr follows what it wrote to stdout, after such a line.

        At most the last `max_last_chars` characters; everything for None or less than 1. Characters that XML cannot
        carry become U+FFFD. Fault 404 when the job does not exist.
        """
        return LongText(output.job_output_in_pieces(self._farm, job_id, max_last_chars))

    @rpc("getJobIdsByStatus", "getJobIdsBySatus", since="12")
    def get_job_ids_by_status(self, statuses: list[str]) -> list[int]:
        """Ids of the jobs in one of these statuses, oldest first. `waiting` means the runnable ones.

        Fault -32602 names a status that does not exist. HQueue's first releases spelled the name getJobIdsBySatus.
        """
        return lookup.ids_by_status(self._farm, statuses)

    @rpc("findJobs")
    def find_jobs(
        self,
        filter: dict[str, Any] | None = None,
        attribs: Attribs = None,
        sort: list[str] | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> dict[str, Any]:
        """The jobs that a filter means, a page of them: `jobs`, as `getJobs` gives them; `next`; `total`.

        A filter is a dictionary; a job must meet all of it. What is None or blank does not count; an empty list means
        that no job matches. Its keys: `ids`, `uuids`; `status`: a list of those of `getAllJobStatusNames`, of the
        page's (`waiting for resources`, `running (2 clients assigned)` with any number), and `blocked`; `name`: a shell
        pattern; `text`: a part of the name or description, in any case; `submittedBy`, `root`, `parent`: one or a list;
        `tags`: all of them; `properties`: each with exactly this text; `client`: it runs or ran there, by hostname,
        label or id; `group`: its conditions ask for this group of clients; `priority`; `minId`, `maxId`; `since`,
        `before`: when it was submitted; `updatedSince`, `updatedBefore`; `activeSince`: it has not ended, or ended
        since; `endedSince`, `endedBefore`; `rootsOnly`: it has no parent. Times are dateTimes, or texts in ISO 8601,
        UTC; `since` and its like include the moment, `before` and its like do not.

        `sort` is a list of attributes, "-" before those that descend: id, name, status, priority, submittedBy, cpus,
        queueTime, runnableTime, startTime, endTime, updatedTime; ["-id"] by default. Missing times come first.

        `limit` is from 1 to 1,000, 100 by default. The page that follows is asked for with `next` as `after`, until
        `next` is None; jobs that are submitted meanwhile do not shift it. A page may hold fewer jobs than `limit`, or
        none, where what matches is rare and no index leads to it: `next` goes on. `total` is how many match in all,
        None where that was not counted; `countJobs` counts.

        Faults: -32602 names the key or attribute that is wrong, with the near match, and an `after` of another sort;
        413 where more than 10,000 jobs match and no index has them in this order: by id, queueTime and updatedTime it
        always has, by endTime for jobs that have ended.
        """
        return finding.find_jobs(self._farm, filter, attribs, sort, limit, after)

    @rpc("countJobs")
    def count_jobs(self, filter: dict[str, Any] | None = None) -> dict[str, Any]:
        """How many jobs a filter means, as `findJobs` takes it: `count`, and `more`, True where there may be more.

        By status (of the internal ones, but for `paused`), with or without `rootsOnly`, and for the whole farm the
        count is exact. Others stop at 10,000, or once enough jobs that do not match have been passed.
        """
        return finding.count_jobs(self._farm, filter)

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

    @rpc("pauseJobs", since="17")
    def pause_jobs(self, job_ids: Ids) -> None:
        """Hold back these jobs and all below them, but for children that another unfinished job needs.

        What runs is stopped in place on its client, which it keeps. Returns at once: such a job is `pausing` until its
        client has confirmed that every process stands still. Unknown, finished and paused jobs are ignored.
        """
        commands.pause(self._farm, job_ids, "paused by a caller")

    @rpc("resumeJobs", since="17")
    def resume_jobs(self, job_ids: Ids) -> None:
        """Let paused jobs and all below them go on. Returns at once; unknown and other jobs are ignored."""
        commands.resume(self._farm, job_ids, "resumed by a caller")

    @rpc("rescheduleJobs", since="17")
    def reschedule_jobs(self, job_ids: Ids) -> None:
        """Put finished jobs back into the queue, with the finished jobs above them and the failed ones below; other
        children keep their results. Unknown and unfinished jobs are ignored."""
        commands.reschedule(self._farm, job_ids, "rescheduled by a caller")

    @rpc("deleteJobs", since="17")
    def delete_jobs(self, job_ids: Ids) -> None:
        """Remove finished jobs for good, with their output and all below them that no other job has as a child.

        Unknown and unfinished jobs are ignored, and those of which, or below which, a client may still run something.
        """
        deletion.delete(self._farm, job_ids)

    @rpc("ejectJobs", since="17")
    def eject_jobs(self, job_ids: Ids) -> None:
        """Take jobs, and all below them, off their clients now: killed, back to the queue, no try burnt; the same
        client is the last to get them again. Returns at once; jobs that do not run are ignored."""
        commands.eject(self._farm, job_ids, "ejected by a caller")

    @rpc("setJobPriority", since="")
    def set_job_priority(self, job_ids: Ids, priority: Priority) -> None:
        """Give unfinished jobs, and all below them, this priority: 0 or more, higher first; "5 (Medium)" is 5.

        Fault -32602 for a priority below 0. Unknown and finished jobs are ignored.
        """
        commands.set_priority(self._farm, job_ids, priority)

    @rpc("changeJobs", idempotent=False)
    def change_jobs(
        self, caller: Caller, job_ids: Ids | dict[str, Any], action: str, options: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Do an action to jobs, by their ids or by a filter as `findJobs` takes it, and to the jobs below them.

        `action` is one of pause, resume, block, unblock, suspend, preempt, migrate (eject), cancel (kill), retry,
        requeue, rerun (reschedule), complete (skip), top, bottom, priority, modify and delete (remove). `options` may
        have dryRun (say what would change, change nothing), limit (refuse where more jobs would change), reason (kept
        in the history, at most 5,000 characters), descendants (True), and for two of the actions priority or changes.

        The answer is {id, changed, was, now, why} for each job asked for and each below it that changed: its status
        before and after, and why it did not change. What a client must do first, such as a kill, has its effect later.
        Faults: -32602 for an unknown action, option or key of the filter, 409 when more would change than `limit`, 413
        for more than 11,000 jobs, or fewer where `changes` are large.
        """
        return changing.change_jobs(self._farm, job_ids, action, options, caller.user or caller.peer)

    @rpc("modifyJobs")
    def modify_jobs(self, caller: Caller, job_ids: Ids, changes: dict[str, Any]) -> list[dict[str, Any]]:
        """Change properties of unfinished jobs, of these alone: {id, changed, was, now, why} for each.

        `changes` is a dictionary of properties as in a specification; None is not given, and changes nothing. What runs
        keeps what it was started with. Faults: -32602 names a property that does not exist, has a wrong value, or
        cannot be changed once a job is submitted; 413 when the size of `changes` times the number of jobs is too much
        to write at once, and says how many jobs at once are possible.
        """
        return changing.modify_jobs(self._farm, job_ids, changes, caller.user or caller.peer)

    @rpc("getPermittedClientsList", "getPermittedClientList", since="15")
    def get_permitted_clients_list(self, job_id: Id) -> list[str]:
        """The registered clients that the job's conditions allow, as `hostname` or `hostname:name`.

        Fault 404 when the job does not exist. Houdini 15 also spelled the name getPermittedClientList.
        """
        return commands.permitted_clients(self._farm, job_id)

    @rpc("savePermittedClientsList", since="15")
    def save_permitted_clients_list(self, job_id: Id, clients_list: list[str]) -> None:
        """Let only these clients run the job, in place of all its conditions.

        `hostname` is any client on that host, `hostname:name` that one, `hostname:` only the unnamed one there. Fault
        404 when the job does not exist, -32602 for an entry that names no client, and for an empty list, with which
        nobody could run it.
        """
        commands.permit_clients(self._farm, job_id, clients_list)

    @rpc("setShowBlockedClientsWarning", since="17")
    def set_show_blocked_clients_warning(self, job_id: Id, state: bool) -> None:
        """Whether the page warns of clients that are blocked for the job. Fault 404 when it does not exist."""
        commands.warn_of_blocked_clients(self._farm, job_id, state)
