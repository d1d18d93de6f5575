"""The order in which found jobs come, in SQL, and where in it a page goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hqserver.domain.job_filter import NEWEST_FIRST, SORTABLE, SortTerm

from .clause import Clause

Key = tuple[Any, ...]
"""Where a job stands in an order: the values of the columns that it is sorted by, the id last."""

_COLUMNS = {
    "id": "id",
    "name": "name",
    "status": "status",
    "priority": "priority",
    "submittedBy": "submitted_by",
    "cpus": "cpus",
    "queueTime": "queued_at",
    "runnableTime": "runnable_at",
    "startTime": "started_at",
    "endTime": "ended_at",
    "updatedTime": "updated_at",
}
assert tuple(_COLUMNS) == SORTABLE


@dataclass(frozen=True, slots=True)
class Order:
    """Terms of which the last is the id."""

    terms: tuple[SortTerm, ...]

    @property
    def descending(self) -> bool:
        """Whether the first term descends: of an order that is walked, all do or none does."""
        return self.terms[0].descending

    @property
    def by_id(self) -> bool:
        return len(self.terms) == 1

    @property
    def by_time(self) -> str:
        """The column of the time by which alone it goes, "" for other orders."""
        alone = len(self.terms) == 2 and self.terms[0].descending == self.terms[1].descending
        return _COLUMNS[self.terms[0].attribute] if alone else ""

    @property
    def columns(self) -> str:
        """What a key is read from."""
        return ", ".join(f"job.{_COLUMNS[term.attribute]}" for term in self.terms)

    @property
    def sql(self) -> str:
        """What follows ORDER BY."""
        return ", ".join(
            f"job.{_COLUMNS[term.attribute]} {'DESC' if term.descending else 'ASC'}" for term in self.terms
        )

    def behind(self, key: Key) -> Clause:
        """That a job comes after this key. Missing times are the first, as SQLite sorts them."""
        choices: list[Clause] = []
        equal: list[Clause] = []
        for term, value in zip(self.terms, key, strict=True):
            column = f"job.{_COLUMNS[term.attribute]}"
            if value is None:
                later = Clause("0") if term.descending else Clause(f"{column} IS NOT NULL")
            elif term.descending:
                later = Clause(f"({column} < ? OR {column} IS NULL)", (value,))
            else:
                later = Clause(f"{column} > ?", (value,))
            parts = [*equal, later]
            sql = " AND ".join(part.sql for part in parts)
            choices.append(Clause(sql, tuple(each for part in parts for each in part.values)))
            equal.append(Clause(f"{column} IS ?", (value,)))
        sql = " OR ".join(f"({choice.sql})" for choice in choices)
        return Clause(sql, tuple(value for choice in choices for value in choice.values))


NEWEST = Order(NEWEST_FIRST)
