"""The queue: the jobs that wait for a client."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Id, rpc
from hqserver.services.farm import Farm
from hqserver.services.queries import explaining, lookup


class Queue:
    """The jobs that wait for a client or a resource: why they wait, and in which order they are served."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("getNumWaitingJobs", since="17")
    def get_num_waiting_jobs(self, wait_time: int = 0, min_priority: int = -1, max_priority: int = -1) -> int:
        """How many jobs have been waiting for a client or a resource, `runnable`, for at least `wait_time` minutes.

        Less than 1 minute counts all of them. The bounds of priority are inclusive; a negative one is no bound.
        """
        return lookup.waiting_jobs(self._farm, wait_time, min_priority, max_priority)

    @rpc("explainJob")
    def explain_job(self, job_id: Id) -> dict[str, Any]:
        """Why the job does not run: `{summary, job, clients}`, by the rules by which work is given out.

        `summary` is its `waitingFor`; of a job that runs or has ended it says so. `job` is a list of reasons of its
        own, `clients` a list of `{id, client, eligible, reasons}`: first the clients that would get it, in that order,
        then the others. A reason is `{requirement, wanted, found, holds, remedy}`, the remedy saying what would change
        one that does not hold. `eligible`: the client would get the job, were it the job's turn and no other client
        there; then all its reasons hold, and only then. Reasons stand in the order in which they are asked; the summary
        is what the first says that keeps the whole job.

        Requirements of a job: `ending lost children held delay maxConcurrent registered clients resources freeClients
        hold order serverDisk unfinished`. Of a client: `registered enabled heartbeat accepting healthy ending confirmed
        availability trial`, and towards this job `platform cpus conditions failures hold freeCpus tags resources`. What
        a job does not ask for is left out, and a job that seeks no client has no `clients`. Fault 404 when the job does
        not exist.
        """
        return explaining.explain_job(self._farm, job_id)

    @rpc("getClientOrder")
    def get_client_order(self, job_id: Id) -> list[dict[str, Any]]:
        """The clients that would take the job's work now, in the order in which they would get it: id, hostname, name,
        label, ip. Jobs before it are left out of account; `explainJob` tells of them.

        Empty where none would, and for a job of which nothing is left to run. Fault 404 when the job does not exist.
        """
        return explaining.client_order(self._farm, job_id)

    @rpc("getJobOrder")
    def get_job_order(self, client_id: Id, limit: int = 100, offset: int = 0) -> list[int]:
        """Ids of the waiting jobs that the client could run as it is set up now, in the order in which it would run
        them, whatever it runs at this moment; a page of `limit` after the first `offset`.

        Empty for a client that takes no new work. Faults: 404 when the client does not exist, -32602 for a limit that
        is not from 1 to 10,000.
        """
        return explaining.job_order(self._farm, client_id, limit, offset)
