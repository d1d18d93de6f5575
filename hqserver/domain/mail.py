"""Mail about jobs: the reasons for it, whom it goes to, through which server, and what it says.

Sources: CONTRACT 2.1 (`emailTo`, `emailReasons`), 5.7 and 7.1. Nothing here sends; `hqserver.smtp` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .errors import near_match
from .status import WAITING, JobStatus
from .values import Wrong, as_words

_WORDING: Mapping[str, str] = {
    "abandoned": "was abandoned",
    "cancelled": "was cancelled",
    "ejected": "was taken off its client",
    "ejecting": "is being taken off its client",
    "failed": "failed",
    "paused": "is paused",
    "pausing": "is pausing",
    "priority changed": "has another priority",
    "queued": "is queued",
    "rescheduled": "was rescheduled",
    "resumed": "was resumed",
    "resuming": "is resuming",
    "runnable": "waits for a client",
    "running": "is running",
    "succeeded": "succeeded",
    WAITING: "waits for a client",
}
"""How a subject says it, by reason: job 417 "shot 12" ..."""

REASONS = tuple(_WORDING)
"""What a job's `emailReasons` may name (CONTRACT 7.1). `waiting` is as `runnable` (9.7)."""

MOST_RECIPIENTS = 50
_LONGEST_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
_LONGEST_NAME = 80
_LONGEST_MESSAGE = 500
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")

_DEFAULT_PORTS = {"none": 25, "starttls": 587, "tls": 465}
SECURITY = tuple(_DEFAULT_PORTS)
"""How the connection to the mail server is kept from listeners: not at all, by STARTTLS, by TLS from its first byte."""


@dataclass(frozen=True, slots=True)
class MailPolicy:
    """What mail says of the farm. `page_url` is the page's address, "" where links cannot be made;
    `error_recipients` get the errors of the farm itself (CONTRACT 5.7, `email_to`)."""

    farm_name: str
    page_url: str = ""
    error_recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MailServer:
    """The server that takes the farm's mail, and the address it is sent from. `security` is one of `SECURITY`;
    without `user` there is no login."""

    host: str
    port: int
    sender: str
    security: str = "none"
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in the outbox. `queued_at` in UTC epoch seconds; `attempts` to hand it over failed so far."""

    id: int
    queued_at: float
    recipients: tuple[str, ...]
    subject: str
    body: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a job's history as mail tells it: what (`event` and the status then), when (UTC epoch seconds), why,
    and on which client ("" for none). `piece` names the piece of its agenda that it befell, "" for the job itself."""

    event: str
    status: str
    at: float
    message: str = ""
    client: str = ""
    piece: str = ""

    @property
    def words(self) -> str:
        """What became of the job: "failed"."""
        said = _WORDING[self.event] if self.event in _WORDING else _WORDING.get(self.status, f"is {self.status}")
        return f"{said} ({self.piece})" if self.piece else said


def as_reasons(value: Any) -> tuple[str, ...]:
    """Reasons for mail, each once: a comma list or a list, such as HQueue's name lists joined.

    Case and the spaces within a name do not matter. Raises `Wrong`, with the near match.
    """
    known = {_bare(reason): reason for reason in REASONS}
    reasons: dict[str, None] = {}
    for word in _entries(value):
        reason = known.get(_bare(word))
        if reason is None:
            raise Wrong(f"must name reasons for mail ({word!r} is none{near_match(word, REASONS)})")
        reasons[reason] = None
    return tuple(reasons)


def as_recipients(value: Any) -> tuple[str, ...]:
    """Mail addresses, each once: a comma list or a list. Raises `Wrong` naming the entry that is no address."""
    addresses = _entries(value)
    for address in addresses:
        if len(address) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(address):
            raise Wrong(f"must be mail addresses ({address[:80]!r} is none)")
    if len(addresses) > MOST_RECIPIENTS:
        raise Wrong(f"must be at most {MOST_RECIPIENTS} mail addresses")
    return addresses


