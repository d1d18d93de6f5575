"""Rows of deliveries: what callbacks have yet to send or to submit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hqserver.domain.callback import Action, ActionKind
from hqserver.domain.delivery import Delivery

_COLUMNS = "id, callback_id, event_id, kind, action, document, attempts"


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Deliveries of one callback that are not tried any more."""

    callback_id: int
    count: int


def add(
    connection: sqlite3.Connection, callback_id: int, action: Action, told: Sequence[dict[str, Any]], at: float
) -> None:
    """Have a callback deliver these documents, from `at` (UTC epoch seconds) on."""
    values, target = json.dumps(action.values), action.target
    connection.executemany(
        """
        INSERT INTO delivery (callback_id, event_id, kind, target, action, document, next_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        [(callback_id, each["id"], action.kind, target, values, json.dumps(each), at) for each in told],
    )


def due(connection: sqlite3.Connection, kind: ActionKind, at: float, beyond: float, limit: int) -> list[Delivery]:
    """Those whose time has come, longest due first; with none, those set later than `beyond`, which no plan reaches:
    the clock was set back since."""
    query = f"SELECT {_COLUMNS} FROM delivery WHERE kind = ? AND next_at {{}} ? ORDER BY next_at, id LIMIT ?"
    rows = connection.execute(query.format("<="), (kind, at, limit)).fetchall()
    rows = rows or connection.execute(query.format(">"), (kind, beyond, limit)).fetchall()
    return [
        Delivery(row[0], row[1], row[2], Action(ActionKind(row[3]), json.loads(row[4])), json.loads(row[5]), row[6])
        for row in rows
    ]


def settle(connection: sqlite3.Connection, delivery_id: int) -> bool:
    """It is done; False where it had been taken back."""
    rows = connection.execute("DELETE FROM delivery WHERE id = ? RETURNING callback_id", (delivery_id,)).fetchall()
    for row in rows:
        connection.execute(
            """
            UPDATE callback SET waiting = waiting - 1, last_error = iif(failed = 0, '', last_error) WHERE id = ?
            """,
            (row[0],),
        )
    return bool(rows)


def with_target(connection: sqlite3.Connection, target: str, at: float) -> list[tuple[int, int]]:
    """Ids and attempts of those that were to go to this receiver by now."""
    query = "SELECT id, attempts FROM delivery WHERE target = ? AND next_at <= ?"
    return [(row[0], row[1]) for row in connection.execute(query, (target, at))]


def of_callback(connection: sqlite3.Connection, callback_id: int, at: float) -> list[tuple[int, int]]:
    """Ids and attempts of those that the callback was to have delivered by now."""
    query = "SELECT id, attempts FROM delivery WHERE callback_id = ? AND next_at <= ?"
    return [(row[0], row[1]) for row in connection.execute(query, (callback_id, at))]


def postpone(connection: sqlite3.Connection, times: Iterable[tuple[int, float]]) -> None:
    """One more attempt went wrong: try each again at its time, (id, UTC epoch seconds)."""
    connection.executemany("UPDATE delivery SET attempts = attempts + 1, next_at = ?2 WHERE id = ?1", list(times))


def give_up(connection: sqlite3.Connection, ids: Iterable[int], error: str) -> list[GivenUp]:
    """Try these no more; how many that are of each callback."""
    rows = connection.execute(
        """
        SELECT callback_id, count(*) FROM delivery WHERE id IN (SELECT value FROM json_each(?1))
        GROUP BY callback_id
        """,
        (wanted := json.dumps(list(ids)),),
    ).fetchall()
    connection.execute("DELETE FROM delivery WHERE id IN (SELECT value FROM json_each(?1))", (wanted,))
    connection.executemany(
        "UPDATE callback SET waiting = waiting - ?2, failed = failed + ?2, last_error = ?3 WHERE id = ?1",
        [(row[0], row[1], error) for row in rows],
    )
    return [GivenUp(row[0], row[1]) for row in rows]
