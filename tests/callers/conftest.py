"""What the callers' tests share: one farm for all of them, and the word on what this machine lacks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from foreign import tools
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


@pytest.fixture(scope="session")
def need() -> Callable[[str], None]:
    """Skips the test where the tool of this name in scripts/test_tools.py is missing; with CI=true it fails."""
    missing = {tool.name: tool.title for tool in tools().missing_tools()}

    def check(name: str) -> None:
        if name in missing:
            words = f"{missing[name]} is not installed here"
            if os.environ.get("CI") == "true":
                pytest.fail(words)
            pytest.skip(words)

    return check
