"""A minute of random faults: nothing lost, nothing doubled (PROMISES 7.2, S1, in short)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.farm

SOAK = Path(__file__).parent.parent.parent / "scripts" / "soak_farm.py"


@pytest.mark.timeout(420)
def test_a_minute_of_faults_loses_nothing_and_doubles_nothing() -> None:
    words = [sys.executable, str(SOAK), "--minutes", "1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", lost 0, doubled 0" in done.stdout
