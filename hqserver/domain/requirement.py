"""What a job requires of a client, as one value: jobs that require the same share a row and a check.

A requirement is the key by which the dispatch pass groups work, so that a thousand frames that fit nowhere cost one
check (DESIGN, Dispatch).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from .properties import Command


@dataclass(frozen=True, slots=True)
class Requirement:
    """`cpus`: CPUs needed, 0 = all of the machine's; `platforms`: keys it has a command for, () = any."""

    cpus: int = 1
    platforms: tuple[str, ...] = ()

    def key(self) -> str:
        """A canonical text, equal for equal requirements: how the database finds the row."""
        return json.dumps({"cpus": self.cpus, "platforms": self.platforms}, separators=(",", ":"))

    @classmethod
    def from_key(cls, key: str) -> Requirement:
        """The requirement that `key()` wrote down."""
        document = json.loads(key)
        return cls(document["cpus"], tuple(document["platforms"]))


def requirement_of(command: Command, cpus: int) -> Requirement:
    """What a job with this command and this many CPUs requires (CONTRACT 2.5, 9.5, 9.17)."""
    return Requirement(cpus, tuple(sorted(command)) if isinstance(command, dict) else ())
