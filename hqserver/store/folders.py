"""Network folders that were registered through the API."""

from __future__ import annotations

import sqlite3

from hqserver.domain.folder import NetworkFolder


def every(connection: sqlite3.Connection) -> list[NetworkFolder]:
    """All folders by name, the main one first."""
    rows = connection.execute(
        "SELECT name, host, linux, windows, macos, main FROM network_folder ORDER BY main DESC, name"
    )
    return [
        NetworkFolder(name, host, linux, windows, macos, bool(main)) for name, host, linux, windows, macos, main in rows
    ]


def paths(connection: sqlite3.Connection, platform_key: str) -> list[tuple[str, bool, str]]:
    """Of each folder its name, whether it is the main one, and its path on a platform (`linux windows macosx`), ""
    where it is not seen there."""
    column = {"linux": "linux", "windows": "windows", "macosx": "macos"}.get(platform_key, "''")
    return [
        (name, bool(main), path)
        for name, main, path in connection.execute(f"SELECT name, main, {column} FROM network_folder")
    ]


def save(connection: sqlite3.Connection, folder: NetworkFolder) -> None:
    """Store a folder, in place of the one of its name. Where it is the main one, another that was is so no more."""
    if folder.main:
        connection.execute("UPDATE network_folder SET main = 0 WHERE main = 1 AND name <> ?", (folder.name,))
    connection.execute(
        "INSERT OR REPLACE INTO network_folder (name, host, linux, windows, macos, main) VALUES (?, ?, ?, ?, ?, ?)",
        (folder.name, folder.host, folder.linux, folder.windows, folder.macos, int(folder.main)),
    )


def remove(connection: sqlite3.Connection, name: str) -> bool:
    """Forget a folder; whether there was one."""
    return connection.execute("DELETE FROM network_folder WHERE name = ?", (name,)).rowcount > 0
