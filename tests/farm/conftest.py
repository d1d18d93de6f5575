"""Fixtures: a server under fire, with somebody else who pings it throughout."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hostile_target import Target
from live_farm import LiveFarm
from side_pinger import SidePinger

MOST_GROWTH_KB = 100_000


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    live = LiveFarm(tmp_path_factory.mktemp("farm"))
    try:
        yield Target(live)
    finally:
        live.close()


@pytest.fixture(scope="module")
def pinger(target: Target) -> Iterator[SidePinger]:
    with SidePinger(target.port, every_seconds=0.02) as pinger:
        yield pinger


@pytest.fixture
def others_are_served(target: Target, pinger: SidePinger) -> Iterator[None]:
    """After the case (P10): every ping was answered within 2 s, the server's memory never grew by more than 100 MB
    beside what the case says that it may, and its log has no incident.
    """
    count, target.beside_kb = len(pinger.delays), 0
    target.forget_peak()
    before = target.peak_kb()
    yield
    assert pinger.slowest_since(count) < 2
    assert target.peak_kb() - before < MOST_GROWTH_KB + target.beside_kb
    assert target.server.process.poll() is None
    assert not [line for line in target.server.lines if "incident" in line]
