"""What trouble needs: strict leases, work that is put back for a while, clients that are set aside."""

from __future__ import annotations

from sqlite_utils import Database

from hqserver.domain.status import LIVE_RUN
from hqserver.store.schema import words

from .numbered import MIGRATIONS


@MIGRATIONS()
def m004_trouble(db: Database) -> None:
    """Columns: the lease of a job and a run in seconds, delayed work, why a client is set aside as sick."""
    for statement in (
        "ALTER TABLE job ADD COLUMN lease INTEGER NOT NULL DEFAULT 0 CHECK (lease >= 0)",
        "ALTER TABLE run ADD COLUMN lease INTEGER NOT NULL DEFAULT 0 CHECK (lease >= 0)",
        "ALTER TABLE work ADD COLUMN delayed INTEGER NOT NULL DEFAULT 0 CHECK (delayed IN (0, 1))",
        "ALTER TABLE client ADD COLUMN sick TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX work_delayed ON work (id) WHERE delayed = 1",
        f"CREATE INDEX run_leased ON run (id) WHERE lease > 0 AND status IN ({words(LIVE_RUN)})",
    ):
        db.execute(statement)
