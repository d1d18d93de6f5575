"""Why a run is to be ended, as the daemon leaves it in the run's folder for the runner to find."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .exit_record import MAX_REASON_LENGTH


@dataclass(frozen=True)
class KillRequest:
    """`limit` names the limit that the run has reached (`limits`), "" when nothing but somebody's wish ends it."""

    reason: str
    limit: str = ""

    def encode(self) -> bytes:
        """The request as a file holds it."""
        return json.dumps([self.reason[:MAX_REASON_LENGTH], self.limit]).encode("ascii")

    @classmethod
    def decode(cls, content: bytes) -> KillRequest:
        """The request in `content`. That the file is there is an order by itself: a disk may have been too full
        for what it was to say."""
        try:
            reason, limit = json.loads(content)
        except (ValueError, TypeError):
            return cls("")
        return cls(str(reason), str(limit))
