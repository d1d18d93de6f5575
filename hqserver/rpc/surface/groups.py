"""Client groups: named sets of clients that jobs can ask for."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Attribs, Id, Ids, rpc
from hqserver.services.clients import groups
from hqserver.services.farm import Farm


class Groups:
    """Groups of clients. A client may be in many; a job's condition `group` asks for those of one."""

    subject = "Client groups"

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("getClientGroups", since="12")
    def get_client_groups(self, group_ids: Ids | None = None, attribs: Attribs = None) -> list[dict[str, Any]]:
        """A dictionary of attributes for each of these groups; None = all of them, oldest first.

        `id` is always there. Groups that do not exist are left out. Fault -32602 names an attribute that does not
        exist.
        """
        return groups.group_details(self._farm, group_ids, attribs)

    @rpc("getClientGroup", since="17")
    def get_client_group(self, group_id: Id, attribs: Attribs = None) -> dict[str, Any]:
        """The attributes of one group. Fault 404 when it does not exist."""
        return groups.group_detail(self._farm, group_id, attribs)

    @rpc("getClientGroupByName", since="17")
    def get_client_group_by_name(self, name: str, attribs: Attribs = None) -> dict[str, Any]:
        """The attributes of the group of this name. Fault 404, with the near match, when there is none."""
        return groups.group_detail_by_name(self._farm, name, attribs)

    @rpc("createClientGroup", since="17", idempotent=False)
    def create_client_group(self, name: str) -> int:
        """Create a group without clients; its id.

        The name may hold spaces and punctuation; blanks around it are dropped. Faults: -32602 for a name that is blank,
        longer than 255 characters, or holds a comma (which separates names elsewhere) or a control character; 409 for
        one that is taken.
        """
        return groups.create_group(self._farm, name)

    @rpc("addClientToGroup", since="17")
    def add_client_to_group(self, group_id: Id, client_id: Id) -> None:
        """Put a client into a group; nothing happens where it is in it. Fault 404 when either does not exist."""
        groups.add_client(self._farm, group_id, client_id)

    @rpc("removeClientFromGroup", since="17")
    def remove_client_from_group(self, group_id: Id, client_id: Id) -> None:
        """Take a client out of a group; nothing happens where it is not in it. Fault 404 when either does not exist."""
        groups.remove_client(self._farm, group_id, client_id)

    @rpc("deleteClientGroup", since="17")
    def delete_client_group(self, group_id: Id) -> None:
        """Delete a group; its clients stay. Fault 404 when it does not exist.

        Jobs that ask for the group by name go on asking, and wait until a group of that name has clients again.
        """
        groups.delete_group(self._farm, group_id)
