"""The outbox: mail that waits for the mail server, and what mail about jobs is written from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from hqserver.domain.mail import Mail
from hqserver.domain.values import as_words

_IN = "IN (SELECT value FROM json_each(?))"
_DIGEST = "error digest"


@dataclass(frozen=True, slots=True)
class JobMail:
    """What a job says about mail: its name, whom it tells, and the reasons."""

    name: str
    recipients: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(slots=True)
class ErrorDigest:
    """The newest mail about errors: its id, when it is due (UTC epoch seconds), its first lines, all it counts."""

    mail_id: int
    due_at: float
    lines: list[str]
    count: int


def add(
    connection: sqlite3.Connection, recipients: Iterable[str], subject: str, body: str, queued_at: float, next_at: float
) -> int:
    """Put a mail in the outbox, to be handed over from `next_at` on; its id."""
    cursor = connection.execute(
        "INSERT INTO mail (queued_at, recipients, subject, body, next_at) VALUES (?, ?, ?, ?, ?)",
        (queued_at, ",".join(recipients), subject, body, next_at),
    )
    return int(cursor.lastrowid or 0)


def due(connection: sqlite3.Connection, at: float, beyond: float, limit: int) -> list[Mail]:
    """Mail whose time has come, longest due first; and mail set later than `beyond`, which no plan reaches: the clock
    was set back since."""
    rows = connection.execute(
        """
        SELECT id, queued_at, recipients, subject, body, attempts FROM mail
        WHERE next_at <= ? OR next_at > ? ORDER BY next_at, id LIMIT ?
        """,
        (at, beyond, limit),
    )
    return [Mail(row[0], row[1], tuple(row[2].split(",")), *row[3:]) for row in rows]


def remove(connection: sqlite3.Connection, mail_id: int) -> None:
    """Take a mail out of the outbox."""
    connection.execute("DELETE FROM mail WHERE id = ?", (mail_id,))


def postpone(connection: sqlite3.Connection, mail_id: int, recipients: Iterable[str], next_at: float) -> None:
    """One more attempt failed: try again at `next_at`, for these recipients."""
    connection.execute(
        "UPDATE mail SET attempts = attempts + 1, recipients = ?, next_at = ? WHERE id = ?",
        (",".join(recipients), next_at, mail_id),
    )


def rewrite(connection: sqlite3.Connection, mail_id: int, subject: str, body: str, now: float) -> bool:
    """Change what a mail says that is not due yet; False where it has gone out or may be going out at this moment."""
    changed = connection.execute(
        "UPDATE mail SET subject = ?, body = ? WHERE id = ? AND next_at > ?", (subject, body, mail_id, now)
    )
    return changed.rowcount > 0


def about_jobs(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, JobMail]:
    """What these jobs say about mail, by id; jobs that want none are left out."""
    rows = connection.execute(
        f"""
        SELECT id, name, json_quote(json_extract(specification, '$.emailTo')), mail_reasons FROM job
        WHERE mail_reasons <> '' AND id {_IN}
        """,
        (json.dumps(list(job_ids)),),
    )
    return {row[0]: JobMail(row[1], as_words(json.loads(row[2]) or ""), tuple(row[3].split(","))) for row in rows}


def client_labels(connection: sqlite3.Connection, client_ids: Iterable[int]) -> dict[int, str]:
    """What people call these clients: `hostname` or `hostname:name`, by id."""
    rows = connection.execute(
        f"SELECT id, hostname || iif(name = '', '', ':' || name) FROM client WHERE id {_IN}",
        (json.dumps(list(client_ids)),),
    )
    return {row[0]: row[1] for row in rows}


def newest_digest(connection: sqlite3.Connection) -> ErrorDigest | None:
    """The newest mail about errors, sent or not; None where there never was one."""
    row = connection.execute("SELECT value FROM farm WHERE key = ?", (_DIGEST,)).fetchone()
    return None if row is None else ErrorDigest(**json.loads(row[0]))


def save_digest(connection: sqlite3.Connection, digest: ErrorDigest) -> None:
    """Remember the newest mail about errors."""
    value = json.dumps(asdict(digest))
    connection.execute("REPLACE INTO farm (key, value) VALUES (?, ?)", (_DIGEST, value))
