"""Fixtures: every method of a farm, and a proxy that calls them."""

from __future__ import annotations

from typing import Any

import pytest
from rpc_kit import proxy_to

from hqserver.app import surfaces
from hqserver.rpc.method import Registry
from hqserver.services.farm import Farm


@pytest.fixture
def registry(farm: Farm) -> Registry:
    return surfaces(farm)


@pytest.fixture
def hq(registry: Registry) -> Any:
    return proxy_to(registry)
