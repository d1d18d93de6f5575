"""Fixtures: a server that the tests of a module share, and somebody else who pings it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from http_kit import Server, serving
from side_pinger import SidePinger


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def pinger(server: Server) -> Iterator[None]:
    """Somebody else's pings, each of which must be answered within 2 s whatever the test does (PROMISES, P10)."""
    with SidePinger(server.port, every_seconds=0.01) as pinger:
        yield
        assert pinger.slowest_since(0) < 2
