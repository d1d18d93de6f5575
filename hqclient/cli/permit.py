"""`hq permit`: which clients may run a job."""

from __future__ import annotations

import argparse

from hqclient.farm import Farm
from hqserver.domain.errors import near_match

from .exits import Exit
from .screen import Screen, harmless


def permit(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq permit`: with clients, only these from now on; in any case the registered ones that may run it."""
    job = farm.job(args.job)
    if args.client:
        labels = [client["label"] for client in farm.clients(["label"])]
        job.permit(*args.client)
        _tell_unknown(screen, args.client, labels)
    permitted = job.permitted_clients
    if screen.as_json:
        screen.json(permitted)
        return Exit.OK
    for label in permitted:
        screen.line(harmless(label))
    if not permitted:
        screen.note("no client of the farm may run it")
    return Exit.OK


def _tell_unknown(screen: Screen, entries: list[str], labels: list[str]) -> None:
    """A client that is not registered yet may be permitted; a slip of the pen looks the same, so it is told."""
    hosts = {label.partition(":")[0].casefold() for label in labels}
    for entry in entries:
        host, colon, name = entry.strip().partition(":")
        known = host.casefold() in hosts and (not name or f"{host}:{name}" in labels)
        if not known:
            screen.note(f"no client is called {entry!r} yet{near_match(f'{host}{colon}{name}', labels)}")
