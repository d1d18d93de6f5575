"""Fixtures: a database that nobody must find lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hqserver.store.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    lost: list[str] = []
    with closing(Database(tmp_path / "farm.db", on_lost=lost.append)) as found:
        yield found
    assert lost == []
