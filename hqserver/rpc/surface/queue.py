"""The queue: the jobs that wait for a client."""

from __future__ import annotations

from hqserver.rpc.method import rpc
from hqserver.services import lookup
from hqserver.services.farm import Farm


class Queue:
    """The jobs that could run and wait for a client or a resource."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("getNumWaitingJobs", since="17")
    def get_num_waiting_jobs(self, wait_time: int = 0, min_priority: int = -1, max_priority: int = -1) -> int:
        """How many jobs have been waiting for a client or a resource, `runnable`, for at least `wait_time` minutes.

        Less than 1 minute counts all of them. The bounds of priority are inclusive; a negative one is no bound.
        """
        return lookup.waiting_jobs(self._farm, wait_time, min_priority, max_priority)
