"""Finding jobs by a `JobFilter`: a page in any order, or how many there are, at a cost that the farm's size does not
change (CONTRACT 10, Finding).

Few candidates, as an index tells them, are gathered, held against the filter and sorted. Of many, an index is walked in
the order that is wanted, past no more than `MOST_EXAMINED` jobs a page: such a page may hold fewer jobs than asked for,
or none, and yet be followed by others. What can be neither gathered nor walked is refused with a sentence.
"""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hqserver.domain.errors import TooLarge
from hqserver.domain.job_filter import NEWEST_FIRST, JobFilter, SortTerm

from .clause import Clause, all_of
from .search_conditions import clients_called, conditions, prepare
from .search_order import NEWEST, Key, Order
from .search_streams import LAST_ID, Driver, Stream, by_time, drivers, is_plain

MOST_GATHERED = 10_000
"""Candidates that are gathered and sorted."""
MOST_EXAMINED = 20_000
"""Candidates that a walk passes for one page, of each of its streams."""
MOST_COUNTED = 10_000
"""Jobs are counted up to here: the page of a farm with a million finished jobs costs what one with a thousand does."""
MOST_EXAMINED_TO_COUNT = 50_000
"""Candidates that are passed to count them, of each stream."""

_CHEAP = frozenset({"min_id", "max_id", "roots_only"})


@dataclass(frozen=True, slots=True)
class Page:
    """Ids of jobs in the order asked for. `last`: the key after which more may follow, None at the end; `total`: how
    many match in all, None where that was not counted."""

    ids: list[int]
    last: Key | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Count:
    """A number of jobs; where `more`, there may be more than that."""

    number: int
    more: bool


def find(
    connection: sqlite3.Connection, wanted: JobFilter, sort: Sequence[SortTerm], after: Key | None, limit: int
) -> Page:
    """The first jobs that match, in this order, those `after` a key that an earlier page of the same order gave.

    Raises `TooLarge` where more than `MOST_GATHERED` match and no index has them in this order.
    """
    return _Search(connection, wanted).page(Order(tuple(sort)), after, limit)


def every(connection: sqlite3.Connection, wanted: JobFilter, most: int) -> list[int]:
    """Ids of all the jobs that match, newest first; of more than `most`, so many and one."""
    found: list[int] = []
    key: Key | None = None
    while len(found) <= most:
        page = find(connection, wanted, NEWEST_FIRST, key, most + 1 - len(found))
        found += page.ids
        key = page.last
        if key is None:
            break
    return found


def count(connection: sqlite3.Connection, wanted: JobFilter) -> Count:
    """How many jobs match, up to `MOST_COUNTED`; by status, and of the whole farm, exactly, from counters."""
    return _Search(connection, wanted).count()


def count_by_status(connection: sqlite3.Connection) -> dict[str, int]:
    """How many jobs have each status, from counters."""
    return {row[0]: row[1] for row in connection.execute("SELECT status, sum(jobs) FROM job_count GROUP BY status")}


