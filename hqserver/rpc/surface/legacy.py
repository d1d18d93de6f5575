"""What the first releases of HQueue had and old scripts still call."""

from __future__ import annotations

from typing import Any

from hqserver.domain.errors import NotFound
from hqserver.rpc.method import Id, rpc
from hqserver.rpc.wire import LongText
from hqserver.services.farm import Farm
from hqserver.services.queries import lookup, output

_INFO = {
    "startTime": "startTime",
    "endTime": "endTime",
    "cmdStartTime": "commandStartTime",
    "cmdEndTime": "commandEndTime",
    "status": "status",
    "priority": "priority",
    "progress": "progress",
    "children": "children",
    "parents": "parents",
    "conditions": "conditions",
}
"""Keys of `getinfo` and the attributes of a job that they are today."""


class Legacy:
    """Methods from before `getJob` and `getClient`. They answer None for what does not exist; those have a fault."""

    subject = "Deprecated"

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("getinfo", since="12", deprecated="getJob")
    def getinfo(self, id: Id) -> dict[str, Any] | None:
        """What is known of a job: `startTime`, `endTime`, `cmdStartTime`, `cmdEndTime`, `status`, `priority`,
        `progress`, `root`, `children`, `parents`, `conditions`; None when the job does not exist.

        `root` is the id of its top-most ancestor: its root, or where that was given a parent since, the oldest job
        above that has none.
        """
        found = lookup.job_details(self._farm, [id], list(_INFO.values()))
        if not found:
            return None
        info = {key: found[0][attribute] for key, attribute in _INFO.items()}
        return {**info, "root": lookup.topmost(self._farm, id)}

    @rpc("getoutput", since="12", deprecated="getJobOutput")
    def getoutput(self, id: Id) -> LongText | None:
        """What the job's commands wrote, as `getJobOutput` gives it; None when the job does not exist."""
        try:
            return LongText(output.job_output_in_pieces(self._farm, id))
        except NotFound:
            return None

    @rpc("getprogress", since="12", deprecated="getJob")
    def getprogress(self, id: Id) -> list[float] | None:
        """How far a job is, as numerator and denominator: a percentage and 100.0. None when the job does not exist.

        Neither of the two is ever None, though HQueue's might be.
        """
        found = lookup.job_details(self._farm, [id], ["progress"])
        return [round(100.0 * found[0]["progress"], 6), 100.0] if found else None

    @rpc("getstatus", since="12", deprecated="getJob")
    def getstatus(self, id: Id) -> str | None:
        """The status of a job; None when the job does not exist."""
        found = lookup.job_details(self._farm, [id], ["status"])
        return found[0]["status"] if found else None

    @rpc("getclientinfo", since="12", deprecated="getClientByName")
    def getclientinfo(self, hostname: str) -> dict[str, Any] | None:
        """Of the client on a machine: `disabled`, and `jobs`, the ids of those that it runs now. None when there is no
        client.

        The client is the unnamed one, else the one that registered first, as in `getClientByHostname`.
        """
        try:
            found = lookup.client_detail_by_hostname(self._farm, hostname, ["disabled", "runningJobs"])
        except NotFound:
            return None
        return {"disabled": found["disabled"], "jobs": found["runningJobs"]}
