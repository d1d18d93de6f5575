"""`hq folders` and `hq folder`: what every client sees, each platform under a path of its own."""

from __future__ import annotations

import argparse
from typing import Any

from hqclient.errors import NotFound
from hqclient.farm import Farm
from hqserver.domain.errors import near_match

from .exits import Exit
from .screen import Screen, harmless
from .tables import Cell, Column, table_lines

_COLUMNS = (
    Column("FOLDER"),
    Column("LINUX", flexible=True),
    Column("WINDOWS", flexible=True),
    Column("MACOS", flexible=True),
    Column("HOST", rank=1),
)
_PATHS = ("linux", "windows", "macos")


def list_folders(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq folders`."""
    folders = farm.network_folders()
    if screen.as_json:
        screen.json(folders)
        return Exit.OK
    rows = [
        [Cell(_name(folder)), *(Cell(folder[platform]) for platform in _PATHS), Cell(folder["host"])]
        for folder in folders
    ]
    for line in table_lines(screen, _COLUMNS, rows):
        screen.line(line)
    return Exit.OK


def set_folder(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq folder set`. What no option names stays as it is."""
    known = _find(farm, args.folder) or {}
    wanted = {
        key: getattr(args, key) if getattr(args, key) is not None else known.get(key, "") for key in ("host", *_PATHS)
    }
    main = args.main or bool(known.get("main"))
    farm.call("setNetworkFolder", args.folder, *wanted.values(), main)
    folder = _find(farm, args.folder)
    if screen.as_json:
        screen.json(folder)
    elif folder is not None:
        paths = ", ".join(f"{platform} {folder[platform]}" for platform in _PATHS if folder[platform])
        screen.line(f"{harmless(_name(folder))}  {harmless(paths)}")
    return Exit.OK


def delete(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq folder delete`. All names are looked up before the first one goes."""
    known = [each["name"] for each in farm.network_folders()]
    for name in args.folder:
        if name not in known:
            raise NotFound(404, f"no network folder is called {name!r}{near_match(name, known)}")
    for name in dict.fromkeys(args.folder):
        farm.call("deleteNetworkFolder", name)
        if not screen.as_json:
            screen.line(f"{harmless(name)}  forgotten; what lies in it stays")
    if screen.as_json:
        screen.json(args.folder)
    return Exit.OK


def _find(farm: Farm, name: str) -> dict[str, Any] | None:
    return next((folder for folder in farm.network_folders() if folder["name"] == name.strip()), None)


def _name(folder: dict[str, Any]) -> str:
    return f"{folder['name']} (main)" if folder["main"] else str(folder["name"])
