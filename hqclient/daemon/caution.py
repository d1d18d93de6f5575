"""Which reports go with the next beat when the server does not take what a beat says: one that it chokes on must not
hold up the others (PROMISES 2.3). Pure: time is a parameter, in monotonic seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .reports import Report

MOST_REPORTS = 1_000
"""In one beat."""
FIRST_ASIDE_SECONDS, LONGEST_ASIDE_SECONDS = 30.0, 600.0
"""For how long a report that was refused alone is left out, and then sent alone again; each time twice as long."""


@dataclass(frozen=True)
class _Aside:
    """A report is left out until then; it was for so long the last time."""

    until: float
    seconds: float


class Caution:
    """Narrows down what a server does not take: half as many reports with each refusal, twice as many with each beat
    that is taken. The one that is refused alone waits by itself from then on."""

    def __init__(self) -> None:
        self.is_careful = False
        """Whether nothing but the chosen reports and their logs should go with the next beat."""
        self._most = MOST_REPORTS
        self._aside: dict[str, _Aside] = {}
        self._sent: list[str] = []
        self._left_any = False

    def choose(self, reports: Sequence[Report], now: float) -> list[Report]:
        """Those of the reports that wait which go with the next beat, in their order."""
        waiting = {str(report["id"]): report for report in reports}
        self._aside = {name: aside for name, aside in self._aside.items() if name in waiting}
        due = [name for name, aside in self._aside.items() if aside.until <= now]
        if due:
            self.is_careful, self._sent, self._left_any = True, due[:1], True
        else:
            names = [name for name in waiting if name not in self._aside]
            self._sent, self._left_any = names[: self._most], len(names) > self._most
        return [waiting[name] for name in self._sent]

    def taken(self) -> None:
        """The server has taken the beat with what was chosen."""
        self._most = min(MOST_REPORTS, 2 * self._most)
        if not self._left_any:
            self.is_careful, self._most = False, MOST_REPORTS

    def refused(self, now: float) -> bool:
        """The server did not take it. Returns whether the next beat says something else."""
        if self.is_careful and not self._sent:
            return False  # it takes nothing at all
        if self.is_careful and len(self._sent) == 1:
            (name,) = self._sent
            before = self._aside.get(name)
            seconds = FIRST_ASIDE_SECONDS if before is None else min(2 * before.seconds, LONGEST_ASIDE_SECONDS)
            self._aside[name] = _Aside(now + seconds, seconds)
        self._most = max(1, len(self._sent) // 2)
        self.is_careful = True
        return True
