from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live import LiveFarm


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveFarm]:
    """A server without clients."""
    farm = LiveFarm(tmp_path)
    yield farm
    farm.close()


@pytest.fixture
def farm_of_one(live: LiveFarm) -> LiveFarm:
    """A server and one client of two CPUs."""
    live.start_client("alpha")
    return live
