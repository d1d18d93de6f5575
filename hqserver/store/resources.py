"""Resources: what the whole farm has a counted amount of, and which live runs hold some (CONTRACT 5.6)."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from hqserver.domain.resources import Counting
from hqserver.domain.status import LIVE_RUN

from .schema import words


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """A resource. `total` is how much there is, -1 (`domain.resources.UNCOUNTED`) for always enough.

    `per_machine`: a machine holds one, however many of its runs need it; `rate`: `total` is how much may be started in
    a minute, and nothing is held; else each run holds what it asked for.
    """

    id: int
    name: str
    total: int
    per_machine: int
    built_in: int
    rate: int

    @property
    def counting(self) -> Counting:
        if self.rate:
            return Counting.RATE
        return Counting.MACHINE if self.per_machine else Counting.JOB


def totals(connection: sqlite3.Connection) -> dict[str, ResourceRow]:
    """All resources by name, oldest first."""
    rows = connection.execute("SELECT id, name, total, per_machine, built_in, rate FROM resource ORDER BY id")
    return {row[1]: ResourceRow(*row) for row in rows}


def in_use(connection: sqlite3.Connection) -> list[tuple[int, str, int]]:
    """What live runs hold, paused and lost ones too: client, name of the resource, amount; one for each run and name.

    Reads one partial index that holds only the live runs with resources or sharing rules.
    """
    rows = connection.execute(
        f"""
        SELECT client_id, resources FROM run INDEXED BY run_sharing
        WHERE status IN ({words(LIVE_RUN)}) AND (sharing <> '' OR resources <> '')
        """
    )
    return [
        (client_id, name, amount)
        for client_id, resources in rows
        if resources
        for name, amount in json.loads(resources).items()
    ]


def put(connection: sqlite3.Connection, name: str, total: int, counting: Counting) -> None:
    """Store a resource, or change a known one's amount and how it is counted."""
    connection.execute(
        """
        INSERT INTO resource (name, total, per_machine, rate) VALUES (?, ?, ?, ?)
        ON CONFLICT (name) DO UPDATE
        SET total = excluded.total, per_machine = excluded.per_machine, rate = excluded.rate
        """,
        (name, total, int(counting is Counting.MACHINE), int(counting is Counting.RATE)),
    )


def delete(connection: sqlite3.Connection, resource_id: int) -> None:
    """Remove a resource."""
    connection.execute("DELETE FROM resource WHERE id = ?", (resource_id,))
