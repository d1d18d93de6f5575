"""The README names tests for its promises, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
README = (TESTS.parent / "README.md").read_text("utf-8")
ROWS = {number: row for row in README.splitlines() for number in re.findall(r"^\| (P\d+) \|", row)}
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", README)))


def test_every_promise_has_its_row() -> None:
    assert list(ROWS) == [f"P{number}" for number in range(1, 17)]


@pytest.mark.parametrize("number", ROWS)
def test_a_promise_names_a_test(number: str) -> None:
    assert re.search(r"`[\w/]+\.py::\w+`", ROWS[number])


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_the_readme_names_exists(file: str, name: str) -> None:
    found = set()
    for node in ast.parse((TESTS / file).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    assert name in found


def test_what_the_readme_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(links) > 3
    assert [link for link in links if not (TESTS.parent / link).exists()] == []
