"""Reports, as they are kept in the outbox and as they are sent (PROTOCOL.md).

A report's id is made of its run and its kind, so a daemon that has forgotten whether it sent one sends the
same id again; those of pauses, of which a run may have many, are numbered. Kept reports hold moments; what is sent
holds ages, for no clock reading crosses the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hqserver.domain.run import Stream

from .host_os import Moment
from .runs.exit_record import ExitRecord, LogSummary

STARTED, PAUSED, RESUMED, REFUSED, ENDED = "started", "paused", "resumed", "refused", "ended"
"""The kinds of reports."""

Report = dict[str, Any]
"""`id`, `run`, `kind`, and the keys of its kind; JSON values only."""


def started_report(run: str, started_seconds_ago: float) -> Report:
    """The run has begun. It is not kept: a daemon that finds the run alive makes it again."""
    return {"id": f"{run}:{STARTED}", "run": run, "kind": STARTED, "startedAgo": max(0.0, started_seconds_ago)}


def pause_report(run: str, paused: bool, number: int) -> Report:
    """The run is paused, or goes on. Not kept either: the server asks again. `number` is new for each such report."""
    kind = PAUSED if paused else RESUMED
    return {"id": f"{run}:{kind}:{number}", "run": run, "kind": kind}


def refused_report(run: str, reason: str) -> Report:
    """The run was never started and never will be."""
    return {"id": f"{run}:{REFUSED}", "run": run, "kind": REFUSED, "reason": reason}


def ended_report(run: str, record: ExitRecord) -> Report:
    """The run has ended as its exit record says."""
    return {
        "id": f"{run}:{ENDED}",
        "run": run,
        "kind": ENDED,
        "exitCode": record.exit_code,
        "signal": record.signal,
        "killed": record.killed,
        "reason": record.reason,
        "limit": record.limit,
        "failure": record.failure,
        "failureLine": record.failure_line,
        "startedAt": list(record.started_at),
        "endedAt": list(record.ended_at),
        "logSize": record.log_size,
        "logHash": record.log_hash,
        "logTruncated": record.log_truncated,
        "progress": record.progress,
        "cpuSeconds": record.cpu_seconds,
        "maxMemory": record.max_memory_kb,
        **_of_stderr(record.stderr),
    }


def _of_stderr(log: LogSummary | None) -> Report:
    return {} if log is None else {"stderrSize": log.size, "stderrHash": log.sha256, "stderrTruncated": log.truncated}


def log_sizes(report: Report) -> dict[Stream, int]:
    """The final size of each log that the run of an `ended` report has."""
    stderr = {Stream.STDERR: int(report["stderrSize"])} if "stderrSize" in report else {}
    return {Stream.STDOUT: int(report["logSize"]), **stderr}


def for_wire(report: Report) -> Report:
    """The report with every moment turned into an age in seconds, as of now."""
    sent = dict(report)
    for key in ("started", "ended"):
        moment: Sequence[Any] | None = sent.pop(f"{key}At", None)
        if moment is not None:
            sent[f"{key}Ago"] = Moment(*moment).age_seconds()
    return sent
