"""The farm in numbers, for machines: Prometheus' text format, and the health check."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hqserver.domain.errors import Busy
from hqserver.domain.version import VERSION
from hqserver.services.farm import Farm
from hqserver.services.queries import overview, overview_clients
from hqserver.web import WebResponse

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def metrics(farm: Farm, tick_ages: Mapping[str, float]) -> WebResponse:
    """Jobs by status, clients by availability, live runs by status, and whether the server's own clockwork goes.

    The names of labels are the farm's own words. `tick_ages`: seconds since each tick last ran.
    """
    counts = overview_clients.farm_counts(farm)
    clients = {str(availability): count for availability, count in counts.clients.items()}
    ages = {name: round(seconds, 3) for name, seconds in tick_ages.items()}
    text = "".join(
        (
            _gauge("hqserver_info", "The server's version.", "version", {VERSION: 1}),
            _gauge("hqserver_jobs", "Jobs by their status.", "status", counts.jobs),
            _gauge("hqserver_clients", "Clients by their availability.", "availability", clients),
            _gauge("hqserver_live_runs", "Runs that have not ended, by their status.", "status", counts.runs),
            _gauge("hqserver_tick_age_seconds", "Seconds since each tick of the server last ran.", "tick", ages),
        )
    )
    return WebResponse(text.encode(), 200, _TEXT, {"Cache-Control": "no-store"})


def _gauge(name: str, sentence: str, label: str, values: Mapping[str, float]) -> str:
    lines = [f"# HELP {name} {sentence}", f"# TYPE {name} gauge"]
    lines += [f'{name}{{{label}="{value}"}} {number}' for value, number in values.items()]
    return "\n".join(lines) + "\n"


def health(farm: Farm) -> WebResponse:
    """200 while the database can be read, else 503; never kept."""
    try:
        overview.read_check(farm)
    except Busy as problem:
        return _json({"status": "unavailable", "reason": str(problem), "version": VERSION}, 503)
    return _json({"status": "ok", "version": VERSION}, 200)


def _json(answer: Mapping[str, str], status: int) -> WebResponse:
    body = json.dumps(answer).encode() + b"\n"
    return WebResponse(body, status, "application/json", {"Cache-Control": "no-store"})
