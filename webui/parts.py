"""What pages of jobs and of clients have in common: times, links, runs, log lines, notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from hqserver.domain.status import JobStatus, RunStatus
from hqserver.services.queries.overview import Note, Run

from . import pieces, wording
from .looks import JOB_LOOKS, RUN_LOOKS

TEXT_SHOWN = 4_000
"""Characters of a note or of a message that pages show."""


def when(at: float | datetime, now: float) -> pieces.When:
    """A time, beside the server's `now` (UTC epoch seconds)."""
    seconds = at.timestamp() if isinstance(at, datetime) else at
    return pieces.When(wording.ago(now - seconds), wording.utc(at), wording.iso(at))


def job_link(job_id: int, name: str) -> pieces.Link:
    """A job by number and name."""
    return pieces.Link(f"/jobs/view/{job_id}", f"#{job_id} {name}")


def client_link(client_id: int, label: str, listed: bool = True) -> pieces.Link:
    """A client by label; one that is not `listed` was removed and has no page."""
    return pieces.Link(f"/clients/view/{client_id}" if listed else "", label)


def group_link(group_id: int, name: str) -> pieces.Link:
    """A group of clients by name."""
    return pieces.Link(f"/groups/view/{group_id}", name)


def thread_url(thread_id: int | None) -> str:
    """The page of a note thread, "" for none."""
    return "" if thread_id is None else f"/notes/view/{thread_id}"


def run_rows(runs: Iterable[Run], now: float) -> list[pieces.RunRow]:
    """Runs as tables show them."""
    return [
        pieces.RunRow(
            job=job_link(run.job_id, run.job_name),
            client=client_link(run.client_id, run.client, run.listed),
            kind=_kind(run),
            badge=pieces.Badge(run.status, RUN_LOOKS[RunStatus(run.status)]),
            started=None if run.started_at is None else when(run.started_at, now),
            time="" if run.started_at is None else wording.duration((run.ended_at or now) - run.started_at),
            outcome=run_outcome(run),
            used=_used(run),
        )
        for run in runs
    ]


def _kind(run: Run) -> str:
    if run.kind:
        return f"{run.kind} hook"
    return f"host {run.slot + 1}" if run.slot else ""


def run_outcome(run: Run) -> str:
    """How a run ended, "" while it has not."""
    parts = []
    if run.signal:
        parts.append(f"signal {run.signal}")
    elif run.exit_code is not None:
        parts.append(f"exit code {run.exit_code}")
    if run.reason:
        parts.append(run.reason)
    if run.log_truncated:
        parts.append("output cut at its limit")
    return ", ".join(parts)


def _used(run: Run) -> str:
    parts = []
    if run.cpu_seconds is not None:
        parts.append(f"{wording.duration(run.cpu_seconds)} CPU")
    if run.max_memory:
        parts.append(wording.kilobytes(run.max_memory))
    return ", ".join(parts)


def log_lines(lines: Iterable[Mapping[str, Any]], now: float) -> list[pieces.LogLine]:
    """The status log (CONTRACT 9.14, `logs`) as pages show it, latest first."""
    found = [
        pieces.LogLine(
            at=when(line["time"], now),
            badge=pieces.Badge(line["status"], JOB_LOOKS[JobStatus(line["status"])]),
            event="" if line["event"] == "status" else line["event"],
            message=wording.shortened(line["message"], TEXT_SHOWN),
            client=line["client"],
        )
        for line in lines
    ]
    return found[::-1]


def note_texts(notes: Iterable[Note], now: float) -> list[pieces.NoteText]:
    """Notes as pages show them, newest first (CONTRACT 6.4)."""
    return [pieces.NoteText(when(note.at, now), wording.shortened(note.text, TEXT_SHOWN)) for note in notes][::-1]
