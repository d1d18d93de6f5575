"""Results: the small document that a job leaves for others (CONTRACT 10)."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Id, rpc
from hqserver.services import results
from hqserver.services.farm import Farm


class Results:
    """The small document that a job's command, or whoever runs it, leaves for others to read."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("setJobResult")
    def set_job_result(self, job_id: Id, result: Any, run: str | None = None) -> None:
        """Leave a result with the job, in place of the one before; None takes it away.

        It is made of structs, arrays, texts, numbers, booleans and nil, up to 1 MB as JSON; numbers beyond 32 bits are
        doubles, as everywhere. `run` is the id of the run that leaves it, which its command finds in HQ_RUN_TOKEN: one
        that does not own the job's work any more is refused. A result stays while the job is tried again by itself; it
        goes when somebody has it done again (rerun, requeue, rescheduleJobs, and retry where none of its work had
        succeeded), and with the job. Faults: 400 names what is wrong (`result.frames[3]`: times and base64 are), 404
        when the job does not exist, 409 for the run, 413 for more than 1 MB.
        """
        results.put(self._farm, job_id, result, run)

    @rpc("getJobResult")
    def get_job_result(self, job_id: Id) -> Any:
        """The result that was left with the job; None without one. Fault 404 when the job does not exist."""
        return results.get(self._farm, job_id)
