"""Fixtures. What they give is in `farm_kit` and, for real processes, in `live_farm`; `tool_kit` knows
what this machine lacks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm

from hqserver.services.farm import Farm, Policy

pytest_plugins = ["live_farm", "tool_kit"]

if hasattr(signal, "SIGHUP"):
    # Under nohup it is ignored, and whatever tests start would inherit that.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# No test may depend on how busy the machine is: an example may take its time.
hypothesis.settings.register_profile(
    "whole", hypothesis.settings(), deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("whole")
# For `scripts/test --fast`. A test that wants more examples than others asks for a multiple of the profile's.
hypothesis.settings.register_profile("fast", hypothesis.settings.get_profile("whole"), max_examples=20)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def policy() -> Policy:
    return Policy(network_root={"linux": "/mnt/hq", "windows": "H:", "macosx": "/Volumes/HQShared"})


@pytest.fixture
def farm(tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy) -> Iterator[Farm]:
    """A farm on a real file. Whatever a test did to it, its counters must equal a recount at the end."""
    found = open_farm(tmp_path, clock, asked, policy)
    yield found
    check_counters(found)
    found.database.close()


@pytest.fixture
def client(farm: Farm) -> TestClient:
    """A registered client with two CPUs that has beaten once."""
    found = TestClient(farm)
    found.register()
    found.beat()
    return found
