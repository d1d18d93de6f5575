"""When a run's processes are asked to end, and when they are made to. Pure: time is a parameter."""

from __future__ import annotations

import math
from enum import Enum, auto

LINGER_SECONDS = 0.5
"""How long what a command left behind may take to end by itself, as the `tee` at the end of a pipe does."""
LEFTOVER_GRACE_SECONDS = 2.0
"""How long what was left behind has between SIGTERM and SIGKILL."""
STUCK_SECONDS = 60.0
"""After how long of SIGKILL in vain a run counts as stuck (PROMISES 3)."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.01, 1.0


class Action(Enum):
    """What the runner has to do now."""

    WAIT = auto()
    ASK = auto()
    STRIKE = auto()
    FINISH = auto()


class _Phase(Enum):
    RUNNING = auto()
    LINGERING = auto()
    ASKED = auto()
    STRIKING = auto()


class Ending:
    """The way of one run from running to nothing left."""

    def __init__(self, kill_grace_seconds: float) -> None:
        self._kill_grace_seconds = kill_grace_seconds
        self._phase = _Phase.RUNNING
        self._kill_wanted = False
        self._strikes_since = math.inf
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self.due_at = math.inf
        """When `step` wants to be called at the latest."""
        self.killed = False
        """Whether the command was still running when its end was requested."""

    @property
    def begun(self) -> bool:
        """Whether processes have been asked to end."""
        return self._phase in (_Phase.ASKED, _Phase.STRIKING)

    def request_kill(self) -> None:
        """The run is to end; a second request changes nothing."""
        self._kill_wanted = True

    def step(self, now: float, *, command_ended: bool, anything_left: bool) -> Action:
        """What to do at `now` (monotonic seconds). `anything_left`: some process of the tree is alive."""
        if command_ended and not anything_left:
            return Action.FINISH
        if self._phase in (_Phase.RUNNING, _Phase.LINGERING) and self._kill_wanted:
            self.killed = not command_ended
            return self._ask(now, self._kill_grace_seconds)
        if self._phase is _Phase.RUNNING and command_ended:
            self._phase, self.due_at = _Phase.LINGERING, now + LINGER_SECONDS
        if now < self.due_at:
            return Action.WAIT
        if self._phase is _Phase.LINGERING:
            return self._ask(now, LEFTOVER_GRACE_SECONDS)
        if self._phase is _Phase.ASKED:
            self._phase, self._strikes_since = _Phase.STRIKING, now
        self.due_at = now + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
        return Action.STRIKE

    def is_stuck(self, now: float) -> bool:
        """Whether SIGKILL has been in vain for so long that it should be said."""
        return now >= self._strikes_since + STUCK_SECONDS

    def _ask(self, now: float, grace_seconds: float) -> Action:
        self._phase, self.due_at = _Phase.ASKED, now + grace_seconds
        return Action.ASK
