"""The programs of others that tests need, and the word on those that this machine lacks."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

_TOOLS = Path(__file__).resolve().parents[1] / "scripts" / "test_tools.py"


@cache
def tools() -> ModuleType:
    """scripts/test_tools.py, which knows what can be missing here."""
    spec = importlib.util.spec_from_file_location("test_tools", _TOOLS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def need() -> Callable[[str], None]:
    """Skips the test where the tool of this name in scripts/test_tools.py is missing; with CI=true it fails."""
    missing = {tool.name: tool.title for tool in tools().missing_tools()}

    def check(name: str) -> None:
        if name in missing:
            words = f"{missing[name]} is not installed here"
            if os.environ.get("CI") == "true":
                pytest.fail(words)
            pytest.skip(words)

    return check
