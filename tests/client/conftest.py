"""Fixtures: `hq` and the Python API over a real farm of this process, with a client called alpha."""

from __future__ import annotations

import pytest
from farm_kit import TestClient
from hq_over_services import ServicesHq

from hqserver.services.farm import Farm


@pytest.fixture
def farm_hq(farm: Farm, client: TestClient) -> ServicesHq:
    return ServicesHq(farm)
