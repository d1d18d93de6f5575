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


def jobs_with_blocked_clients(connection: sqlite3.Connection, most: int) -> list[tuple[int, int, int]]:
    """Jobs that wait for a client and whose root has clients that failed at least `most` times: (id, root id,
    requirement id). Costs one look-up where there is no such root."""
    rows = connection.execute("SELECT DISTINCT root_id FROM client_failure WHERE failures >= ?", (most,))
    roots = [row[0] for row in rows]
    if not roots:
        return []
    return connection.execute(
        """
        SELECT id, root_id, requirement_id FROM job INDEXED BY job_queue
        WHERE claimable > 0 AND held = '' AND capped = 0 AND work_runnable > 0
            AND root_id IN (SELECT value FROM json_each(?))
        ORDER BY id
        """,
        (json.dumps(roots),),
    ).fetchall()


def forget(connection: sqlite3.Connection, root_ids: Iterable[int]) -> None:
    """Give every client a fresh start with these root jobs."""
    connection.execute(
        "DELETE FROM client_failure WHERE root_id IN (SELECT value FROM json_each(?))", (json.dumps(list(root_ids)),)
    )
