"""`hq resources` and `hq resource`: licences and other things that the farm has a counted amount of."""

from __future__ import annotations

import argparse
from typing import Any

from hqclient.errors import NotFound
from hqclient.farm import Farm
from hqserver.domain.errors import near_match
from hqserver.domain.resources import UNCOUNTED, Counting

from .exits import Exit
from .parsing import count
from .screen import Screen, harmless
from .tables import Cell, Column, table_lines

_COLUMNS = (
    Column("RESOURCE", flexible=True),
    Column("TOTAL", right=True),
    Column("IN USE", right=True),
    Column("COUNTED", rank=1),
)


def total(text: str) -> int:
    """How much there is of a resource: a whole number from 0 on, or `unlimited`."""
    return UNCOUNTED if text in ("unlimited", str(UNCOUNTED)) else count(text)


def list_resources(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq resources`."""
    resources = farm.resources()
    if screen.as_json:
        screen.json(resources)
        return Exit.OK
    rows = [
        [Cell(each["name"]), Cell(_total(each)), Cell(each["inUse"]), Cell(_counted(each), "faint")]
        for each in resources
    ]
    for line in table_lines(screen, _COLUMNS, rows):
        screen.line(line)
    return Exit.OK


def set_resource(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq resource set`. How a resource is counted stays as it is, unless an option says otherwise."""
    known = _find(farm, args.resource)
    counted = args.counted or (known["counted"] if known else str(Counting.JOB))
    farm.call("setResource", args.resource, args.total, counted == Counting.MACHINE, counted)
    found = _find(farm, args.resource)
    if screen.as_json:
        screen.json(found)
    elif found is not None:
        used = f"{found['inUse']} {'in the last minute' if counted == Counting.RATE else 'in use'}"
        screen.line(f"{harmless(found['name'])}  {_total(found)}, {used}, counted {_counted(found)}")
    return Exit.OK


def delete(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq resource delete`. All names are looked up before the first one goes."""
    known = [each["name"] for each in farm.resources()]
    for name in args.resource:
        if name not in known:
            raise NotFound(404, f"no resource is called {name!r}{near_match(name, known)}")
    for name in dict.fromkeys(args.resource):
        farm.call("deleteResource", name)
        if not screen.as_json:
            screen.line(f"{harmless(name)}  deleted")
    if screen.as_json:
        screen.json(args.resource)
    return Exit.OK


def _find(farm: Farm, name: str) -> dict[str, Any] | None:
    return next((each for each in farm.resources() if each["name"] == name.strip()), None)


def _total(resource: dict[str, Any]) -> str:
    return "unlimited" if resource["total"] == UNCOUNTED else str(resource["total"])


def _counted(resource: dict[str, Any]) -> str:
    return "starts per minute" if resource["counted"] == Counting.RATE else Counting(resource["counted"]).words
