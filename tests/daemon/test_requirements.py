from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from hqclient.daemon.requirements import installed_version, unmet

ROOT = Path(__file__).resolve().parents[2]
OWN = (ROOT / "hqclient" / "requirements.txt").read_text(encoding="utf-8")
INSTALLED = {"h11": "0.16.0", "psutil": "7.1", "odd": "2.0rc1"}


@pytest.mark.parametrize(
    "requirement",
    [
        "h11",
        "h11>=0.16",
        "h11 >= 0.16, < 1",
        "h11==0.16",
        "psutil>=6,<8",
        "psutil>7.0.9",
        "psutil<=7.1.0",
        "odd>=2",
        "",
    ],
)
def test_what_is_installed_is_met(requirement: str) -> None:
    assert unmet(f"{requirement}\n", INSTALLED.get) == ""


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("h11>=0.17", "it needs h11>=0.17, and 0.16.0 is installed"),
        ("psutil>=6,<7", "it needs psutil>=6,<7, and 7.1 is installed"),
        ("psutil>7.1", "it needs psutil>7.1, and 7.1 is installed"),
        ("zstd>=1", "it needs zstd>=1, which is not installed"),
        ("h11 ; python_version < '4'", "cannot read"),
        ("h11~=0.16", "cannot read"),
        ("h11>=0.16,", "cannot read"),
        ("h11 @ http://elsewhere/h11.zip", "cannot read"),
    ],
)
def test_what_is_lacking_is_said(requirement: str, said: str) -> None:
    """9.28: changed dependencies are refused with the reason."""
    assert said in unmet(f"psutil>=6\n{requirement}\n", INSTALLED.get)


def test_every_lack_is_said() -> None:
    assert unmet("h11>=9\nzstd\n", INSTALLED.get).count("it needs") == 2


def test_what_the_client_needs_is_installed_here() -> None:
    assert unmet(OWN) == ""
    assert installed_version("no-such-distribution") is None


def test_the_file_says_what_the_project_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(OWN.split()) <= set(project["dependencies"])


def test_the_file_names_all_that_the_client_imports() -> None:
    named = {re.split("[<>=]", line)[0] for line in OWN.split()}
    imported = set()
    for path in (ROOT / "hqclient").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
    assert imported - sys.stdlib_module_names - {"hqclient", "hqserver"} == named
