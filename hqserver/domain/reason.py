"""Why something does not happen: one requirement, what it asks for, what there is, and what would change it.

`explainJob` is made of these (CONTRACT 10, Why). They tell of the rules in `rules` and `waiting`, by which work
is given out; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reason:
    """One requirement of a job, or of a client towards a job, in words.

    `requirement` is a word for programs ("cpus", "enabled"); `remedy` says what would change it, "" where it holds.
    `sentence` is what it adds to `waitingFor`, "" where it holds or says nothing there.
    """

    requirement: str
    wanted: str
    found: str
    holds: bool
    remedy: str = ""
    sentence: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As callers read it."""
        return {
            "requirement": self.requirement,
            "wanted": self.wanted,
            "found": self.found,
            "holds": self.holds,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Alike:
    """Clients, by label, of which the same is true: all the `unmet` requirements and no others."""

    clients: tuple[str, ...]
    unmet: tuple[Reason, ...]


def alike(clients: Iterable[tuple[str, Sequence[Reason]]]) -> list[Alike]:
    """The clients with their reasons, put together by what keeps them from the job; the largest group first.

    What differs only in its remedy is the same: remedies name the client. The first one's is kept.
    """
    groups: dict[tuple[tuple[str, str, str], ...], tuple[list[str], tuple[Reason, ...]]] = {}
    for label, reasons in clients:
        unmet = tuple(reason for reason in reasons if not reason.holds)
        key = tuple((reason.requirement, reason.wanted, reason.found) for reason in unmet)
        groups.setdefault(key, ([], unmet))[0].append(label)
    found = [Alike(tuple(labels), unmet) for labels, unmet in groups.values()]
    return sorted(found, key=lambda group: -len(group.clients))
