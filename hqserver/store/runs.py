"""Rows of runs: the fencing ids, and who owns which work item (PROMISES 2.1)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from hqserver.domain.run import RunEnd, Stream
from hqserver.domain.status import LIVE_RUN, RunStatus

from .schema import words

_LIVE = words(LIVE_RUN)
_COLUMNS = (
    "id, job_id, work_id, client_id, cpus, status, offered_at, started_at, ended_at, unconfirmed, slot, kind, intent, "
    "sharing, resources, lease, split_output"
)


@dataclass(slots=True)
class RunRow:
    """One attempt at one work item on one client. Times are UTC epoch seconds by the server's clock.

    `slot` is above 0 for the further clients of a job that holds several: they run no command of ours and end with the
    first. `kind` names the hook that it runs, "" for the command. `intent`: "cancel" or "eject" while it is to be
    killed, "pause" since it was to stop. `sharing` (a comma list) and `resources` (JSON) are what it takes up. `lease`:
    seconds of a strict lease, 0 for none. `split_output`: its stderr has a log of its own.
    """

    id: str
    job_id: int
    work_id: int
    client_id: int
    cpus: int
    status: RunStatus
    offered_at: float
    started_at: float | None
    ended_at: float | None
    unconfirmed: int = 0
    slot: int = 0
    kind: str = ""
    intent: str = ""
    sharing: str = ""
    resources: str = ""
    lease: int = 0
    split_output: int = 0


def _row(values: tuple[object, ...]) -> RunRow:
    row = RunRow(*values)  # type: ignore[arg-type]
    row.status = RunStatus(row.status)
    return row


def load(connection: sqlite3.Connection, run_id: str) -> RunRow | None:
    """The run, None for an id the farm has never given out."""
    values = connection.execute(f"SELECT {_COLUMNS} FROM run WHERE id = ?", (run_id,)).fetchone()
    return None if values is None else _row(values)


def live_of_work(connection: sqlite3.Connection, work_id: int) -> RunRow | None:
    """The run that owns the work item."""
    values = connection.execute(
        f"SELECT {_COLUMNS} FROM run WHERE work_id = ? AND slot = 0 AND status IN ({_LIVE})", (work_id,)
    ).fetchone()
    return None if values is None else _row(values)


def companions(connection: sqlite3.Connection, work_id: int) -> list[RunRow]:
    """The runs by which the work item holds its further clients, in the order of their slots."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM run WHERE work_id = ? AND slot > 0 AND status IN ({_LIVE}) ORDER BY slot", (work_id,)
    )
    return [_row(values) for values in rows]


def last_of_command(connection: sqlite3.Connection, work_id: int) -> RunRow | None:
    """The run in which the work item's command ended last."""
    values = connection.execute(
        f"""
        SELECT {_COLUMNS} FROM run WHERE work_id = ? AND slot = 0 AND kind = '' AND ended_at IS NOT NULL
        ORDER BY rowid DESC LIMIT 1
        """,
        (work_id,),
    ).fetchone()
    return None if values is None else _row(values)


def clients_lost_with(connection: sqlite3.Connection, work_id: int) -> list[int]:
    """The clients of the work item's runs that were lost or brought no result that counts, the latest last."""
    found = connection.execute(
        "SELECT client_id FROM run WHERE work_id = ? AND slot = 0 AND kind = '' AND status IN ('lost', 'superseded') "
        "ORDER BY rowid",
        (work_id,),
    )
    return [int(client_id) for (client_id,) in found]


def live_of_job(connection: sqlite3.Connection, job_id: int) -> list[RunRow]:
    """The job's runs that have not ended, those of further clients left out: they follow the first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM run WHERE job_id = ? AND slot = 0 AND ended_at IS NULL", (job_id,)
    )
    return [_row(values) for values in rows]


def jobs_with_live(connection: sqlite3.Connection, job_ids: Iterable[int]) -> set[int]:
    """Those of these jobs that have runs which have not ended."""
    rows = connection.execute(
        """
        SELECT asked.value FROM json_each(?) AS asked WHERE EXISTS (
            SELECT 1 FROM run WHERE job_id = asked.value AND ended_at IS NULL
        )
        """,
        (json.dumps(list(job_ids)),),
    )
    return {row[0] for row in rows}


def live_of_client(connection: sqlite3.Connection, client_id: int) -> list[RunRow]:
    """The client's runs that have not ended."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM run WHERE client_id = ? AND status IN ({_LIVE})", (client_id,))
    return [_row(values) for values in rows]


