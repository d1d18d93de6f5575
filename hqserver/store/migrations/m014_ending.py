"""What keeping a family's end together needs: how many children are cancelled and have not ended yet."""

from __future__ import annotations

from sqlite_utils import Database

from .numbered import MIGRATIONS


@MIGRATIONS()
def m014_ending(db: Database) -> None:
    """A counter on the job's row."""
    db.execute("ALTER TABLE job ADD COLUMN children_ending INTEGER NOT NULL DEFAULT 0 CHECK (children_ending >= 0)")
    db.execute(
        """
        UPDATE job SET children_ending = (
            SELECT count(*) FROM family JOIN job AS child ON child.id = child_id
            WHERE parent_id = job.id AND child.cancelled = 1 AND child.ended_at IS NULL
        )
        WHERE id IN (
            SELECT parent_id FROM job AS child JOIN family ON child_id = child.id
            WHERE child.cancelled = 1 AND child.ended_at IS NULL
        )
        """
    )
