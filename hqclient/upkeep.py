"""What the server does for a while in the background, waited for (CONTRACT 10, Keeping).

Each call of these methods waits at the server for some seconds and then tells how far it is. A server that restarts
meanwhile is waited for and asked again: what it had begun goes on from what there is.
"""

from __future__ import annotations

from typing import Any

from .connection import Caller
from .news import Patience, Pauses


def compact(farm: Caller) -> dict[str, Any]:
    """Compact the database: what `compactDatabase` answers at its end."""
    farm.call("ping")  # one that is not there at the start is not waited for
    before = None
    while True:
        found = _asked(farm, "compactDatabase")
        before = found["before"] if before is None else before
        if not found["running"]:
            return {**found, "before": before}


def reset(farm: Caller, confirm: str, last_job: int | None) -> dict[str, Any]:
    """Remove all jobs up to `last_job`, by default all there are: what `resetFarm` answers at its end, with the jobs
    and the copy of its beginning."""
    if last_job is None:
        # Named from the first call on: jobs that come while the server is away are never meant.
        newest = farm.call("findJobs", {}, ["id"], ["-id"], 1)["jobs"]
        last_job = newest[0]["id"] if newest else None
    else:
        farm.call("ping")
    first: dict[str, Any] = {}
    while True:
        found = _asked(farm, "resetFarm", confirm, last_job)
        last_job = found["lastJob"]
        first = first or found
        if not found["running"]:
            return {**found, "jobs": max(first["jobs"], found["jobs"]), "copy": first["copy"] or found["copy"]}


def _asked(farm: Caller, name: str, *args: object) -> dict[str, Any]:
    pauses = Pauses()
    patience = Patience(pauses.clock)
    while (answer := patience.ask(farm, name, *args)) is None:
        pauses.take()
    return dict(answer)
