"""Conditions in SQL that are put together from parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of SQL and the values of its question marks."""

    sql: str
    values: tuple[object, ...] = ()


EVERYTHING = Clause("1")


def all_of(clauses: Iterable[Clause]) -> Clause:
    """That all of them hold."""
    clauses = list(clauses)
    sql = " AND ".join(f"({clause.sql})" for clause in clauses)
    return Clause(sql or EVERYTHING.sql, tuple(value for clause in clauses for value in clause.values))
