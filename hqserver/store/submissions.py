"""Submissions by their key: the same key again gives the first ids (CONTRACT 10, Keeping)."""

from __future__ import annotations

import json
import sqlite3


def find(connection: sqlite3.Connection, key: str) -> tuple[str, list[int]] | None:
    """The digest of what was submitted under this key, and the ids it got."""
    row = connection.execute("SELECT digest, job_ids FROM submission WHERE key = ?", (key,)).fetchone()
    return None if row is None else (row[0], json.loads(row[1]))


def remember(connection: sqlite3.Connection, key: str, digest: str, job_ids: list[int], at: float) -> None:
    """Keep a submission in mind."""
    connection.execute(
        "INSERT INTO submission (key, digest, job_ids, at) VALUES (?, ?, ?, ?)", (key, digest, json.dumps(job_ids), at)
    )


def forget_before(connection: sqlite3.Connection, at: float) -> None:
    """Forget what was submitted before this time."""
    connection.execute("DELETE FROM submission WHERE at < ?", (at,))
