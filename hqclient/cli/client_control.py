"""`hq enable`, `disable`, `describe`, `available`, `upgrade`, `restart` and `remove`: what clients are told.

Every name on the command line is looked up first, so that a misspelt one changes nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from hqclient.availability import rules_from, spoken
from hqclient.errors import BadParameters, NotFound
from hqclient.farm import Farm
from hqserver.domain.errors import near_match

from .exits import BadUsage, Exit
from .screen import Screen, harmless

_ATTRIBS = (
    *("id", "label", "disabled", "wanted", "needsUpgrade"),
    *("runningJobs", "description", "availabilityRules", "outside"),
)

_NO_DAEMON = "left as it is: it is a runner, which has no daemon"

Client = dict[str, Any]
Told = Callable[[Client, Client | None], str]
"""What became of a client, from its attributes before and after; None where it is gone."""


def named(farm: Farm, names: Sequence[str], attribs: Sequence[str] = ("id", "label")) -> list[Client]:
    """These attributes of the clients called so, each once. Raises `NotFound`, with the near match."""
    known = {client["label"]: client for client in farm.clients(attribs)}
    found = {}
    for name in names:
        label = name.strip().removesuffix(":")
        if label not in known:
            raise NotFound(404, f"no client is called {name!r}{_hint(label, list(known))}")
        found[label] = known[label]
    return list(found.values())


def _hint(name: str, labels: list[str]) -> str:
    there = [label for label in labels if label.startswith(f"{name}:")]
    return f"; on that machine run {', '.join(there)}" if there else near_match(name, labels)


def enable(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq enable`."""
    return _set_disabled(farm, args.client, screen, disabled=False)


def disable(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq disable`."""
    return _set_disabled(farm, args.client, screen, disabled=True)


def _set_disabled(farm: Farm, names: Sequence[str], screen: Screen, *, disabled: bool) -> Exit:
    clients = named(farm, names, _ATTRIBS)
    for client in clients:
        farm.call("setdisabled", client["label"], disabled)

    def told(was: Client, now: Client | None) -> str:
        if not disabled:
            return "enabled"
        return f"disabled{_going_on(now)}"

    return _tell(farm, screen, clients, told)


def _going_on(client: Client | None) -> str:
    jobs = (client or {}).get("runningJobs") or ()
    return f"; goes on with job {', '.join(map(str, jobs))}" if jobs else ""


def describe(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq describe`."""
    clients = named(farm, [args.client], _ATTRIBS)
    farm.call("setClientDescription", clients[0]["id"], " ".join(args.text))
    return _tell(farm, screen, clients, lambda _, now: (now or {}).get("description") or "no description")


def set_availability(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq available`."""
    try:
        rules = rules_from(" ".join(args.rules)) if args.rules else None
    except BadParameters as problem:
        raise BadUsage(str(problem)) from None
    clients = named(farm, [args.client], _ATTRIBS)
    if rules is not None:
        farm.call("setAvailabilityRules", clients[0]["id"], rules)
    return _tell(farm, screen, clients, lambda _, now: spoken((now or {}).get("availabilityRules") or ()))


def upgrade(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq upgrade`."""
    if bool(args.client) == args.all:
        raise BadUsage("name at least one client, or say --all for every one that needs it; not both")
    if args.all:
        clients = [client for client in farm.clients(_ATTRIBS) if client["needsUpgrade"]]
    else:
        clients = named(farm, args.client, _ATTRIBS)
    if not clients:
        screen.note("every client has the server's code")
    else:
        farm.call("upgradeClients", [client["id"] for client in clients])

    def told(was: Client, now: Client | None) -> str:
        if was["outside"]:
            return _NO_DAEMON
        if not was["needsUpgrade"]:
            return "has the server's code"
        return f"upgrading{_going_on(now)}" if now and now["needsUpgrade"] else "upgraded"

    return _tell(farm, screen, clients, told)


def restart(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq restart`."""
    clients = named(farm, args.client, _ATTRIBS)
    farm.call("restartClients", [client["id"] for client in clients])

    def told(was: Client, now: Client | None) -> str:
        return _NO_DAEMON if was["outside"] else f"restarting{_going_on(now)}"

    return _tell(farm, screen, clients, told)


def remove(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq remove`."""
    clients = named(farm, args.client, _ATTRIBS)
    farm.call("removeClients", [client["id"] for client in clients])

    def told(was: Client, now: Client | None) -> str:
        jobs = ", ".join(map(str, was["runningJobs"]))
        back = f"; job {jobs} goes back to the queue" if jobs else ""
        return f"{'removed' if now is None else 'ending, to be removed'}{back}"

    return _tell(farm, screen, clients, told)


def _tell(farm: Farm, screen: Screen, clients: Sequence[Client], told: Told) -> Exit:
    """A line for each client as it is now; for programs their attributes, without those that are gone."""
    now = {client["id"]: client for client in farm.call("getClients", [each["id"] for each in clients], list(_ATTRIBS))}
    if screen.as_json:
        screen.json(list(now.values()))
        return Exit.OK
    for client in clients:
        screen.line(f"{harmless(client['label'])}  {harmless(told(client, now.get(client['id'])))}")
    return Exit.OK
