"""Clients: the machines that run commands."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Attribs, Id, Ids, rpc
from hqserver.services.clients import client_control
from hqserver.services.farm import Farm
from hqserver.services.queries import finding, lookup


class Clients:
    """The clients of the farm.

    A client is called by its machine, `hostname`, or `hostname:name` where it was given a name because several run
    there. A removed client is in no list and has no name; the jobs that it ran go on naming it.
    """

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("getClients", since="12")
    def get_clients(self, client_ids: Ids | None = None, attribs: Attribs = None) -> list[dict[str, Any]]:
        """A dictionary of attributes for each of these clients; None = all of them, oldest first.

        `id` and `hostname` are always there. Clients that do not exist are left out. Fault -32602 names an attribute
        that does not exist.
        """
        return lookup.client_details(self._farm, client_ids, attribs)

    @rpc("getClient", since="12")
    def get_client(self, client_id: Id, attribs: Attribs = None) -> dict[str, Any]:
        """The attributes of one client. Fault 404 when it does not exist."""
        return lookup.client_detail(self._farm, client_id, attribs)

    @rpc("getClientByName", since="17")
    def get_client_by_name(self, clientname: str, attribs: Attribs = None) -> dict[str, Any]:
        """The attributes of the client called `hostname:name`, or of the unnamed one called `hostname`.

        Fault 404, with the near match, when there is none.
        """
        return lookup.client_detail_by_name(self._farm, clientname, attribs)

    @rpc("getClientsByName", since="17")
    def get_clients_by_name(self, clientnames: list[str], attribs: Attribs = None) -> list[dict[str, Any]]:
        """The attributes of the clients called so, as in `getClientByName`, in the order asked for.

        Names that nobody has are left out.
        """
        return lookup.client_details_by_name(self._farm, clientnames, attribs)

    @rpc("getClientByHostname", since="12", deprecated="getClientByName")
    def get_client_by_hostname(self, hostname: str, attribs: Attribs = None) -> dict[str, Any]:
        """The attributes of the client on a machine: of the unnamed one, else of the one that registered first.

        Also takes `hostname:name`. Fault 404, with the near match, when no client runs there.
        """
        return lookup.client_detail_by_hostname(self._farm, hostname, attribs)

    @rpc("getClientsByHostname", since="12", deprecated="getClientsByName")
    def get_clients_by_hostname(
        self, hostnames: list[str] | None = None, attribs: Attribs = None
    ) -> list[dict[str, Any]]:
        """The attributes of the clients on these machines, in the order asked for; None = all clients.

        Of a machine the unnamed client is given, so that one host name brings one client as before clients had names;
        where all that run there have names, all of them. Also takes `hostname:name`. Machines without a client are left
        out.
        """
        return lookup.client_details_by_hostname(self._farm, hostnames, attribs)

    @rpc("findClients")
    def find_clients(
        self,
        filter: dict[str, Any] | None = None,
        attribs: Attribs = None,
    ) -> list[dict[str, Any]]:
        """The clients that a filter means, as `getClients` gives them, oldest first.

        A client must meet all of the filter; what is None or blank does not count. Its keys: `ids`; `name`: a shell
        pattern for the hostname or label; `text`: a part of the label or description; `group`: in one of these groups;
        `platform`: a shell pattern; `job`: runs one of these jobs; `available`, `running`, `disabled`, `sick`,
        `needsUpgrade`: True or False; `minCpus`, `minMemory` (kB). Upper and lower case are alike.

        Fault -32602 names the key or attribute that is wrong, with the near match.
        """
        return finding.find_clients(self._farm, filter, attribs)

    @rpc("getJobHistory", since="12")
    def get_job_history(self, client_id: Id, limit: int = 5) -> list[int]:
        """Ids of the jobs that last ran on the client, each once, the one that ended last first; at most `limit`.

        An empty list when the client does not exist. Fault -32602 for a negative limit.
        """
        return lookup.recent_jobs(self._farm, client_id, limit)

    @rpc("getJobIdsAssignedToClient", since="17")
    def get_job_ids_assigned_to_client(self, client_id: Id) -> list[int]:
        """Ids of the jobs that the client runs or is about to run, oldest first. Empty when it does not exist."""
        return lookup.jobs_on_client(self._farm, client_id)

    @rpc("setdisabled", since="12")
    def setdisabled(self, hostname: str, disabled: bool) -> bool | None:
        """Switch a client off (True) or on (False) for new jobs; those that it runs go on. True, or None where there is
        no such client.

        `hostname` is a machine's, or `hostname:name`. Of a machine the unnamed client is meant; where all that run
        there have names, all of them.
        """
        return client_control.set_disabled(self._farm, hostname, disabled) or None

    @rpc("setClientDescription")
    def set_client_description(self, client_id: Id, text: str) -> None:
        """Describe a client in free text, "" for nothing.

        Faults: 404 when the client does not exist, -32602 for more than 10,000 characters.
        """
        client_control.set_description(self._farm, client_id, text)

    @rpc("setAvailabilityRules")
    def set_availability_rules(self, client_id: Id, rules: list[Any] | dict[str, Any]) -> None:
        """Say when a client takes jobs: while any of these rules that is enabled is true. Those that it runs go on.

        A rule is a dictionary like those of attribute `availabilityRules`: `kind` "time" or "idle"; `days`, 0 for
        Monday to 6, or names of days; `start` and `end`, "HH:MM" in the client's own time zone; `minutes` without user
        input for kind "idle"; `enabled`; `id`. What is left out means any day, all day, enabled, and the next free id.
        A window past midnight belongs to the day it starts, `start` equal to `end` is the whole day. An empty list:
        never.

        Faults: 404 when the client does not exist, -32602 naming the entry, counted from 1, and the key that is wrong.
        """
        client_control.set_availability(self._farm, client_id, rules)

    @rpc("upgradeClients", since="17")
    def upgrade_clients(self, client_ids: Ids) -> None:
        """Have clients fetch the server's client code and restart with it; what they run goes on.

        Returns at once; `needsUpgrade` and `upgradeError` tell how it went. Clients that do not exist or have that code
        are ignored.
        """
        client_control.upgrade(self._farm, client_ids)

    @rpc("restartClients")
    def restart_clients(self, ids: Ids) -> None:
        """Have the daemons of these clients restart; what they run goes on. Clients that do not exist are ignored.

        Returns at once; `wanted` is `restart` until the client is back.
        """
        client_control.restart(self._farm, ids)

    @rpc("removeClients")
    def remove_clients(self, ids: Ids) -> None:
        """Take these clients off the farm. Clients that do not exist are ignored.

        A client that is heard is told to end what it runs, which goes back to the queue, and to stop; it is listed,
        with `wanted` set to `end`, until it has been silent past `hqserver.activeTimeout`. One that is so already is
        gone at once, and its runs are lost. A daemon that is started again registers as the client it was, without its
        groups.
        """
        client_control.remove(self._farm, ids)
