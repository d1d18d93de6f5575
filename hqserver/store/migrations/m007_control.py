"""What control needs: places in the queue that can be changed, and work that somebody marked as done."""

from __future__ import annotations

from sqlite_utils import Database

from hqserver.store.queue import PLACES_A_JOB

from .numbered import MIGRATIONS


@MIGRATIONS()
def m007_control(db: Database) -> None:
    """Columns: who was marked as done by hand. Every job gets a place of its own, with room between two."""
    for statement in (
        "ALTER TABLE job ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0 CHECK (by_hand IN (0, 1))",
        "ALTER TABLE work ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0 CHECK (by_hand IN (0, 1))",
        f"UPDATE job SET position = id * {PLACES_A_JOB}",
    ):
        db.execute(statement)
