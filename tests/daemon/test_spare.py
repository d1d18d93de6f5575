from __future__ import annotations

import pytest

from hqclient.daemon.spare import SpareGauge


def gauge(duration_seconds: float, beat_seconds: float = 0.005, cpus: int = 2) -> SpareGauge:
    made = SpareGauge(cpus)
    for _ in range(10):
        made.ended(duration_seconds, 100.0)
    made.beat_took(beat_seconds)
    return made


def test_nothing_waits_before_anything_has_ended() -> None:
    assert SpareGauge(2).spare([], 0.0) == 0


@pytest.mark.parametrize(("duration_seconds", "spare"), [(0.29, 4), (0.31, 0), (60.0, 0)])
def test_runs_wait_here_only_while_they_are_short(duration_seconds: float, spare: int) -> None:
    assert gauge(duration_seconds).spare([], 100.0) == spare


def test_the_shorter_the_runs_and_the_slower_the_beats_the_more_may_wait() -> None:
    assert gauge(0.002, beat_seconds=0.01).spare([], 100.0) == 20
    assert gauge(0.002, beat_seconds=5.0).spare([], 100.0) == 32, "but never more than 16 a CPU"
    assert gauge(0.002, beat_seconds=0.01, cpus=64).spare([], 100.0) == 640


def test_cpus_held_by_long_runs_do_not_count() -> None:
    assert gauge(0.01).spare([(1, 0.5), (1, 0.5)], 100.0) == 4
    assert gauge(0.01, cpus=8).spare([(6, 50.0)], 100.0) == 4
    assert gauge(0.01).spare([(1, 50.0), (1, 50.0)], 100.0) == 0


def test_after_handing_back_none_wait_for_a_while() -> None:
    made = gauge(0.01)
    made.handed_back(100.0)
    assert made.spare([], 104.9) == 0
    assert made.spare([], 105.1) == 4


def test_what_was_measured_is_forgotten_in_time() -> None:
    assert gauge(0.01).spare([], 131.0) == 0
