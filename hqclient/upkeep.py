"""What the server does for a while in the background, waited for (CONTRACT 10, Keeping).

Each call of these methods waits at the server for some seconds and then tells how far it is.
"""

from __future__ import annotations

from typing import Any

from .connection import Caller


def compact(farm: Caller) -> dict[str, Any]:
    """Compact the database: what `compactDatabase` answers at its end."""
    while (found := dict(farm.call("compactDatabase")))["running"]:
        pass
    return found


def reset(farm: Caller, confirm: str, last_job: int | None) -> dict[str, Any]:
    """Remove all jobs up to `last_job`, by default all there are: what `resetFarm` answers at its end."""
    found = dict(farm.call("resetFarm", confirm, last_job))
    while found["running"]:
        # Named by its last job, so that jobs which came since then are never meant.
        found = dict(farm.call("resetFarm", confirm, found["lastJob"]))
    return found
