"""Runners that are not the farm's own daemon: work claimed, done elsewhere, and reported back (CONTRACT 10)."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Id, rpc
from hqserver.services.clients.claims import claim_job, finish_job, renew_claim
from hqserver.services.farm import Farm


class Runners:
    """Work for runners that are not hqclient: a workflow engine, a queue of another farm, a script on a laptop.

    A runner claims work, renews the claim while it does it, and says how it ended. It shows as a client that asks for
    its work itself: conditions and groups hold for it, and the server never gives it anything unasked.
    """

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("claimJob", idempotent=False)
    def claim_job(
        self, filter: dict[str, Any] | None, runner: str | dict[str, Any], seconds: int = 3_600
    ) -> dict[str, Any] | None:
        """Claim the first work of the queue that matches `filter` (as for `findJobs`) and that the runner may have by
        its job's conditions, resources, tags and limits. None where there is none.

        `runner` is a name, or a dictionary of name, platform, cpus and memory (kB), which conditions look at. A job
        that is meant for runners only says so by a condition, such as `hostname == NAME` or a group the runner is in.
        Jobs with hooks, and those that need several clients, are left to daemons. The answer has run (the claim's
        name), job, root, work (name of the piece, "" without an agenda), name, command, shell, environment, cpus (0:
        all that the machine has) and seconds. By HQ_RUN_TOKEN of its environment `setJobResult` knows whether the claim
        lasts. The claim is over, and the work goes back to the queue, when `renewClaim` or `finishJob` do not come
        within so many, which are never more than the job's strict lease; maxTime, minTime, maxSilence (seconds) and
        maxMemory, 0.0 for none, and failurePatterns are the runner's to keep. What it failed, gave back or did not
        renew it gets again after all other work. Faults: -32602 for a wrong filter, runner or number of seconds (1 to
        604,800), 409 for a name that a daemon has and for a runner that is disabled, 503 where there are too many
        runners.
        """
        return claim_job(self._farm, filter, runner, seconds)

    @rpc("renewClaim")
    def renew_claim(self, run_id: str, seconds: int | None = None, progress: float | None = None) -> dict[str, Any]:
        """Keep a claim for its number of seconds from now on, or for another; `{run, job, wanted, why, seconds}`.

        Where `wanted` is false somebody cancelled or moved the work, or the claim is over: stop, and say `finishJob`.
        `progress` is how much is done, 0.0 to 1.0. Fault 404 when there is no such claim.
        """
        return renew_claim(self._farm, run_id, seconds, progress)

    @rpc("finishJob")
    def finish_job(self, job_id: Id, outcome: str | dict[str, Any]) -> dict[str, str]:
        """Say how claimed work ended: `succeeded`, `failed`, or `returned` where it was not done and is to go back to
        the queue. Answers `{run, status}`; told twice, it changes nothing.

        `outcome` is one of these words, or a dictionary of status, run (the claim; needed where the job has several,
        and wherever another runner may have claimed it since: without it the job's only claim is meant, whoever made
        it), exitCode, reason, output (text or binary: what the work wrote) and result (the document of
        `setJobResult`). A failure counts as one try, as on any client. The status is `cancelled` where somebody
        cancelled the work meanwhile. Faults: 404 when there is no such job or claim, 409 when the claim is over or
        nobody has claimed work of the job, 413 for more output or a larger result than the farm keeps, 507 where its
        disk is full, 400 for a result that is none, -32602 for what is no outcome.
        """
        return finish_job(self._farm, job_id, outcome)
