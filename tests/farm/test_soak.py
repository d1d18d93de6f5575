"""S1 in short: a minute of every fault in turn, and nothing is lost or doubled (PROMISES 7.2)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.farm

SOAK = Path(__file__).parent.parent.parent / "scripts" / "soak_farm.py"


@pytest.mark.timeout(420)
def test_a_minute_of_faults_loses_nothing_and_doubles_nothing() -> None:
    """S1: every invariant was looked at, and holds. What a failure shows begins with the seed that repeats it."""
    words = [sys.executable, str(SOAK), "--minutes", "1", "--clients", "5"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^soak of 1 minutes, 5 clients, seed \d+$", done.stdout, re.MULTILINE)
    assert len(re.findall(r"^ *I\d+ kept ", done.stdout, re.MULTILINE)) == 10, done.stdout
    assert ", lost 0, doubled 0" in done.stdout
    assert int(re.findall(r"^accepted (\d+)", done.stdout, re.MULTILINE)[0]) > 50
