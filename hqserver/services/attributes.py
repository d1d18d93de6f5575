"""Attributes: what `getJobs` and its like can be asked for, each declared once (DESIGN, Interfaces).

One declaration serves the methods, the generated reference, the page and `hq show`. A reader gets a batch of rows, so
that a thousand jobs cost one query and not a thousand; what nobody asked for is not computed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hqserver.domain.errors import BadParameters, near_match

from .farm import Farm


@dataclass(frozen=True, slots=True)
class Batch:
    """The things that are asked about, and where more is to be read."""

    farm: Farm
    connection: sqlite3.Connection
    rows: Sequence[Any]

    @property
    def ids(self) -> list[int]:
        return [row["id"] if isinstance(row, sqlite3.Row) else row.id for row in self.rows]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. `read` answers for a whole batch, in its order; `cost` is "row" (stands on the row itself) or
    "query" (one more query a batch)."""

    name: str
    sentence: str
    read: Callable[[Batch], Sequence[Any]]
    cost: str = "row"


def column(name: str, kind: Callable[[Any], Any] = lambda value: value) -> Callable[[Batch], Sequence[Any]]:
    """A reader of a column of the row."""
    return lambda batch: [kind(row[name]) for row in batch.rows]


def field(name: str) -> Callable[[Batch], Sequence[Any]]:
    """A reader of a field of the value."""
    return lambda batch: [getattr(row, name) for row in batch.rows]


def moment(at: float | None) -> datetime | None:
    """Epoch seconds as an aware datetime; None stays None."""
    return None if at is None else datetime.fromtimestamp(at, UTC)


def chosen(registry: Mapping[str, Attribute], names: Sequence[str] | None, always: Sequence[str]) -> list[Attribute]:
    """The attributes asked for, `always` first; all of them for None.

    Raises `BadParameters` with the near match for a name that is none (CONTRACT 9.4).
    """
    if names is None:
        return list(registry.values())
    for name in names:
        if name not in registry:
            raise BadParameters(f"attribs: there is no attribute {name!r}{near_match(name, registry)}")
    return [registry[name] for name in dict.fromkeys([*always, *names])]


def read(attributes: Sequence[Attribute], batch: Batch) -> list[dict[str, Any]]:
    """A dictionary of attributes for each thing of the batch."""
    columns = [attribute.read(batch) for attribute in attributes]
    names = [attribute.name for attribute in attributes]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)] if batch.rows else []