def _entries(value: Any) -> tuple[str, ...]:
    if not value:  # HQueue's submitters send "", 0 or False for nothing
        return ()
    return tuple(dict.fromkeys(entry for word in as_words(value) for entry in as_words(word)))


def _bare(word: str) -> str:
    return re.sub(r"[\s_-]+", "", word).lower()


def reasons_of(event: str, status: str) -> frozenset[str]:
    """The reasons for mail that a line of a job's history stands for.

    A new status, or the first one ("submitted"), stands for itself, and runnable for `waiting` too (CONTRACT 9.7).
    An event that is itself a reason ("rescheduled") stands for that, whatever the status. Others stand for none.
    """
    if event in ("status", "submitted"):
        return frozenset((status, WAITING) if status == JobStatus.RUNNABLE else (status,))
    return frozenset((event,)) & frozenset(REASONS)


def parse_mail_server(text: str, security: str) -> tuple[str, int]:
    """Host and port of `smtp_server`: `host`, `host:port` or `[IPv6]:port`; the port follows `security` by default.

    Raises `ValueError` with half a sentence: "must be ...".
    """
    found = re.fullmatch(rf"(?:\[([0-9A-Fa-f:.]+)\]|({_HOST}))(?::([0-9]{{1,5}}))?", text)
    port = int(found[3] or _DEFAULT_PORTS[security]) if found else 0
    if not found or not 0 < port < 65536:
        raise ValueError("must be a host or host:port")
    return found[1] or found[2], port


def job_mail(
    policy: MailPolicy,
    job_id: int,
    name: str,
    reasons: Sequence[str],
    happenings: Sequence[Happening],
    *,
    subject: str = "",
    asked_by: str = "The job",
) -> tuple[str, str]:
    """Subject and body of the mail about a job. `happenings`: what to tell, oldest first; the last is the subject,
    where none is given."""
    job = f'job {job_id} "{_shortened(name, _LONGEST_NAME)}"'
    lines = [f"{job[0].upper()}{job[1:]} {happenings[-1].words}."]
    for each in happenings:
        what = each.words if len(happenings) > 1 else ""
        facts = {"What": what, "When": _time(each.at), "Why": each.message, "Where": each.client}
        lines += ["", *(f"{key + ':':<8}{_shortened(fact, _LONGEST_MESSAGE)}" for key, fact in facts.items() if fact)]
    if policy.page_url:
        lines += ["", f"{policy.page_url}/jobs/view/{job_id}"]
    lines += ["", f"{asked_by} asks for this mail on: {', '.join(reasons)}.", ""]
    return _subject(policy, _shortened(subject, _LONGEST_MESSAGE) or f"{job} {happenings[-1].words}"), "\n".join(lines)


def error_line(at: float, source: str, message: str) -> str:
    """An error of the farm as one line of mail: time, who says it, what."""
    return f"{_time(at)}  {_shortened(source, _LONGEST_NAME)}: {_shortened(message, _LONGEST_MESSAGE)}"


def error_mail(policy: MailPolicy, lines: Sequence[str], count: int) -> tuple[str, str]:
    """Subject and body of the mail about `count` errors of the farm, of which `lines` tell the first."""
    told = list(lines)
    if count > len(lines):
        told.append(f"... and {count - len(lines)} more: see the server's log.")
    if policy.page_url:
        told += ["", f"{policy.page_url}/"]
    what = "1 error" if count == 1 else f"{count} errors"
    return _subject(policy, f"{what} of the farm"), "\n".join([f"The farm reports {what}.", "", *told, ""])


def _subject(policy: MailPolicy, text: str) -> str:
    return f"[{_shortened(policy.farm_name, _LONGEST_NAME)}] {text}"


def _shortened(text: str, most: int) -> str:
    """The text on one line: names and messages are anybody's, and may hold line ends that would forge a header."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= most else line[: most - 3] + "..."


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
