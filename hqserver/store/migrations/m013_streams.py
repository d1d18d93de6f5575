"""What keeping stderr apart needs: which jobs and runs do, and what a run left in that log."""

from __future__ import annotations

from sqlite_utils import Database

from .numbered import MIGRATIONS


@MIGRATIONS()
def m013_streams(db: Database) -> None:
    """Columns: whether a job, and each run of it, has a log of its own for stderr; of a run that has ended its size,
    hash and whether it was cut, as for the log of stdout. No size: it kept none apart."""
    for statement in (
        "ALTER TABLE job ADD COLUMN split_output INTEGER NOT NULL DEFAULT 0 CHECK (split_output IN (0, 1))",
        "ALTER TABLE run ADD COLUMN split_output INTEGER NOT NULL DEFAULT 0 CHECK (split_output IN (0, 1))",
        "ALTER TABLE run ADD COLUMN stderr_size INTEGER",
        "ALTER TABLE run ADD COLUMN stderr_hash TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE run ADD COLUMN stderr_truncated INTEGER NOT NULL DEFAULT 0",
    ):
        db.execute(statement)
