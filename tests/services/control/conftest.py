"""Fixtures: a client beside the first."""

from __future__ import annotations

import pytest
from farm_kit import TestClient

from hqserver.services.farm import Farm


@pytest.fixture
def other(farm: Farm) -> TestClient:
    """A second client, which takes no work until it beats again."""
    found = TestClient(farm, hostname="beta", session="b")
    found.register()
    found.beat(accepting=False)
    return found
