"""What the callers' tests share: one farm for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_farm import LiveFarm


@pytest.fixture(scope="session")
def farm_of_callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFarm]:
    """A server and one client of four CPUs, for all tests of this folder."""
    farm = LiveFarm(tmp_path_factory.mktemp("callers"))
    try:
        farm.start_client("alpha", cpus=4)
        yield farm
    finally:
        farm.close()
