"""Whatever a test started, nothing of it is left when the test is over, passed or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from left_runs import end_left_runs


@pytest.fixture(autouse=True)
def no_run_outlives_its_test(tmp_path: Path) -> Iterator[None]:
    """Also where a test fails before it has told its runs to end."""
    yield
    end_left_runs(tmp_path)
