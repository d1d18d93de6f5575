"""The output of a job: what its runs wrote, in their order (CONTRACT 9.20)."""

from __future__ import annotations

import sqlite3
from codecs import getincrementaldecoder
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from hqserver.domain.errors import NotFound
from hqserver.domain.run import Stream, output_marker
from hqserver.services.farm import Farm
from hqserver.store import lookup

_CUT_HERE = b"\n[hqclient: "
"""With this a runner says in a log what it left out. On a full disk there may be no room even for that."""

_FEW_CHARS = 256 * 1024
_AT_ONCE = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Piece:
    run_id: str
    stream: Stream
    marker: str
    note: str
    size: int
    cut: bool


def job_output(farm: Farm, job_id: int, last_bytes: int | None = None, stream: Stream | None = None) -> bytes:
    """What the job's commands wrote, stdout and stderr merged; each later try and each hook after one marker
    line. Of a run that keeps it apart stderr follows, after one too, where there is any.

    `last_bytes`: no more than so much from the end is read. `stream`: of runs that keep them apart only this one. Where
    less is here than the command wrote, the output says so: some of it never arrived, or a copy of the database, which
    holds no logs, was put back. Of a log that is longer than its run says, what is beyond is left out. Raises
    `NotFound` for an unknown job.
    """
    found: list[bytes] = []
    marker_follows = False
    wanted = last_bytes
    with closing(_pieces_newest_first(farm, job_id, stream)) as pieces:
        for piece in pieces:
            start = 0 if wanted is None else max(piece.size - wanted, 0)
            data = piece.marker.encode() if start == 0 else b""
            log = farm.output.read(job_id, piece.run_id, start, piece.size - start, piece.stream)
            unread = piece.size - start - len(log)
            data += log + _ending(piece, unread, _CUT_HERE in log).encode()
            if data:
                data += b"\n" if marker_follows and not data.endswith(b"\n") else b""
                marker_follows = bool(piece.marker)
            found.append(data)
            if wanted is not None:
                wanted -= len(data)
                if wanted <= 0:
                    break
    return b"".join(reversed(found))


def job_output_text(farm: Farm, job_id: int, last_chars: int | None = None) -> str:
    """The output as text, all in memory: `job_output_in_pieces` for what may be large."""
    return "".join(job_output_in_pieces(farm, job_id, last_chars))


def job_output_in_pieces(farm: Farm, job_id: int, last_chars: int | None = None) -> Iterator[str]:
    """The output as text, in pieces that are read as they are asked for; bytes that are not UTF-8 become U+FFFD.

    At most the last `last_chars` characters; everything for None or less than 1. Raises `NotFound` at once.
    """
    if last_chars is not None and 0 < last_chars <= _FEW_CHARS:
        # A character has at most four bytes; a sequence cut at the front gives at most three replacements more.
        text = job_output(farm, job_id, last_chars * 4 + 3).decode("utf-8", "replace")
        return iter([text[-last_chars:]])
    with closing(_pieces_newest_first(farm, job_id, None)) as newest_first:
        pieces = list(newest_first)[::-1]
    beyond = 0
    if last_chars is not None and last_chars > 0:
        beyond = max(sum(map(len, _decoded(farm, job_id, pieces))) - last_chars, 0)
    return _without(beyond, _decoded(farm, job_id, pieces))


def _without(beyond: int, texts: Iterator[str]) -> Iterator[str]:
    """All but the first `beyond` characters."""
    for text in texts:
        yield text[beyond:]
        beyond = max(beyond - len(text), 0)


def _decoded(farm: Farm, job_id: int, pieces: Sequence[_Piece]) -> Iterator[str]:
    decoder = getincrementaldecoder("utf-8")("replace")
    within_line = False
    for piece in pieces:
        yield decoder.decode((b"\n" if piece.marker and within_line else b"") + piece.marker.encode())
        within_line = within_line and not piece.marker
        size, end, says_cut = 0, b"", False
        while size < piece.size:
            wanted = min(piece.size - size, _AT_ONCE)
            log = farm.output.read(job_id, piece.run_id, size, wanted, piece.stream)
            if not log:
                break
            size += len(log)
            says_cut = says_cut or _CUT_HERE in end + log
            end = log[-len(_CUT_HERE) :]
            within_line = not log.endswith(b"\n")
            yield decoder.decode(log)
        ending = _ending(piece, piece.size - size, says_cut)
        within_line = within_line and not ending
        yield decoder.decode(ending.encode())
    yield decoder.decode(b"", final=True)


def _ending(piece: _Piece, unread: int, says_cut: bool) -> str:
    """What is said after a log of which something is missing."""
    if unread:
        return f"\n[hq] {unread} bytes of the output cannot be read\n"
    if piece.cut and not piece.note and not says_cut:
        return "\n[hq] the output was cut on its client, which could not write more of it\n"
    return piece.note


def _pieces_newest_first(farm: Farm, job_id: int, wanted: Stream | None) -> Generator[_Piece]:
    """The output of the job's runs. A job with an agenda has as many as it has pieces: no more are looked at than are
    asked for."""
    with farm.database.read() as connection:
        if not lookup.jobs_by_id(connection, [job_id]):
            raise NotFound(f"there is no job {job_id}")
        for row in lookup.runs_newest_first(connection, job_id):
            logs = {stream: _log(farm, row, stream) for stream in _streams_last_first(row)}
            if row["started_at"] is None and not any(here for here, _ in logs.values()):
                continue  # it never began
            label = farm.watch.label(row["client_id"])
            tries = 0 if row["kind"] else lookup.tries_until(connection, row["work_id"], row["number"])
            for stream, (here, whole) in logs.items():
                follows = wanted is None and stream is Stream.STDERR
                if (wanted or stream) is not stream or (follows and not here and not whole):
                    continue
                told = stream if follows else Stream.STDOUT
                marker = output_marker(row["kind"], tries, label, row["work_name"], told)
                cut = bool(row["log_truncated" if stream is Stream.STDOUT else "stderr_truncated"])
                yield _Piece(row["id"], stream, marker, _note(here, whole), min(here, whole), cut)


def _streams_last_first(row: sqlite3.Row) -> tuple[Stream, ...]:
    return (Stream.STDERR, Stream.STDOUT) if row["split_output"] else (Stream.STDOUT,)


def _log(farm: Farm, row: sqlite3.Row, stream: Stream) -> tuple[int, int]:
    """Bytes of the run's log that are here, and that it has."""
    here = farm.output.size(row["job_id"], row["id"], stream)
    size = row["log_size" if stream is Stream.STDOUT else "stderr_size"]
    return here, here if row["ended_at"] is None or size is None else size


def _note(here: int, whole: int) -> str:
    if here < whole:
        return f"\n[hq] the output ends here: of {whole} bytes {here} are on the server\n"
    if here > whole:
        return f"\n[hq] the command wrote no more; {here - whole} bytes that its log holds beyond are left out\n"
    return ""
