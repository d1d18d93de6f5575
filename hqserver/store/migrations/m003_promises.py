"""What the promises need: the results of calls whose answer may have been lost."""

from __future__ import annotations

from sqlite_utils import Database

from .numbered import MIGRATIONS


@MIGRATIONS()
def m003_promises(db: Database) -> None:
    """A table of calls that must not be done twice, for as long as nobody knows that they were answered."""
    db.execute(
        """
        CREATE TABLE call (
            token TEXT PRIMARY KEY,
            at REAL NOT NULL,
            result TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """
    )