class _Search:
    """One filter on one connection."""

    def __init__(self, connection: sqlite3.Connection, wanted: JobFilter):
        self._connection = connection
        self._wanted = wanted
        self._client_ids = [] if wanted.client is None else clients_called(connection, wanted.client)
        self._nothing = wanted.matches_nothing or (wanted.client is not None and not self._client_ids)
        self._conditions = conditions(wanted, self._client_ids)
        self._drivers = list(drivers(wanted, self._client_ids))
        prepare(connection, wanted)

    def page(self, order: Order, after: Key | None, limit: int) -> Page:
        """As `find`."""
        if self._nothing:
            return Page([], None, 0)
        walker = self._walker(order)
        if walker is None or not self._answered_by(walker):
            gathered = self._gather()
            if gathered is not None:
                return self._sorted(gathered, order, after, limit)
        if walker is None:
            raise TooLarge(
                f"more than {MOST_GATHERED} jobs match; so many come by id, queueTime or updatedTime, and those that "
                f"have ended by endTime, but not by {order.terms[0].attribute}"
            )
        page = self._walk(walker, order, after, limit)
        total = self._counted()
        if total is None and after is None and page.last is None:
            total = len(page.ids)
        return Page(page.ids, page.last, total)

    def count(self) -> Count:
        """As the function."""
        if self._nothing:
            return Count(0, more=False)
        total = self._counted()
        if total is not None:
            return Count(total, more=False)
        gathered = self._gather()
        if gathered is not None:
            return Count(self._count_of(gathered), more=False)
        driver = next(each for each in self._drivers if each.walkable)
        number, more = 0, False
        for stream in driver.streams:
            found, cut = self._count_in(stream, driver, MOST_COUNTED + 1 - number)
            number, more = number + found, more or cut
            if number > MOST_COUNTED:
                return Count(MOST_COUNTED, more=True)
        return Count(number, more)

    def _counted(self) -> int | None:
        """What counters know; None where the filter asks for more than they do."""
        wanted = self._wanted
        if wanted.given() - {"status", "roots_only"} or (wanted.status is not None and not is_plain(wanted.status)):
            return None
        counted = Clause("1") if wanted.status is None else _status_in(wanted.status)
        query = f"SELECT sum(jobs) FROM job_count WHERE root >= ? AND {counted.sql}"
        row = self._connection.execute(query, (int(wanted.roots_only), *counted.values)).fetchone()
        return int(row[0] or 0)

    # Choosing ------------------------------------------------------------------------------------------------------

    def _walker(self, order: Order) -> Driver | None:
        """What to walk for this order, None where no index has it."""
        if order.by_id:
            return next(each for each in self._drivers if each.by_id)
        return by_time(self._wanted, whole=True).get(order.by_time)

    def _answered_by(self, driver: Driver) -> bool:
        """Whether nearly every job of the driver matches, so that walking it ends soon."""
        return not self._wanted.given() - driver.covers - driver.nearly - _CHEAP

    def _gather(self) -> list[int] | None:
        """Every candidate of the first driver that has no more than `MOST_GATHERED`; None where none has so few."""
        for driver in self._drivers:
            most = len(self._wanted.ids or ()) if "ids" in driver.covers else MOST_GATHERED
            found: set[int] = set()
            for stream in driver.streams:
                what = f"SELECT {'DISTINCT ' * stream.distinct}{stream.id}"
                query = f"{what} FROM {stream.source} WHERE {stream.where.sql} LIMIT ?"
                rows = self._connection.execute(query, (*stream.where.values, most + 1))
                found.update(row[0] for row in rows)
                if len(found) > most:
                    break
            else:
                return sorted(found)
        return None

    # Gathered ------------------------------------------------------------------------------------------------------

    def _matching(self, ids: Iterable[int]) -> Clause:
        listed = Clause("job.id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),))
        return all_of([listed, *self._conditions.values()])

    def _sorted(self, ids: Sequence[int], order: Order, after: Key | None, limit: int) -> Page:
        matching = self._matching(ids)
        behind = all_of([matching, order.behind(after)]) if after is not None else matching
        query = f"SELECT {order.columns} FROM job WHERE {behind.sql} ORDER BY {order.sql} LIMIT ?"
        rows = self._connection.execute(query, (*behind.values, limit + 1)).fetchall()
        keys = [tuple(row) for row in rows[:limit]]
        total = len(keys) if after is None and len(rows) <= limit else self._count_of(ids)
        return Page([key[-1] for key in keys], keys[-1] if len(rows) > limit else None, total)

    def _count_of(self, ids: Sequence[int]) -> int:
        matching = self._matching(ids)
        row = self._connection.execute(f"SELECT count(*) FROM job WHERE {matching.sql}", matching.values).fetchone()
        return int(row[0])

    # Walked --------------------------------------------------------------------------------------------------------

    def _walk(self, driver: Driver, order: Order, after: Key | None, limit: int) -> Page:
        """The next matching jobs of the streams, merged, as far as every stream was read."""
        found: list[list[Key]] = []
        ends: list[Key] = []
        for stream in driver.streams:
            keys, end = self._next_of(stream, driver, order, after, limit)
            found.append(keys)
            if end is not None:
                ends.append(end)
        merged = list(heapq.merge(*found, reverse=order.descending))
        end = (max if order.descending else min)(ends, default=None)
        if end is not None:  # beyond it, a stream that was not read to its end may have more
            merged = [key for key in merged if (key >= end if order.descending else key <= end)]
        if len(merged) > limit:
            merged, end = merged[:limit], merged[limit - 1]
        return Page([key[-1] for key in merged], end, None)

    def _next_of(
        self, stream: Stream, driver: Driver, order: Order, after: Key | None, limit: int
    ) -> tuple[list[Key], Key | None]:
        """The next keys of a stream whose jobs match, and the last key that was looked at, None at its end."""
        candidates = self._candidates(stream, order, after)
        demanded = self._beyond(stream, driver)
        key = "candidate.at, candidate.id" if stream.at else "candidate.id"
        # The rows come as the subquery gives them: it stands on the left of a cross join.
        query = f"SELECT {key} FROM ({candidates.sql} LIMIT ?) AS candidate"
        if demanded.sql != "1":
            query += f" CROSS JOIN job ON job.id = candidate.id WHERE {demanded.sql}"
        values = (*candidates.values, MOST_EXAMINED, *demanded.values, limit + 1)
        keys = [tuple(row) for row in self._connection.execute(f"{query} LIMIT ?", values)]
        if len(keys) > limit:
            return keys[:limit], keys[limit - 1]
        last = self._connection.execute(
            f"{candidates.sql} LIMIT 1 OFFSET ?", (*candidates.values, MOST_EXAMINED - 1)
        ).fetchone()
        return keys, None if last is None else tuple(last)

    def _candidates(self, stream: Stream, order: Order, after: Key | None) -> Clause:
        """The stream in its order, from the key on."""
        low, high = self._wanted.min_id or 0, self._wanted.max_id or LAST_ID
        parts = [stream.where]
        compared, direction = ("<", "DESC") if order.descending else (">", "ASC")
        if stream.at:
            columns, by = f"{stream.at} AS at, {stream.id} AS id", f"{stream.at} {direction}, {stream.id} {direction}"
            if after is not None:
                # The first comparison alone bounds the index where the id is not one of its columns.
                parts.append(Clause(f"{stream.at} {compared}= ?", (after[0],)))
                parts.append(Clause(f"({stream.at}, {stream.id}) {compared} (?, ?)", after))
        else:
            columns, by = f"{stream.id} AS id", f"{stream.id} {direction}"
            if after is not None:
                low, high = (low, min(high, after[0] - 1)) if order.descending else (max(low, after[0] + 1), high)
            parts.append(Clause(f"{stream.id} >= ? AND {stream.id} <= ?", (low, high)))
        where = all_of(parts)
        distinct = "DISTINCT " if stream.distinct else ""
        return Clause(f"SELECT {distinct}{columns} FROM {stream.source} WHERE {where.sql} ORDER BY {by}", where.values)

    def _beyond(self, stream: Stream, driver: Driver) -> Clause:
        """What the filter demands of a job of this stream that the stream does not answer."""
        answered = driver.covers if stream.at else driver.covers | {"min_id", "max_id"}
        left = [clause for field, clause in self._conditions.items() if field not in answered]
        return all_of([*left, *([Clause(stream.also)] if stream.also else [])])

    def _count_in(self, stream: Stream, driver: Driver, most: int) -> tuple[int, bool]:
        """How many jobs of a stream match, up to `most`; and whether there were more candidates than are examined."""
        candidates = self._candidates(stream, NEWEST, None)
        demanded = self._beyond(stream, driver)
        if demanded.sql == "1":
            query = f"SELECT count(*) FROM ({candidates.sql} LIMIT ?)"
            return int(self._connection.execute(query, (*candidates.values, most)).fetchone()[0]), False
        query = f"""
            SELECT count(*) FROM (
                SELECT 1 FROM ({candidates.sql} LIMIT ?) AS candidate CROSS JOIN job ON job.id = candidate.id
                WHERE {demanded.sql} LIMIT ?
            )
        """
        values = (*candidates.values, MOST_EXAMINED_TO_COUNT, *demanded.values, most)
        number = int(self._connection.execute(query, values).fetchone()[0])
        values = (*candidates.values, MOST_EXAMINED_TO_COUNT)
        return number, self._connection.execute(f"{candidates.sql} LIMIT 1 OFFSET ?", values).fetchone() is not None


def _status_in(words: Iterable[str]) -> Clause:
    return Clause("status IN (SELECT value FROM json_each(?))", (json.dumps(sorted(words)),))
