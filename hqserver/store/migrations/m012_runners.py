"""What runners that are not our daemon need: clients that are such."""

from __future__ import annotations

from sqlite_utils import Database

from .numbered import MIGRATIONS


@MIGRATIONS()
def m012_runners(db: Database) -> None:
    """Column: whether a client is a runner that asks for its work itself (CONTRACT 10, Locks and outside runners)."""
    db.execute("ALTER TABLE client ADD COLUMN outside INTEGER NOT NULL DEFAULT 0 CHECK (outside IN (0, 1))")
