"""How often each client failed the work of a root job: what blocks it there (CONTRACT 3.6, 10 Trouble)."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable


def count(connection: sqlite3.Connection, root_id: int, client_id: int) -> int:
    """The client failed once more; how often that is now."""
    row = connection.execute(
        """
        INSERT INTO client_failure (root_id, client_id, failures) VALUES (?, ?, 1)
        ON CONFLICT DO UPDATE SET failures = failures + 1 RETURNING failures
        """,
        (root_id, client_id),
    ).fetchone()
    return int(row[0])


def blocked(connection: sqlite3.Connection, most: int, root_ids: Iterable[int]) -> dict[int, frozenset[int]]:
    """Clients that failed at least `most` times, by root job."""
    rows = connection.execute(
        """
        SELECT root_id, client_id FROM client_failure
        WHERE failures >= ? AND root_id IN (SELECT value FROM json_each(?))
        """,
        (most, json.dumps(list(root_ids))),
    )
    found: dict[int, set[int]] = defaultdict(set)
    for root_id, client_id in rows:
        found[root_id].add(client_id)
    return {root_id: frozenset(client_ids) for root_id, client_ids in found.items()}


def forget(connection: sqlite3.Connection, root_ids: Iterable[int]) -> None:
    """Give every client a fresh start with these root jobs."""
    connection.execute(
        "DELETE FROM client_failure WHERE root_id IN (SELECT value FROM json_each(?))", (json.dumps(list(root_ids)),)
    )
