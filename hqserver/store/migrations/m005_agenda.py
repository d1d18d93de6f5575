"""What agendas need: the frames of a work item, and how many of a job's may be worked on at once."""

from __future__ import annotations

from sqlite_utils import Database

from .numbered import MIGRATIONS


@MIGRATIONS()
def m005_agenda(db: Database) -> None:
    """Columns: whether a job has an agenda and its `maxConcurrent`, the frames and the package of a work item.

    `capped`: as many pieces of it are worked on as may be. Such a job leaves the queue until one has ended.
    """
    for statement in (
        "ALTER TABLE job ADD COLUMN agenda INTEGER NOT NULL DEFAULT 0 CHECK (agenda IN (0, 1))",
        "ALTER TABLE job ADD COLUMN max_concurrent INTEGER NOT NULL DEFAULT 0 CHECK (max_concurrent >= 0)",
        "ALTER TABLE job ADD COLUMN capped INTEGER NOT NULL DEFAULT 0 CHECK (capped IN (0, 1))",
        "ALTER TABLE work ADD COLUMN first INTEGER",
        "ALTER TABLE work ADD COLUMN last INTEGER",
        "ALTER TABLE work ADD COLUMN frames TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE work ADD COLUMN package TEXT NOT NULL DEFAULT ''",
        "DROP INDEX job_queue",
        """
        CREATE INDEX job_queue ON job (requirement_id, priority DESC, position, id)
        WHERE claimable > 0 AND held = '' AND capped = 0
        """,
        # Only pieces of agendas have names: other jobs pay nothing for it.
        "CREATE INDEX work_of_agenda ON work (job_id, id) WHERE name <> ''",
        "CREATE INDEX work_lost ON work (job_id) WHERE claimable = 1 AND status = 'running'",
    ):
        db.execute(statement)
