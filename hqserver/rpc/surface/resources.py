"""Resources: licences and other things the whole farm has a counted amount of."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Ids, rpc
from hqserver.services import resources
from hqserver.services.farm import Farm


class Resources:
    """What jobs take some of while they run, by their property `resources`.

    Of a resource counted per machine, a machine takes one, however many of its jobs need it; of one counted per job,
    each job takes the amount it asked for. A total of -1 is not counted: there is always enough.

    A resource may also be a rate: its total is how much may be started in a minute, each work item taking the amount
    that its job asked for when it is given to a client. Nothing is held; a client that refuses what it was given gives
    that back.
    """

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("getResources", since="17")
    def get_resources(self, resource_ids: Ids | None = None) -> list[dict[str, Any]]:
        """A dictionary for each of these resources; None = all of them, oldest first: `id`, `name`, `total`, `inUse`,
        `perMachine`, `builtIn`, `counted` ("job", "machine" or "rate").

        `inUse` counts what runs, what is paused and what is lost: machines where it is counted per machine, else
        amounts. Of a rate it is what was started in the last minute. Resources that do not exist are left out.

        Built in are Houdini's licences `sidefx.license.houdini`, `sidefx.license.render` and `sidefx.license.karma`,
        per machine. Their total is -1 until `setResource` says how many there are: a farm that was never told must not
        leave Houdini's jobs waiting for licences that it has.
        """
        return resources.resource_details(self._farm, resource_ids)

    @rpc("setResource")
    def set_resource(self, name: str, total: int, per_machine: bool, counted: str | None = None) -> None:
        """Create a resource, or change how much there is of it (-1 = not counted) and whether a machine takes it once.

        `counted` says it in a word: "machine", "job", or "rate" for a total that is how much may be started in a
        minute. None = by `per_machine`, and a rate stays a rate where that is false.

        Faults: -32602 for a name that is blank, longer than 255 characters, or holds a comma or a control character,
        for a total below -1, and for another `counted` beside a true `per_machine`; 409, with the numbers, for a total
        below what is in use and for another way of counting while any is. Of a rate nothing is in use.
        """
        resources.set_resource(self._farm, name, total, per_machine, counted)

    @rpc("deleteResource")
    def delete_resource(self, name: str) -> None:
        """Delete a resource. Jobs that ask for it go on asking, and wait until it is there again.

        Faults: 404, with the near match, when it does not exist; 409 when it is built in or in use.
        """
        resources.delete_resource(self._farm, name)
