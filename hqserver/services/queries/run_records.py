"""What is known of runs: listed job by job, and their output by offset, byte for byte (CONTRACT 9.20, 10)."""

from __future__ import annotations

import sqlite3
from typing import Any

from hqserver.domain.errors import BadParameters, NotFound, near_match
from hqserver.domain.run import Stream
from hqserver.services.attributes import moment
from hqserver.services.farm import Farm
from hqserver.store import jobs, runs

MOST_LISTED = 10_000
MOST_BYTES = 8 * 1024 * 1024
"""Bytes of output that one answer holds."""


def list_runs(farm: Farm, job_id: int, limit: int = 1_000, offset: int = 0) -> list[dict[str, Any]]:
    """A page of the job's runs, the oldest first; a negative offset counts from the end.

    Raises `NotFound` and `BadParameters`.
    """
    if not 1 <= limit <= MOST_LISTED:
        raise BadParameters(f"limit must be from 1 to {MOST_LISTED}, not {limit}")
    with farm.database.read() as connection:
        if jobs.load(connection, job_id) is None:
            raise NotFound(f"there is no job {job_id}")
        if offset < 0:
            offset = max(runs.count_of_job(connection, job_id) + offset, 0)
        return [_shown(farm, row) for row in runs.page(connection, job_id, limit, offset)]


def _shown(farm: Farm, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "work": row["work"],
        "slot": row["slot"],
        "kind": row["kind"],
        "client": farm.watch.label(row["client_id"]),
        "status": row["status"],
        "startTime": moment(row["started_at"]),
        "endTime": moment(row["ended_at"]),
        "exitCode": row["exit_code"],
        "signal": row["signal"],
        "reason": row["reason"] or "",
        "cpuSeconds": row["cpu_seconds"],
        "maxMemory": row["max_memory"],
        "splitOutput": bool(row["split_output"]),
    }


def run_output(
    farm: Farm, run_id: str, offset: int = 0, max_bytes: int = 1024 * 1024, stream: str = Stream.STDOUT
) -> dict[str, Any]:
    """A piece of what a run wrote, from a byte of it on; a negative offset counts from the end of what is here.

    Of a log that is longer than its run says, what is beyond is left out. A run that does not keep stderr apart has
    nothing there, and never will. Raises `NotFound` and `BadParameters`.
    """
    if stream not in tuple(Stream):
        raise BadParameters(f"stream must be {' or '.join(Stream)}, not {stream[:64]!r}{near_match(stream, Stream)}")
    source = Stream(stream)
    if not 1 <= max_bytes <= MOST_BYTES:
        raise BadParameters(f"max_bytes must be from 1 to {MOST_BYTES}, not {max_bytes}")
    with farm.database.read() as connection:
        # The end is read before the size: what a run that has ended wrote is here by then.
        row = runs.log_of(connection, run_id, source)
    if row is None:
        raise NotFound(f"there is no run {run_id[:64]!r}")
    here = farm.output.size(row["job_id"], run_id, source)
    ended = row["ended_at"] is not None or not row["kept"]
    whole = row["size"] if ended and row["size"] is not None else here
    size = min(here, whole)
    start = min(max(offset + size, 0) if offset < 0 else offset, size)
    data = farm.output.read(row["job_id"], run_id, start, min(max_bytes, size - start), source)
    return {
        "data": data,
        "offset": start,
        "next": start + len(data),
        "size": size,
        "ended": ended,
        "truncated": bool(row["truncated"]) or here < whole,
    }
