"""What limits need: resources that are a rate, and what was started lately of those."""

from __future__ import annotations

from sqlite_utils import Database

from .numbered import MIGRATIONS


@MIGRATIONS()
def m010_limits(db: Database) -> None:
    """Column: whether a resource is a rate per minute. A table of starts; nothing in it points at another table, for
    they count on when their run, its job or the resource is gone."""
    for statement in (
        "ALTER TABLE resource ADD COLUMN rate INTEGER NOT NULL DEFAULT 0 CHECK (rate IN (0, 1 - per_machine))",
        """
        CREATE TABLE resource_start (
            run_id TEXT NOT NULL,
            name TEXT NOT NULL,
            amount INTEGER NOT NULL CHECK (amount > 0),
            at REAL NOT NULL,
            PRIMARY KEY (run_id, name)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX resource_start_at ON resource_start (at, name, amount)",
    ):
        db.execute(statement)
