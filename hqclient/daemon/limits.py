"""The limits of a start order that its client enforces: what a run may use, and what is said when that is used up.

Pure: whoever watches a run brings the times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .runs.kill_request import KillRequest

MAX_TIME = "maxTime"
"""Name of the limit of time, in start orders and in `ended` reports."""


@dataclass(frozen=True)
class Limits:
    """What a run may use before the daemon ends it. 0 is no limit.

    `max_time_seconds`: how long its command may run, the time it was paused not counted.
    """

    max_time_seconds: float = 0.0

    def time_is_over_at(self, began_at: float) -> float:
        """When the time is over of a command that began at `began_at` and is not paused; infinity for never."""
        return began_at + self.max_time_seconds if self.max_time_seconds else math.inf

    def time_is_over(self) -> KillRequest:
        """What ends a run that has used up its time."""
        return KillRequest(f"maxTime of {self.max_time_seconds:g} s is over", MAX_TIME)

    def as_struct(self) -> dict[str, object]:
        """The limits as PROTOCOL.md has them in a start order."""
        return {MAX_TIME: self.max_time_seconds}
