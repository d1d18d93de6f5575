"""What clients say of their runs (PROTOCOL.md, Reports). Applied once, and only from the run's owner (PROMISES 2.1)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from hqserver.domain.failure import FailureAction
from hqserver.domain.lifecycle import InvalidTransition, RunEvent
from hqserver.domain.run import RunEnd, Stream
from hqserver.domain.status import RunStatus
from hqserver.services.events.errors import note_client_error
from hqserver.store import runs, work

from .progression import happen
from .sheet import Sheet

_LOG = logging.getLogger(__name__)

APPLIED, SUPERSEDED, UNKNOWN = "applied", "superseded", "unknown"
NOT_YET = ""
"""No answer: the client keeps the report, and sends it again with the log that is missing."""
STARTED, PAUSED, RESUMED, ENDED, REFUSED = "started", "paused", "resumed", "ended", "refused"
KINDS = (STARTED, PAUSED, RESUMED, ENDED, REFUSED)


@dataclass(frozen=True, slots=True)
class Report:
    """One report. Ages are seconds before the beat that brings it was sent.

    `limit` names the limit that the run reached; `failure` is the action of the failure pattern that matched a line of
    its output, `failure_line`. `log_sent`, `stderr_sent`: bytes of each log that the client has given with this beat
    and before, which are all it has.
    """

    id: str
    run: str
    kind: str
    started_ago: float | None = None
    ended_ago: float = 0.0
    killed: bool = False
    limit: str = ""
    failure: str = ""
    failure_line: str = ""
    log_sent: int = 0
    stderr_sent: int = 0
    end: RunEnd = field(default_factory=RunEnd)


def apply(sheet: Sheet, client_id: int, label: str, report: Report) -> str:
    """Apply a report; what the client is told: `applied`, `superseded`, `unknown`, or nothing.

    A report applied before is `applied` again and changes nothing. The end of a run is not taken while a part of its
    logs that the client has is not stored: the client would forget it.
    """
    run = runs.load(sheet.connection, report.run)
    if run is None or run.client_id != client_id:
        return UNKNOWN
    if run.ended_at is not None:
        return _late(sheet, run, report, label)
    if _lacks_log(sheet, run, report):
        return NOT_YET
    if report.started_ago is not None and run.started_at is None:
        run.started_at = max(sheet.now - max(report.started_ago, 0.0), run.offered_at)
    if report.kind == ENDED:
        run.ended_at = max(sheet.now - max(report.ended_ago, 0.0), run.started_at or run.offered_at)
    if report.kind == REFUSED and " cannot " in report.end.reason:
        note_client_error(sheet.connection, client_id, f"job {run.job_id}: {report.end.reason}", sheet.now)
    event = _event(report)
    if event is RunEvent.EXITED_NONZERO and report.failure == FailureAction.FATAL:
        _try_no_more(sheet, run)
    try:
        happen(sheet, run, event, _with_line(report), reason=_reason(report, label))
    except InvalidTransition as problem:
        _LOG.warning("%s reported %s of run %s, which is ignored: %s", label, report.kind, run.id, problem)
    return APPLIED


def _lacks_log(sheet: Sheet, run: runs.RunRow, report: Report) -> bool:
    """Whether the disk had no room for what the client sent. That a kill is confirmed is worth more than the log."""
    if report.kind != ENDED or run.status is RunStatus.ENDING:
        return False
    end, stored = report.end, sheet.farm.output.size
    return stored(run.job_id, run.id) < min(report.log_sent, end.log_size or 0) or (
        # Where stderr is not kept apart nobody looks for a log of it.
        bool(end.stderr_size)
        and stored(run.job_id, run.id, Stream.STDERR) < min(report.stderr_sent, end.stderr_size or 0)
    )


def _try_no_more(sheet: Sheet, run: runs.RunRow) -> None:
    """The output says that another try would fail as well (CONTRACT 10, failurePatterns)."""
    item = work.load(sheet.connection, run.work_id)
    item.tries = 0
    row = sheet.job(run.job_id)
    if not row.agenda:
        row.tries = 0
    work.save(sheet.connection, item)


_PLAIN = {
    STARTED: RunEvent.STARTED,
    PAUSED: RunEvent.PAUSED,
    RESUMED: RunEvent.RESUMED,
    REFUSED: RunEvent.REFUSED,
}

_STOPPED = {"maxTime": RunEvent.OVERRAN, "lease": RunEvent.LEASE_ENDED}
_FAILING = ("minTime", "maxSilence", "maxMemory")
"""Limits that make the command's end a failure. PROTOCOL.md, Limits, has all of them."""


def _event(report: Report) -> RunEvent:
    if report.kind in _PLAIN:
        return _PLAIN[report.kind]
    if report.limit in _STOPPED:
        return _STOPPED[report.limit]
    if report.killed and report.limit not in _FAILING:
        return RunEvent.KILLED
    # A command that lacks a licence may end at once, or print nothing while it waits for one: the cause comes first.
    if report.failure == FailureAction.LICENCE:
        return RunEvent.POSTPONED
    succeeded = report.end.exit_code == 0 and not report.end.signal
    failed = report.failure or report.limit in _FAILING or not succeeded
    return RunEvent.EXITED_NONZERO if failed else RunEvent.EXITED_ZERO


def _reason(report: Report, label: str) -> str:
    if report.kind != ENDED:
        return report.end.reason
    told = report.end.told(label, killed=report.killed, limit=report.limit)
    return "; ".join(filter(None, (told, _line(report))))


def _with_line(report: Report) -> RunEnd:
    """The end of the run as it is kept: one that failed with exit code 0 says why."""
    return replace(report.end, reason="; ".join(filter(None, (report.end.reason, _line(report)))))


def _line(report: Report) -> str:
    """The line of its output that a failure pattern matched."""
    # What ended a run from outside says more than its output does.
    outside = report.killed and report.limit not in _FAILING
    return f"its output says: {report.failure_line}" if report.failure and not outside else ""


def _late(sheet: Sheet, run: runs.RunRow, report: Report, label: str) -> str:
    """A report of a run that has ended here: a repeated one, the news that a kill was confirmed late, or a result
    that comes after another client was given the work."""
    if run.unconfirmed and report.kind in (ENDED, REFUSED):
        runs.confirm(sheet.connection, run.id)
        sheet.note(run.job_id, "kill confirmed", f"nothing is left on {label}", run.client_id)
    if run.status is not RunStatus.SUPERSEDED:
        return APPLIED
    if report.kind == ENDED:
        loud = _LOG.warning if report.end.exit_code == 0 else _LOG.info
        loud("run %s on %s ended with %s, too late to count", run.id, label, report.end.exit_code)
    return SUPERSEDED
