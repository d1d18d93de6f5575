"""Every decision of the contract's section 9 has a test that quotes its number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
QUOTED = {
    int(number)
    for path in TESTS.rglob("*.py")
    if path != Path(__file__)
    for number in re.findall(r"(?<![\w.])9\.([1-9][0-9]?)(?![\w]|\.[0-9])", path.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("number", range(1, 29))
def test_a_test_quotes_the_decision(number: int) -> None:
    assert number in QUOTED, f"no test says that it shows decision 9.{number}"
