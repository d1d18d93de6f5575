"""Notices: mail about jobs, as their submitters ask for it, and about errors of the farm (CONTRACT 7.1).

Mail is written in the transaction in which its cause happens, into the outbox, and taken from there once the mail
server has accepted it: a crash in between may send a mail twice and never loses one.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

from hqserver.domain.mail import Happening, Mail, MailPolicy, error_line, error_mail, job_mail, reasons_of
from hqserver.services.farm import Farm
from hqserver.store import mails
from hqserver.store.database import Transaction
from hqserver.store.history import Entry
from hqserver.store.mails import ErrorDigest

_LOG = logging.getLogger(__name__)
_BATCH = 100
_FIRST_WAIT_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 3600.0
_GIVEN_UP_SECONDS = 2 * 86400.0
_DIGEST_SECONDS = 300.0
_DIGEST_LINES = 100
_ABOUT_MAIL = ("smtp", "notices")


def warning(policy: MailPolicy | None, recipients: Sequence[str], reasons: Sequence[str]) -> str:
    """Why a job that names reasons for mail will send none: a line for its history; "" where all is well."""
    if not reasons:
        return ""
    if not recipients:
        return "emailReasons without emailTo: nobody is told"
    if policy is None:
        return "no mail server is configured (smtp_server): emailReasons sends no mail"
    return ""


def queue_mail(farm: Farm, connection: sqlite3.Connection, entries: Iterable[Entry], now: float) -> None:
    """Queue the mail that these new lines of history ask for: for each job at most one, which tells of all its lines.

    Call it in the transaction that writes the lines. Nothing is queued where no mail server is configured. `now`: UTC
    epoch seconds.
    """
    policy = farm.policy.mail
    if policy is None:
        return
    by_job: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.job_id > farm.leaving.last_job:
            by_job[entry.job_id].append(entry)
    wanted = {}
    for job_id, job in mails.about_jobs(connection, by_job).items():
        told = [entry for entry in by_job[job_id] if reasons_of(entry.event, entry.status) & set(job.reasons)]
        if told and job.recipients:
            wanted[job_id] = (job, told)
    clients = {entry.client_id for _, told in wanted.values() for entry in told if entry.client_id is not None}
    labels = mails.client_labels(connection, clients) if clients else {}
    for job_id, (job, told) in wanted.items():
        happenings = [
            Happening(entry.event, entry.status, entry.at, entry.message, labels.get(entry.client_id or 0, ""))
            for entry in told
        ]
        subject, body = job_mail(policy, job_id, job.name, job.reasons, happenings)
        mails.add(connection, job.recipients, subject, body, now, now)


def queue_error_mail(
    farm: Farm, connection: sqlite3.Connection, errors: Sequence[tuple[float, str, str]], now: float
) -> None:
    """Queue mail about errors of the farm to `email_to`: (UTC epoch seconds, who says it, what) each.

    The first goes out at once; what follows within five minutes is gathered into the next, which goes out after them.
    Errors about mail itself, by their source, are left out: the mail about them would fail alike, and so without end.
    """
    policy = farm.policy.mail
    lines = [error_line(at, source, message) for at, source, message in errors if source not in _ABOUT_MAIL]
    if policy is None or not policy.error_recipients or not lines:
        return
    last = mails.newest_digest(connection)
    if last is not None:
        grown = ErrorDigest(last.mail_id, last.due_at, [*last.lines, *lines][:_DIGEST_LINES], last.count + len(lines))
        if mails.rewrite(connection, grown.mail_id, *error_mail(policy, grown.lines, grown.count), now):
            mails.save_digest(connection, grown)
            return
    recent = last is not None and abs(now - last.due_at) < _DIGEST_SECONDS
    due_at = last.due_at + _DIGEST_SECONDS if last is not None and recent else now
    digest = ErrorDigest(0, due_at, lines[:_DIGEST_LINES], len(lines))
    subject, body = error_mail(policy, digest.lines, digest.count)
    digest.mail_id = mails.add(connection, policy.error_recipients, subject, body, now, digest.due_at)
    mails.save_digest(connection, digest)


def due(farm: Farm) -> list[Mail]:
    """The mail to hand over now, longest due first, a batch at most."""
    now = farm.clock.now()
    with farm.database.read() as connection:
        return mails.due(connection, now, now + _LONGEST_WAIT_SECONDS, _BATCH)


def sent(farm: Farm, mail_id: int) -> None:
    """The mail server has accepted this mail, or refused it for good: it leaves the outbox."""
    farm.database.write(lambda transaction: mails.remove(transaction.connection, mail_id))


def failed(farm: Farm, unsent: Sequence[Mail], reason: str) -> None:
    """These mails could not be handed over, to the recipients they name: try again after 1, 2, 4 ... 60 minutes.

    After two days a mail is given up, with a line in the log.
    """
    now = farm.clock.now()
    given_up = {mail.id for mail in unsent if now - mail.queued_at >= _GIVEN_UP_SECONDS}

    def write(transaction: Transaction) -> None:
        for mail in unsent:
            if mail.id in given_up:
                mails.remove(transaction.connection, mail.id)
            else:
                wait = min(_FIRST_WAIT_SECONDS * 2.0 ** min(mail.attempts, 10), _LONGEST_WAIT_SECONDS)
                mails.postpone(transaction.connection, mail.id, mail.recipients, now + wait)

    farm.database.write(write)
    for mail in unsent:
        if mail.id in given_up:
            whom = ", ".join(mail.recipients)
            _LOG.error("mail to %s is given up after two days: %s (%s)", whom, mail.subject, reason)
