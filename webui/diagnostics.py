"""All that is known of a job in one file, for whoever is to say why it does not do what it should (CONTRACT 6.2)."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hqserver.domain.version import VERSION
from hqserver.services.farm import Farm
from hqserver.services.queries import overview
from hqserver.web import WebResponse

from . import wording


def job_diagnostics(farm: Farm, job_id: int) -> WebResponse:
    """The job's attributes, runs, log, notes and blocked clients as JSON, to keep. Raises `NotFound`.

    Of the variables of its environment only the names are told: files like this are sent to strangers.
    """
    found = overview.job_overview(farm, job_id)
    document = {
        "server": {"version": VERSION, "time": wording.iso(farm.clock.now())},
        "job": {**found.job, **found.unknown, "environment": sorted(found.job["environment"])},
        "parents": found.parents,
        "children": {"total": found.children_total, "first": [asdict(cell) for cell in found.cells]},
        "runs": [asdict(run) for run in found.runs],
        "blocked": [asdict(each) for each in found.blocked],
        "log": found.log,
        "notes": [asdict(note) for note in found.notes],
    }
    headers = {
        "Content-Disposition": f'attachment; filename="job-{job_id}.json"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    body = json.dumps(document, indent=2, default=_plain).encode() + b"\n"
    return WebResponse(body, 200, "application/json", headers)


def _plain(value: Any) -> str:
    return wording.iso(value.astimezone(UTC)) if isinstance(value, datetime) else str(value)
