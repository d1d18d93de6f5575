"""What callbacks need: who wants to hear of what, what is still to be delivered, which jobs a callback made."""

from __future__ import annotations

from sqlite_utils import Database

from .numbered import MIGRATIONS


@MIGRATIONS()
def m009_callbacks(db: Database) -> None:
    """Tables of callbacks, of deliveries that wait, and of jobs that a callback made.

    A callback goes with its job. A delivery points at nothing: what has happened is told though its job is gone.
    """
    for statement in (
        """
        CREATE TABLE callback (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            job_id INTEGER REFERENCES job (id) ON DELETE CASCADE,
            triggers TEXT NOT NULL,
            family INTEGER NOT NULL CHECK (family IN (0, 1)),
            kind TEXT NOT NULL CHECK (kind IN ('mail', 'webhook', 'command')),
            action TEXT NOT NULL,
            added_at REAL NOT NULL,
            added_by TEXT NOT NULL,
            fired INTEGER NOT NULL DEFAULT 0,
            waiting INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0,
            last_error TEXT NOT NULL DEFAULT ''
        ) STRICT
        """,
        "CREATE INDEX callback_of_job ON callback (job_id)",
        "CREATE INDEX callback_family ON callback (id) WHERE family = 1",
        """
        CREATE TABLE delivery (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            callback_id INTEGER NOT NULL,
            event_id INTEGER NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('webhook', 'command')),
            target TEXT NOT NULL,
            action TEXT NOT NULL,
            document TEXT NOT NULL,
            next_at REAL NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            UNIQUE (callback_id, event_id)
        ) STRICT
        """,
        "CREATE INDEX delivery_due ON delivery (kind, next_at)",
        "CREATE INDEX delivery_target ON delivery (target, next_at)",
        "CREATE INDEX delivery_callback ON delivery (callback_id, next_at)",
        """
        CREATE TABLE callback_job (
            job_id INTEGER PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
            callback_id INTEGER NOT NULL
        ) STRICT
        """,
    ):
        db.execute(statement)
