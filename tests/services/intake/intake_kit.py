"""What tests of submissions share: how many jobs there are, and a submission that must be refused."""

from __future__ import annotations

from typing import Any

import pytest

from hqserver.services.farm import Farm
from hqserver.services.intake import submission


def count(farm: Farm) -> int:
    with farm.database.read() as connection:
        return int(connection.execute("SELECT count(*) FROM job").fetchone()[0])


def refused(farm: Farm, kind: type[Exception], jobspec: Any, *rest: Any) -> str:
    """Submit what must be refused and leave nothing behind; the sentence."""
    before = count(farm)
    with pytest.raises(kind) as found:
        submission.submit(farm, jobspec, *rest)
    assert count(farm) == before
    with farm.database.read() as connection:
        assert not connection.execute(
            "SELECT * FROM family WHERE child_id > ? OR parent_id > ?", [before] * 2
        ).fetchall()
    return str(found.value)
