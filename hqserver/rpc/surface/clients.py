"""Clients: the machines that run commands."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Attribs, Id, Ids, rpc
from hqserver.services import lookup
from hqserver.services.farm import Farm


class Clients:
    """The clients of the farm."""

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
