"""Groups of clients and who is in them (CONTRACT 5.4)."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence


def every(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    """`id` and `name` of all groups, oldest first."""
    return connection.execute("SELECT id, name FROM client_group ORDER BY id").fetchall()


def by_id(connection: sqlite3.Connection, group_ids: Sequence[int]) -> list[sqlite3.Row]:
    """`id` and `name` of these groups, in the order asked for; unknown ids are left out."""
    rows = connection.execute(
        "SELECT id, name FROM client_group WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(group_ids)),)
    ).fetchall()
    found = {row[0]: row for row in rows}
    return [found[group_id] for group_id in group_ids if group_id in found]


def id_of(connection: sqlite3.Connection, name: str) -> int | None:
    """Id of the group with this name."""
    row = connection.execute("SELECT id FROM client_group WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def insert(connection: sqlite3.Connection, name: str) -> int:
    """Store a new group; its id."""
    return int(connection.execute("INSERT INTO client_group (name) VALUES (?)", (name,)).lastrowid or 0)


def delete(connection: sqlite3.Connection, group_id: int) -> None:
    """Remove a group; its members are no longer in it."""
    connection.execute("DELETE FROM client_group WHERE id = ?", (group_id,))


def add_member(connection: sqlite3.Connection, group_id: int, client_id: int) -> None:
    """Put a client into a group; nothing changes where it is in it."""
    connection.execute("INSERT OR IGNORE INTO group_member (group_id, client_id) VALUES (?, ?)", (group_id, client_id))


def remove_member(connection: sqlite3.Connection, group_id: int, client_id: int) -> None:
    """Take a client out of a group; nothing changes where it is not in it."""
    connection.execute("DELETE FROM group_member WHERE group_id = ? AND client_id = ?", (group_id, client_id))


def forget_client(connection: sqlite3.Connection, client_id: int) -> None:
    """Take a client out of every group."""
    connection.execute("DELETE FROM group_member WHERE client_id = ?", (client_id,))


def members(connection: sqlite3.Connection, group_ids: Iterable[int]) -> dict[int, list[int]]:
    """Ids of the clients in each of these groups, in the order of their ids."""
    return _grouped(
        connection,
        "SELECT group_id, client_id FROM group_member WHERE group_id IN (SELECT value FROM json_each(?)) ORDER BY 2",
        group_ids,
    )


def groups_of_clients(connection: sqlite3.Connection, client_ids: Iterable[int]) -> dict[int, list[int]]:
    """Ids of the groups that each of these clients is in, in the order of their ids."""
    return _grouped(
        connection,
        "SELECT client_id, group_id FROM group_member WHERE client_id IN (SELECT value FROM json_each(?)) ORDER BY 2",
        client_ids,
    )


def memberships(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """Every client that is in a group with the group's name, a pair for each group it is in."""
    rows = connection.execute(
        "SELECT client_id, name FROM group_member JOIN client_group ON client_group.id = group_member.group_id"
    )
    return [(client_id, name) for client_id, name in rows]


def _grouped(connection: sqlite3.Connection, query: str, ids: Iterable[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for key, value in connection.execute(query, (json.dumps(list(ids)),)):
        found[key].append(value)
    return found
