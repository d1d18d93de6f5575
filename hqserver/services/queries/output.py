"""The output of a job: what its runs wrote, in their order (CONTRACT 9.20)."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from hqserver.domain.errors import NotFound
from hqserver.domain.run import output_marker
from hqserver.services.farm import Farm
from hqserver.store import lookup

_CUT_HERE = b"\n[hqclient: "
"""With this a runner says in a log what it left out. On a full disk there may be no room even for that."""


@dataclass(frozen=True, slots=True)
class _Piece:
    run_id: str
    marker: str
    note: str
    size: int
    cut: bool


def job_output(farm: Farm, job_id: int, last_bytes: int | None = None) -> bytes:
    """What the job's commands wrote, stdout and stderr merged; each later try and each hook after one marker
    line.

    `last_bytes`: no more than so much from the end is read. Where less is here than the command wrote, the output says
    so: some of it never arrived, or a copy of the database, which holds no logs, was put back. Of a log that is longer
    than its run says, what is beyond is left out. Raises `NotFound` for an unknown job.
    """
    found: list[bytes] = []
    wanted = last_bytes
    with closing(_pieces_newest_first(farm, job_id)) as pieces:
        for piece in pieces:
            start = 0 if wanted is None else max(piece.size - wanted, 0)
            data = piece.marker.encode() if start == 0 else b""
            log = farm.output.read(job_id, piece.run_id, start, piece.size - start)
            unread = piece.size - start - len(log)
            note = f"\n[hq] {unread} bytes of the output cannot be read\n" if unread else piece.note
            if piece.cut and not note and _CUT_HERE not in log:
                note = "\n[hq] the output was cut on its client, which could not write more of it\n"
            data += log + note.encode()
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


def _pieces_newest_first(farm: Farm, job_id: int) -> Generator[_Piece]:
    """The output of the job's runs. A job with an agenda has as many as it has pieces: no more are looked at than are
    asked for."""
    with farm.database.read() as connection:
        if not lookup.jobs_by_id(connection, [job_id]):
            raise NotFound(f"there is no job {job_id}")
        for row in lookup.runs_newest_first(connection, job_id):
            size = farm.output.size(job_id, row["id"])
            if row["started_at"] is None and not size:
                continue  # it never began
            label = farm.watch.label(row["client_id"])
            tries = 0 if row["kind"] else lookup.tries_until(connection, row["work_id"], row["number"])
            marker = output_marker(row["kind"], tries, label, row["work_name"])
            note, whole = "", row["log_size"] if row["ended_at"] is not None and row["log_size"] is not None else size
            if size < whole:
                note = f"\n[hq] the output ends here: of {whole} bytes {size} are on the server\n"
            elif size > whole:
                note = (
                    f"\n[hq] the command wrote no more; {size - whole} bytes that its log holds beyond are left out\n"
                )
            yield _Piece(row["id"], marker, note, min(size, whole), bool(row["log_truncated"]))