def occupancy(connection: sqlite3.Connection, only: int | None = None) -> dict[int, tuple[int, int]]:
    """Of each client with live runs, or only of one: the CPUs they take and how many there are."""
    one = "" if only is None else "AND client_id = ?"
    rows = connection.execute(
        f"SELECT client_id, sum(cpus), count(*) FROM run WHERE status IN ({_LIVE}) {one} GROUP BY client_id",
        () if only is None else (only,),
    )
    return {client_id: (cpus, runs) for client_id, cpus, runs in rows}


def special(connection: sqlite3.Connection) -> list[tuple[int, str, str]]:
    """(client id, sharing, resources) of the live runs that limit what else may run."""
    return connection.execute(
        f"""
        SELECT client_id, sharing, resources FROM run INDEXED BY run_sharing
        WHERE status IN ({_LIVE}) AND (sharing <> '' OR resources <> '')
        """
    ).fetchall()


def jobs_of_lost(connection: sqlite3.Connection, client_ids: Iterable[int]) -> list[int]:
    """Ids of the jobs of which these clients hold runs that are lost."""
    rows = connection.execute(
        f"""
        SELECT DISTINCT job_id FROM run INDEXED BY run_live_client
        WHERE client_id IN (SELECT value FROM json_each(?)) AND status IN ({_LIVE}) AND status = 'lost'
        """,
        (json.dumps(list(client_ids)),),
    )
    return [row[0] for row in rows]


def insert(connection: sqlite3.Connection, row: RunRow) -> None:
    """Store a new run. The database refuses a second live one for the same work item."""
    connection.execute(
        f"INSERT INTO run ({_COLUMNS}) VALUES ({', '.join('?' * 17)})",
        (
            *(row.id, row.job_id, row.work_id, row.client_id, row.cpus, row.status, row.offered_at, row.started_at),
            *(row.ended_at, row.unconfirmed, row.slot, row.kind, row.intent, row.sharing, row.resources, row.lease),
            row.split_output,
        ),
    )


def move(connection: sqlite3.Connection, row: RunRow, now: RunStatus) -> bool:
    """Change the status of a live run; False where it is not live any more (the fence)."""
    return (
        connection.execute(
            f"UPDATE run SET status = ?, started_at = ?, intent = ? WHERE id = ? AND status IN ({_LIVE})",
            (now, row.started_at, row.intent, row.id),
        ).rowcount
        == 1
    )


def start_ending(connection: sqlite3.Connection, row: RunRow, at: float, reason: str) -> None:
    """The run is to be killed, for this reason: durable before anybody is told to."""
    connection.execute(
        f"""
        UPDATE run SET status = 'ending', ending_at = coalesce(ending_at, ?), reason = ?
        WHERE id = ? AND status IN ({_LIVE})
        """,
        (at, reason, row.id),
    )


def why_ending(connection: sqlite3.Connection, run_id: str) -> str:
    """Why the run is to be killed."""
    return str(connection.execute("SELECT reason FROM run WHERE id = ?", (run_id,)).fetchone()[0])


def finish(connection: sqlite3.Connection, row: RunRow, now: RunStatus, end: RunEnd) -> bool:
    """End a live run; False where it had ended before (the fence)."""
    return (
        connection.execute(
            f"""
            UPDATE run SET status = ?, started_at = ?, ended_at = ?, exit_code = ?, signal = ?, reason = ?,
                log_size = ?, log_hash = ?, log_truncated = ?, cpu_seconds = ?, max_memory = ?, unconfirmed = ?,
                stderr_size = ?, stderr_hash = ?, stderr_truncated = ?
            WHERE id = ? AND status IN ({_LIVE})
            """,
            (
                *(now, row.started_at, row.ended_at, end.exit_code, end.signal, end.reason, end.log_size, end.log_hash),
                *(int(end.log_truncated), end.cpu_seconds, end.max_memory, row.unconfirmed),
                *(end.stderr_size, end.stderr_hash, int(end.stderr_truncated), row.id),
            ),
        ).rowcount
        == 1
    )


