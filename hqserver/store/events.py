"""Rows of the farm's journal: appended, read by pages from a cursor, forgotten from the front."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from heapq import merge
from itertools import islice

from hqserver.domain.event import Event, EventFilter, EventKind, Page

SCANNED = 20_000
"""Events that one page looks at where no index leads to those that are wanted."""

_COLUMNS = "kind, job_id, root_id, work, client, was, now, reason, id, at"


def append(connection: sqlite3.Connection, events: Sequence[Event], at: float) -> list[Event]:
    """Add events; they come back with their ids and the time."""
    after = last(connection)
    numbered = [Event._make((*event[:8], number, at)) for number, event in enumerate(events, after + 1)]
    connection.executemany(f"INSERT INTO event ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", numbered)
    return numbered


def last(connection: sqlite3.Connection) -> int:
    """The last id that was given out, 0 before the first."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    return int(row[0]) if row else 0


def page(connection: sqlite3.Connection, after: int, limit: int, wanted: EventFilter) -> Page:
    """Events behind the cursor `after`: 0 for the oldest kept, -1 for only what is to come."""
    end = last(connection)
    if after < 0:
        return Page([], end)
    lost = after > end or (after > 0 and after < _oldest(connection) - 1)
    if lost:
        after = 0
    if wanted.jobs and wanted.roots is None:
        found = _of_jobs(connection, wanted, after, limit)
        scanned_to = end
    else:
        found, scanned_to = _of_all(connection, wanted, after, limit, end)
    if len(found) == limit:
        return Page(found, found[-1].id, more=found[-1].id < end, lost=lost)
    return Page(found, scanned_to, more=scanned_to < end, lost=lost)


def _oldest(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT id FROM event ORDER BY id LIMIT 1").fetchone()
    return int(row[0]) if row else 0


def _of_jobs(connection: sqlite3.Connection, wanted: EventFilter, after: int, limit: int) -> list[Event]:
    among = "AND kind IN (SELECT value FROM json_each(?))" if wanted.kinds is not None else ""
    kinds = [json.dumps(sorted(wanted.kinds))] if wanted.kinds is not None else []
    of_each = [
        connection.execute(
            f"SELECT {_COLUMNS} FROM event WHERE job_id = ? AND id > ? {among} ORDER BY id LIMIT ?",
            (job_id, after, *kinds, limit),
        )
        for job_id in wanted.jobs or ()
    ]
    return [_event(row) for row in islice(merge(*of_each, key=lambda row: row[8]), limit)]


def _of_all(
    connection: sqlite3.Connection, wanted: EventFilter, after: int, limit: int, end: int
) -> tuple[list[Event], int]:
    """The events, and the id up to which was looked."""
    most = limit if wanted.wants_all else SCANNED
    query = f"SELECT {_COLUMNS} FROM event WHERE id > ? ORDER BY id LIMIT ?"
    rows = connection.execute(query, (after, most)).fetchall()
    found = [event for event in map(_event, rows) if wanted.matches(event)]
    return found[:limit], rows[-1][8] if len(rows) == most else end


def _event(row: Sequence[object]) -> Event:
    event = Event(*row)  # type: ignore[arg-type]
    return event._replace(kind=EventKind(event.kind))


def forget(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Forget the oldest events up to the first that is not from before this time, at most `limit`; how many these were.

    The newest is kept.
    """
    rows = connection.execute("SELECT id, at FROM event ORDER BY id LIMIT ?", (limit + 1,)).fetchall()
    old = 0
    while old < len(rows) - 1 and rows[old][1] < before:
        old += 1
    if old:
        connection.execute("DELETE FROM event WHERE id <= ?", (rows[old - 1][0],))
    return old
