"""The output of a job: what its runs wrote, in their order (CONTRACT 9.20)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hqserver.domain.errors import NotFound
from hqserver.store import lookup

from .farm import Farm


@dataclass(frozen=True, slots=True)
class _Piece:
    run_id: str
    marker: str
    missing: str
    size: int


def job_output(farm: Farm, job_id: int, last_bytes: int | None = None) -> bytes:
    """What the job's commands wrote, stdout and stderr merged; each later try and each hook after one marker
    line.

    `last_bytes`: no more than so much from the end is read. Where less arrived than the command wrote, the output says
    so. Raises `NotFound` for an unknown job.
    """
    pieces = list(_pieces(farm, job_id))
    found: list[bytes] = []
    wanted = last_bytes
    for piece in reversed(pieces):
        tail = piece.missing.encode()
        start = 0 if wanted is None else max(piece.size - wanted, 0)
        data = piece.marker.encode() if start == 0 else b""
        data += farm.output.read(job_id, piece.run_id, start) + tail
        found.append(data)
        if wanted is not None:
            wanted -= len(data)
            if wanted <= 0:
                break
    return b"".join(reversed(found))


def job_output_text(farm: Farm, job_id: int, last_chars: int | None = None) -> str:
    """The output as text; bytes that are not UTF-8 become U+FFFD. At most the last `last_chars` characters."""
    if last_chars is None or last_chars < 1:
        return job_output(farm, job_id).decode("utf-8", "replace")
    # A character has at most four bytes; a sequence cut at the front gives at most three replacements more.
    text = job_output(farm, job_id, last_chars * 4 + 3).decode("utf-8", "replace")
    return text[-last_chars:]


def _pieces(farm: Farm, job_id: int) -> Iterator[_Piece]:
    with farm.database.read() as connection:
        if not lookup.jobs_by_id(connection, [job_id]):
            raise NotFound(f"there is no job {job_id}")
        rows = lookup.runs_of_job(connection, job_id)
    tries = 0
    for row in rows:
        size = farm.output.size(job_id, row["id"])
        if row["slot"] > 0 or (row["started_at"] is None and not size):
            continue  # a further client of a job for several wrote nothing; others never began
        label = farm.watch.label(row["client_id"])
        if row["kind"]:
            marker = f"[hq] {row['kind']} on {label}\n"
        else:
            tries += 1
            marker = f"[hq] try {tries} on {label}\n" if tries > 1 else ""
        missing = ""
        if row["ended_at"] is not None and row["log_size"] is not None and size < row["log_size"]:
            missing = f"\n[hq] the output ends here: {size} of {row['log_size']} bytes arrived\n"
        yield _Piece(row["id"], marker, missing, size)
