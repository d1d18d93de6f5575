"""Handing the outbox to the mail server. The only module that speaks SMTP.

One connection carries a batch. What the server refuses for good (5xx for a recipient or for the text) is dropped with
a line in the log; all other trouble is tried again later (`services.events.notices`). A mail leaves the outbox after
the server has accepted it, so a crash in between sends it twice, under the same Message-ID, and never loses it.
"""

from __future__ import annotations

import logging
import smtplib
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

from hqserver.domain.mail import Mail, MailServer
from hqserver.services.events import notices
from hqserver.services.farm import Farm

_LOG = logging.getLogger(__name__)
_ANSWER_SECONDS = 15.0
_STOP_SECONDS = 5.0
_FORMAT = SMTP.clone(cte_type="7bit")  # a server need not understand 8BITMIME


class Mailer:
    """Hands over mail in a thread of its own, so that a slow mail server keeps nothing waiting but the mail."""

    def __init__(self, farm: Farm, server: MailServer):
        self._farm = farm
        self._server = server
        self._asked = threading.Event()
        self._stopping = threading.Event()
        # A daemon: looking up the server's name cannot be interrupted, and must not hold up the end of the process.
        self._thread = threading.Thread(target=self._work, name="mailer", daemon=True)

    def start(self) -> None:
        """Begin to wait for asks."""
        self._thread.start()

    def ask(self) -> None:
        """Have what is due handed over soon. Returns at once, from any thread."""
        self._asked.set()

    def stop(self) -> None:
        """End after the mail that is under way; one that hangs is left, and goes out again after the next start."""
        self._stopping.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _work(self) -> None:
        while self._asked.wait() and not self._stopping.is_set():
            self._asked.clear()
            try:
                send_due(self._farm, self._server, self._stopping.is_set)
            except Exception:
                if not self._stopping.is_set():  # else the database may have been closed under it
                    _LOG.exception("handing over mail failed; it is tried again")


def send_due(farm: Farm, server: MailServer, stopping: Callable[[], bool] = lambda: False) -> None:
    """Hand over all mail that is due, as far as the server takes it; the rest is put off. Trouble goes to the log."""
    while not stopping():
        batch = notices.due(farm)
        if not batch or not _send_batch(farm, server, batch, stopping):
            return


def _send_batch(farm: Farm, server: MailServer, batch: Sequence[Mail], stopping: Callable[[], bool]) -> bool:
    """Hand over a batch on one connection; whether the server may be asked to take more."""
    try:
        connection = _connect(server)
    except OSError as problem:  # of the network, of TLS, or an answer of the server: smtplib's errors are such too
        _put_off(farm, server, batch, problem)
        return False
    try:
        for number, mail in enumerate(batch):
            if stopping():
                return False
            try:
                _send(farm, connection, server.sender, mail)
            except smtplib.SMTPSenderRefused as problem:
                _put_off(farm, server, batch[number:], problem)  # what is wrong with the sender is so for all of them
                return False
            except OSError as problem:
                _put_off(farm, server, [mail], problem)  # perhaps nothing but this mail is to blame
                return False
            if connection.sock is None:
                return False  # the server closed it (421); the others are still due
        return True
    finally:
        _hang_up(connection)


def _connect(server: MailServer) -> smtplib.SMTP:
    """A connection that may send: secured with the server's certificate checked, and logged in. Raises `OSError`."""
    if server.security == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=_ANSWER_SECONDS, context=ssl.create_default_context()
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=_ANSWER_SECONDS)
    try:
        if server.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
        if server.user:
            connection.login(server.user, server.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _hang_up(connection: smtplib.SMTP) -> None:
    try:
        connection.quit()
    except OSError:
        pass  # the server was quicker
    finally:
        connection.close()


def _send(farm: Farm, connection: smtplib.SMTP, sender: str, mail: Mail) -> None:
    """Hand over one mail and settle it, recipient by recipient. Raises `OSError` for trouble with anything else."""
    text = message(sender, mail).as_bytes()
    try:
        refused = connection.sendmail(sender, mail.recipients, text)
        unserved = tuple(refused)
    except smtplib.SMTPRecipientsRefused as problem:  # all of them, or those it asked for before it hung up
        refused, unserved = problem.recipients, mail.recipients
    except smtplib.SMTPDataError as problem:
        answer = (problem.smtp_code, _bytes(problem.smtp_error))
        refused, unserved = dict.fromkeys(mail.recipients, answer), mail.recipients
    lost = [recipient for recipient in unserved if recipient in refused and refused[recipient][0] >= 500]
    for recipient in lost:
        _LOG.error("mail to %s is refused: %s (%s)", recipient, mail.subject, _said(*refused[recipient]))
    again = tuple(recipient for recipient in unserved if recipient not in lost)
    if again:
        reasons = {_said(*refused[recipient]) for recipient in again if recipient in refused}
        notices.failed(farm, [replace(mail, recipients=again)], "; ".join(sorted(reasons)))
    else:
        notices.sent(farm, mail.id)


def _put_off(farm: Farm, server: MailServer, mails: Sequence[Mail], problem: OSError) -> None:
    if isinstance(problem, smtplib.SMTPResponseException):
        reason = _said(problem.smtp_code, _bytes(problem.smtp_error))
    else:
        reason = str(problem) or type(problem).__name__
    count = f"{len(mails)} mails wait" if len(mails) > 1 else "a mail waits"
    _LOG.warning("the mail server %s:%d does not take mail (%s); %s", server.host, server.port, reason, count)
    notices.failed(farm, mails, reason)


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _said(code: int, text: bytes) -> str:
    return f"{code} {text.decode('utf-8', 'replace')}"


def message(sender: str, mail: Mail) -> EmailMessage:
    """The mail as it is sent. Its Message-ID and Date are the same at every attempt."""
    found = EmailMessage(_FORMAT)
    found["From"] = sender
    found["To"] = ", ".join(mail.recipients)
    found["Subject"] = mail.subject
    found["Date"] = datetime.fromtimestamp(mail.queued_at, UTC)
    found["Message-ID"] = f"<hqserver.{mail.id}.{int(mail.queued_at * 1000)}@{sender.rpartition('@')[2]}>"
    found["Auto-Submitted"] = "auto-generated"
    found.set_content(mail.body)
    return found
