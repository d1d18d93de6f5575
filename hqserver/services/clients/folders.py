"""Network folders: which there are, which is the main one, and what commands find in their environment (CONTRACT 7.2).

As long as no registered folder is the main one, the folder of the configuration file is (its keys
`hqserver.sharedNetwork.*`), under the name HQROOT.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from typing import Any

from hqserver.domain.errors import Conflict, NotFound, near_match
from hqserver.domain.folder import MAIN_VARIABLE, NetworkFolder, checked_folder
from hqserver.domain.platforms import PLATFORM_KEYS
from hqserver.services.farm import Farm
from hqserver.store import folders
from hqserver.store.database import Transaction


def network_folders(farm: Farm) -> list[dict[str, Any]]:
    """All folders, the main one first: name, host, linux, windows, macos, main (CONTRACT 9.14)."""
    with farm.database.read() as connection:
        return [asdict(folder) for folder in _every(farm, connection)]


def set_folder(farm: Farm, folder: NetworkFolder) -> None:
    """Register a folder or change the one of its name; as main folder it takes the place of the one that was.

    Commands that start afterwards see it. Raises `BadParameters` for a name that cannot be a variable or a path that
    is not absolute, and `Conflict` for a name that differs from another folder's in case only, or where the registered
    folder HQROOT would lose its place.
    """
    folder = checked_folder(folder)

    def write(transaction: Transaction) -> None:
        others = [other for other in folders.every(transaction.connection) if other.name != folder.name]
        for other in others:
            if other.name.lower() == folder.name.lower():  # variables of Windows know no case
                raise Conflict(f"there is a folder {other.name} already, and Windows cannot tell {folder.name} from it")
            if folder.main and other.name == MAIN_VARIABLE:
                raise Conflict(f"the folder {MAIN_VARIABLE} is the main one; delete it before another can be")
        folders.save(transaction.connection, folder)

    farm.database.write(write)


def delete_folder(farm: Farm, name: str) -> None:
    """Forget a folder. Raises `NotFound` with the near match, `Conflict` for that of the configuration file."""

    def write(transaction: Transaction) -> None:
        if folders.remove(transaction.connection, name):
            return
        known = [folder.name for folder in _every(farm, transaction.connection)]
        if name in known:
            raise Conflict(f"the folder {name} stands in the server's configuration file and is changed there")
        raise NotFound(f"there is no network folder {name!r}{near_match(name, known)}")

    farm.database.write(write)


def root(farm: Farm, platform: str, is_client: bool) -> str | None:
    """Where the main folder is on machines of a platform (`linux`, `windows`, `macosx`); None for any other platform,
    and where the folder is not seen there.

    On Windows the folder of the configuration file is a UNC path for a client and else the mapped drive; a registered
    folder has one path for both.
    """
    if platform not in PLATFORM_KEYS:
        return None
    with farm.database.read() as connection:
        registered = next((folder for folder in folders.every(connection) if folder.main), None)
    if registered is None and platform == "windows" and not is_client and farm.policy.network_drive:
        return farm.policy.network_drive
    return (registered or _configured(farm)).path(platform) or None


def folder_environment(farm: Farm, connection: sqlite3.Connection, platform_key: str) -> dict[str, str]:
    """The folders' variables for a command on that platform: HQROOT, and each folder's path under its own name.

    A folder that is not seen there has no variable. Read anew for each order, which takes some ten microseconds, so
    that no command gets a path that was changed before it was ordered.
    """
    registered = folders.paths(connection, platform_key)
    found = {name: path for name, _, path in registered if path}
    root = next((path for _, main, path in registered if main), farm.policy.network_root.get(platform_key, ""))
    return {**found, MAIN_VARIABLE: root} if root else found


def _every(farm: Farm, connection: sqlite3.Connection) -> list[NetworkFolder]:
    registered, configured = folders.every(connection), _configured(farm)
    # Where the configuration file names no folder either, there is no main one.
    if any(folder.main for folder in registered) or not any(map(configured.path, PLATFORM_KEYS)):
        return registered
    return [configured, *registered]


def _configured(farm: Farm) -> NetworkFolder:
    seen = farm.policy.network_root
    return NetworkFolder(
        MAIN_VARIABLE,
        farm.policy.network_host,
        seen.get("linux", ""),
        seen.get("windows", ""),
        seen.get("macosx", ""),
        main=True,
    )
