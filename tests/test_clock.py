"""The server's clock: what has come for certain (PROMISES P11)."""

from __future__ import annotations

import pytest

from hqserver.clock import SystemClock


class Wall(SystemClock):
    """The real clock, whose wall clock somebody sets."""

    def __init__(self) -> None:
        self.step = 0.0
        super().__init__()

    def now(self) -> float:
        return super().now() + self.step


@pytest.mark.parametrize(("step", "certain"), [(0.0, 0.0), (7 * 86400.0, 0.0), (-7 * 86400.0, -7 * 86400.0)])
def test_a_clock_that_is_set_ahead_is_believed_only_for_the_seconds_that_passed(step: float, certain: float) -> None:
    clock = Wall()
    began = clock.now()
    clock.step = step
    assert clock.certain() - began == pytest.approx(certain, abs=3600)
