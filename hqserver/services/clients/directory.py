"""Clients by what people call them: `hostname`, or `hostname:name` where a machine runs several (CONTRACT 1.2, 5.2)."""

from __future__ import annotations

from collections import defaultdict

from hqserver.domain.errors import NotFound, near_match
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence


def registered(farm: Farm) -> list[Presence]:
    """The clients of the farm, oldest first, without those that were removed."""
    return [presence for presence in farm.watch.every() if not presence.row.removed]


def registered_client(farm: Farm, client_id: int) -> Presence:
    """The client with this id. Raises `NotFound`, also for one that was removed."""
    presence = farm.watch.get(client_id)
    if presence is None or presence.row.removed:
        raise NotFound(f"there is no client {client_id}")
    return presence


class Directory:
    """The clients by label and by machine, as they were when this was made."""

    def __init__(self, farm: Farm):
        self._by_label: dict[str, Presence] = {}
        self._by_host: dict[str, list[Presence]] = defaultdict(list)
        for presence in registered(farm):
            self._by_label[presence.row.label] = presence
            self._by_host[presence.row.hostname].append(presence)

    def named(self, clientname: str) -> Presence | None:
        """The client with this label. `hostname` and `hostname:` mean the machine's unnamed client and no other."""
        return self._by_label.get(clientname.strip().removesuffix(":"))

    def on_host(self, hostname: str) -> list[Presence]:
        """The client with this label, as `named` finds it; else every client on the machine, oldest first.

        Scripts from before clients had names say the machine's and mean whatever runs there.
        """
        presence = self.named(hostname)
        return [presence] if presence else list(self._by_host.get(hostname.strip(), ()))

    def unknown(self, clientname: str) -> NotFound:
        """The fault that says that nobody is called so, with the near match."""
        return NotFound(f"there is no client called {clientname!r}{near_match(clientname, self._by_label)}")
