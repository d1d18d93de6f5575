"""Actions of callbacks, said in Python: what is done when something becomes of a job (CONTRACT 10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def mail(to: str | Iterable[str], subject: str = "") -> dict[str, Any]:
    """Send mail to these addresses, a comma list or several. Without a subject it says what happened."""
    return {"type": "mail", "to": to if isinstance(to, str) else list(to), "subject": subject}


def webhook(url: str, secret: str = "") -> dict[str, Any]:
    """POST JSON to an http or https address, signed with HMAC-SHA256 under the secret where one is given."""
    return {"type": "webhook", "url": url, "secret": secret}


def command(command: str | Mapping[str, str], **properties: Any) -> dict[str, Any]:
    """Submit a job with this command and these properties of a specification; `$HQ_EVENT_JOB` names the other job."""
    return {"type": "command", "command": command if isinstance(command, str) else dict(command), **properties}
