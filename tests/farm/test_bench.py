"""scripts/bench runs and prints each of its figures with a ratio. How large they are is not a test's business."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.farm

BENCH = Path(__file__).parent.parent.parent / "scripts" / "bench_farm.py"


@pytest.mark.timeout(330)
def test_the_benchmark_prints_every_figure_beside_its_yardstick() -> None:
    words = [sys.executable, str(BENCH), "--quick"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(\S.*?)\s{2,}[\d.]+ \S+ +[\d.]+ of (.+) \([\d.]+\)$", done.stdout, re.MULTILINE)
    assert [what for what, _ in rows] == [
        "end to end, `true`, 200 jobs, two slots",
        "newjob one by one",
        "newjob with 10,000 specifications in one call",
        "getJobs of 1,000 jobs, all attributes",
        "newjob with 1,000 nested children in one call",
        "the slowest ping meanwhile",
        "uiStatus, overallProgress, ETA, 1,000 descendants",
        "an agenda of 1,000 frames submitted",
        "an agenda of 1,000 frames submitted and the first command started",
        "findJobs, 100 of 20,000, the newest",
        "findJobs, 100 of 20,000, of one user, by end",
        "findJobs, 100 of 20,000, by a part of the name",
        "explainJob with 50 clients",
        "newjob to start, median",
        "newjob to start, p95",
    ], done.stdout
