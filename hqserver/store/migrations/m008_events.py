"""The journal of the farm: what happened, in order, kept for a while."""

from __future__ import annotations

from sqlite_utils import Database

from .numbered import MIGRATIONS


@MIGRATIONS()
def m008_events(db: Database) -> None:
    """A table of events. Nothing in it points at another table: it tells of jobs and clients that are gone, too.

    A job's runs are listed in the order in which they were stored, whatever the clock said.
    """
    for statement in (
        """
        CREATE TABLE event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at REAL NOT NULL,
            kind TEXT NOT NULL,
            job_id INTEGER,
            root_id INTEGER,
            work TEXT NOT NULL,
            client TEXT NOT NULL,
            was TEXT NOT NULL,
            now TEXT NOT NULL,
            reason TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX event_job ON event (job_id) WHERE job_id IS NOT NULL",
        "DROP INDEX run_job",
        "CREATE INDEX run_job ON run (job_id)",
    ):
        db.execute(statement)
