"""A look at a job, as callers have it: some of its attributes, its status, its history."""

from __future__ import annotations

from typing import Any

from hqserver.services.farm import Farm
from hqserver.services.queries import lookup


def read(farm: Farm, job_id: int, *attribs: str) -> list[Any]:
    """The values of these attributes."""
    found = lookup.job_detail(farm, job_id, attribs)
    return [found[name] for name in attribs]


def status(farm: Farm, job_id: int) -> str:
    return str(read(farm, job_id, "status")[0])


def lines(farm: Farm, job_id: int, event: str) -> list[str]:
    """The messages of the job's history under one event."""
    return [line["message"] for line in read(farm, job_id, "logs")[0] if line["event"] == event]
