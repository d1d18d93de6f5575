"""Pausing as it was ordered for one run: what is wanted, what is being done, and what the server has yet to hear.

Pure. Times are monotonic seconds.
"""

from __future__ import annotations

from .reports import Report


class PauseOrders:
    """The orders to pause and to resume one run. The last one counts.

    One of them is carried out at a time. Each is carried out though the run may be as wanted already: that costs
    little, and sees to a process that somebody else has let go.
    """

    def __init__(self) -> None:
        self.wanted = False
        """Whether the run is to be paused."""
        self.report: Report | None = None
        """How things stand, until the server has it."""
        self.ended_seconds = 0.0
        """How long the pauses took that are over."""
        self._carrying_out = False
        self._since: float | None = None

    @property
    def paused(self) -> bool:
        """Whether the run is paused, or some of it may be."""
        return self._since is not None

    def ordered(self, pause: bool) -> bool:
        """An order came, perhaps not for the first time. Returns whether to `begin` now."""
        if self.report is not None and pause is self.wanted:
            return False  # it is done, and the server is about to hear so
        self.wanted, self.report = pause, None
        return not self._carrying_out

    def begin(self, now: float) -> None:
        """What is wanted is being carried out."""
        self._carrying_out = True
        if self.wanted and self._since is None:
            self._since = now

    def done(self, paused: bool, now: float) -> bool:
        """It has been carried out. Returns whether it is still what is wanted; otherwise `begin` again."""
        self._carrying_out = False
        if not paused and self._since is not None:
            self.ended_seconds += now - self._since
            self._since = None
        return paused is self.wanted

    def answered(self, report_id: str) -> None:
        """The server has that report."""
        if self.report is not None and self.report["id"] == report_id:
            self.report = None

    def found(self, ended_seconds: float, since: float | None) -> None:
        """An earlier daemon left the run with pauses that took so long, and paused since then if it is."""
        self.ended_seconds, self._since, self.wanted = ended_seconds, since, since is not None

    def seconds(self, now: float) -> float:
        """How long the run has been paused in all."""
        return self.ended_seconds + (0.0 if self._since is None else now - self._since)
