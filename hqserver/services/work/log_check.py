"""Whether the log that is stored of a run is what its client wrote (PROMISES 2.6, P9)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hqserver.domain.run import Stream
from hqserver.domain.status import RunStatus
from hqserver.services.events.errors import note_client_error
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence
from hqserver.store import runs

from .reports import APPLIED, ENDED, Report
from .sheet import Sheet

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DamagedLog:
    """A log that differs from what its client says it wrote; `report` is the id of the report that says so."""

    report: str
    job_id: int
    run_id: str
    stream: Stream

    def told(self) -> str:
        """What people are told."""
        return f"what is stored of its {self.stream} is not what its client wrote: the SHA-256 differs"


def check_logs(farm: Farm, presence: Presence, reports: Iterable[Report]) -> list[DamagedLog]:
    """Compare the logs of the runs that end with these reports. Call it before the reports are applied, and outside of
    a transaction: a log may be large.

    A log that differs is dropped once, so that the report is not taken yet and its client sends the log again. One that
    differs then as well, or that nobody would send again, is kept as it is, and told of.
    """
    damaged = []
    for report in reports:
        if report.kind != ENDED:
            continue
        with farm.database.read() as connection:
            run = runs.load(connection, report.run)
        if run is None or run.client_id != presence.row.id or run.ended_at is not None:
            continue
        end = report.end
        logs = (
            (Stream.STDOUT, end.log_size, end.log_hash, report.log_sent),
            (Stream.STDERR, end.stderr_size, end.stderr_hash, report.stderr_sent),
        )
        for stream, size, sha256, sent in logs:
            again = (run.id, stream)
            if not size or not sha256 or farm.output.size(run.job_id, run.id, stream) != size:
                continue  # nothing to compare, or a part is missing, which is told by the sizes
            if farm.output.sha256(run.job_id, run.id, stream) == sha256:
                presence.sent_again.discard(again)
                continue
            # The end of a run that is being killed is taken without its logs.
            first = sent >= size and run.status is not RunStatus.ENDING and again not in presence.sent_again
            if first and farm.output.drop(run.job_id, run.id, stream):
                presence.sent_again.add(again)
                _LOG.warning("the %s of run %s of job %d differs, and is asked for again", stream, run.id, run.job_id)
            else:
                presence.sent_again.discard(again)
                damaged.append(DamagedLog(report.id, run.job_id, run.id, stream))
    return damaged


def tell_of_damaged_logs(
    sheet: Sheet, client_id: int, damaged: Iterable[DamagedLog], answers: Mapping[str, str]
) -> None:
    """Write those whose reports were applied into the history of their jobs, and among the errors of the client.

    Another beat of the client may have had the log dropped meanwhile; then its report was not taken.
    """
    for log in damaged:
        if answers[log.report] != APPLIED:
            continue
        sheet.note(log.job_id, "output damaged", log.told(), client_id)
        note_client_error(sheet.connection, client_id, f"job {log.job_id}: {log.told()}", sheet.now)
