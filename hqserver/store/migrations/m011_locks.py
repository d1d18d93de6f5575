"""What whoever works beside the farm needs: locks that are leases, and what a job's command leaves as its result."""

from __future__ import annotations

from sqlite_utils import Database

from .numbered import MIGRATIONS


@MIGRATIONS()
def m011_locks(db: Database) -> None:
    """Tables of locks and of results. `ends` is by the server's monotonic clock; a result goes with its job."""
    for statement in (
        """
        CREATE TABLE lock (
            name TEXT PRIMARY KEY CHECK (name <> ''),
            owner TEXT NOT NULL CHECK (owner <> ''),
            token TEXT NOT NULL UNIQUE CHECK (length(token) = 32),
            seconds REAL NOT NULL CHECK (seconds > 0),
            acquired_at REAL NOT NULL,
            ends REAL NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE job_result (
            job_id INTEGER PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
            document TEXT NOT NULL CHECK (json_valid(document))
        ) STRICT
        """,
    ):
        db.execute(statement)