def confirm(connection: sqlite3.Connection, run_id: str) -> None:
    """The client whose kill was given up says that nothing of the run is left."""
    connection.execute("UPDATE run SET unconfirmed = 0 WHERE id = ?", (run_id,))


def leased(connection: sqlite3.Connection) -> list[RunRow]:
    """Live runs that have a strict lease."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM run INDEXED BY run_leased WHERE lease > 0 AND status IN ({_LIVE})"
    )
    return [_row(values) for values in rows]


def in_transition(connection: sqlite3.Connection) -> list[RunRow]:
    """Runs of whose client something is asked that it has not confirmed: a kill, a pause, a resume."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM run WHERE status IN ('ending', 'pausing', 'resuming')")
    return [_row(values) for values in rows]


def unconfirmed_clients(connection: sqlite3.Connection) -> set[int]:
    """Clients on which a run may be alive though its job is cancelled (CONTRACT 9.11)."""
    return {row[0] for row in connection.execute("SELECT client_id FROM run WHERE unconfirmed = 1")}


def page(connection: sqlite3.Connection, job_id: int, limit: int, offset: int) -> list[sqlite3.Row]:
    """Runs of the job with the names of their work items, in the order in which they were offered."""
    return connection.execute(
        """
        SELECT run.*, work.name AS work FROM (
            SELECT rowid AS place FROM run WHERE job_id = ? ORDER BY rowid LIMIT ? OFFSET ?
        ) JOIN run ON run.rowid = place JOIN work ON work.id = run.work_id ORDER BY place
        """,
        (job_id, limit, offset),
    ).fetchall()


def count_of_job(connection: sqlite3.Connection, job_id: int) -> int:
    """How many runs the job has had."""
    return int(connection.execute("SELECT count(*) FROM run WHERE job_id = ?", (job_id,)).fetchone()[0])


def log_of(connection: sqlite3.Connection, run_id: str, stream: Stream) -> sqlite3.Row | None:
    """What the run's row says of a log of it: `job_id, ended_at, kept` (there is, or was, such a log), `size`,
    `truncated`."""
    columns = {
        Stream.STDOUT: "1 AS kept, log_size AS size, log_truncated AS truncated",
        Stream.STDERR: "split_output AS kept, stderr_size AS size, stderr_truncated AS truncated",
    }
    found: sqlite3.Row | None = connection.execute(
        f"SELECT job_id, ended_at, {columns[stream]} FROM run WHERE id = ?", (run_id,)
    ).fetchone()
    return found


class RunOfJob(NamedTuple):
    """A run by its job; `may_be_alive`: it is lost, or nobody confirmed its kill."""

    job_id: int
    run_id: str
    may_be_alive: bool


def of_jobs(connection: sqlite3.Connection, job_ids: Iterable[int]) -> list[RunOfJob]:
    """All the runs of these jobs."""
    rows = connection.execute(
        """
        SELECT job_id, id, unconfirmed = 1 OR ended_at IS NULL FROM run
        WHERE job_id IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(list(job_ids)),),
    )
    return [RunOfJob(*values) for values in rows]


def hosts_of_command(connection: sqlite3.Connection, work_id: int) -> list[int]:
    """Ids of the further clients that the last run of the work item's command had, in the order of their slots."""
    rows = connection.execute(
        """
        SELECT client_id FROM run WHERE work_id = ?1 AND slot > 0 AND offered_at = (
            SELECT max(offered_at) FROM run WHERE work_id = ?1 AND slot = 0 AND kind = '')
        ORDER BY slot
        """,
        (work_id,),
    )
    return [row[0] for row in rows]


def unconfirmed_of_client(connection: sqlite3.Connection, client_id: int) -> list[RunRow]:
    """The client's runs whose kill was given up."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM run WHERE client_id = ? AND unconfirmed = 1", (client_id,))
    return [_row(values) for values in rows]
