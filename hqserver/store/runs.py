"""Rows of runs: the fencing ids, and who owns which work item (PROMISES 2.1)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from hqserver.domain.run import RunEnd
from hqserver.domain.status import LIVE_RUN, RunStatus

from .schema import words

_LIVE = words(LIVE_RUN)
_COLUMNS = "id, job_id, work_id, client_id, cpus, status, offered_at, started_at, ended_at, unconfirmed"


@dataclass(slots=True)
class RunRow:
    """One attempt at one work item on one client. Times are UTC epoch seconds by the server's clock."""

    id: str
    job_id: int
    work_id: int
    client_id: int
    cpus: int
    status: RunStatus
    offered_at: float
    started_at: float | None
    ended_at: float | None
    unconfirmed: int


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


def live_of_job(connection: sqlite3.Connection, job_id: int) -> list[RunRow]:
    """The job's runs that have not ended."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM run WHERE job_id = ? AND ended_at IS NULL", (job_id,))
    return [_row(values) for values in rows]


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


def insert(connection: sqlite3.Connection, row: RunRow) -> None:
    """Store a new run. The database refuses a second live one for the same work item."""
    connection.execute(
        "INSERT INTO run (id, job_id, work_id, client_id, cpus, status, offered_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (row.id, row.job_id, row.work_id, row.client_id, row.cpus, row.status, row.offered_at),
    )


def move(connection: sqlite3.Connection, row: RunRow, now: RunStatus) -> bool:
    """Change the status of a live run; False where it is not live any more (the fence)."""
    return (
        connection.execute(
            f"UPDATE run SET status = ?, started_at = ? WHERE id = ? AND status IN ({_LIVE})",
            (now, row.started_at, row.id),
        ).rowcount
        == 1
    )


def start_ending(connection: sqlite3.Connection, row: RunRow, at: float) -> None:
    """The run is to be killed: durable before anybody is told to."""
    connection.execute(
        f"UPDATE run SET status = 'ending', ending_at = coalesce(ending_at, ?) WHERE id = ? AND status IN ({_LIVE})",
        (at, row.id),
    )


def finish(connection: sqlite3.Connection, row: RunRow, now: RunStatus, end: RunEnd) -> bool:
    """End a live run; False where it had ended before (the fence)."""
    return (
        connection.execute(
            f"""
            UPDATE run SET status = ?, started_at = ?, ended_at = ?, exit_code = ?, signal = ?, reason = ?,
                log_size = ?, log_hash = ?, log_truncated = ?, cpu_seconds = ?, max_memory = ?, unconfirmed = ?
            WHERE id = ? AND status IN ({_LIVE})
            """,
            (
                *(now, row.started_at, row.ended_at, end.exit_code, end.signal, end.reason, end.log_size, end.log_hash),
                *(int(end.log_truncated), end.cpu_seconds, end.max_memory, row.unconfirmed, row.id),
            ),
        ).rowcount
        == 1
    )


def confirm(connection: sqlite3.Connection, run_id: str) -> None:
    """The client whose kill was given up says that nothing of the run is left."""
    connection.execute("UPDATE run SET unconfirmed = 0 WHERE id = ?", (run_id,))


def ending(connection: sqlite3.Connection) -> list[RunRow]:
    """Runs whose kill is asked for and not confirmed."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM run WHERE status = 'ending'")
    return [_row(values) for values in rows]


def unconfirmed_clients(connection: sqlite3.Connection) -> set[int]:
    """Clients on which a run may be alive though its job is cancelled (CONTRACT 9.11)."""
    return {row[0] for row in connection.execute("SELECT client_id FROM run WHERE unconfirmed = 1")}


def unconfirmed_of_client(connection: sqlite3.Connection, client_id: int) -> list[RunRow]:
    """The client's runs whose kill was given up."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM run WHERE client_id = ? AND unconfirmed = 1", (client_id,))
    return [_row(values) for values in rows]


@dataclass(frozen=True, slots=True)
class Order:
    """A run that its client must start or kill, with what it needs to know."""

    run_id: str
    kill: bool
    job_id: int
    root_id: int
    work_name: str
    cpus: int
    command: str
    specification: str


def orders_for(connection: sqlite3.Connection, client_id: int, but_for: Iterable[str]) -> list[Order]:
    """What the client has to do and has not said it knows: runs to start in the order offered, and runs to kill."""
    known = set(but_for)
    rows = connection.execute(
        f"""
        SELECT run.id, run.status <> 'offered', run.job_id, job.root_id, work.name, run.cpus, job.command,
            job.specification
        FROM run JOIN job ON job.id = run.job_id JOIN work ON work.id = run.work_id
        WHERE run.client_id = ? AND run.status IN ({_LIVE}) AND run.status IN ('offered', 'ending')
        ORDER BY run.rowid
        """,
        (client_id,),
    ).fetchall()
    rows += connection.execute(
        """
        SELECT run.id, 1, run.job_id, run.job_id, '', run.cpus, '""', '{}' FROM run
        WHERE client_id = ? AND unconfirmed = 1
        """,
        (client_id,),
    ).fetchall()
    orders = [Order(row[0], bool(row[1]), *row[2:]) for row in rows]
    return [order for order in orders if order.kill or order.run_id not in known]


def count_presence(connection: sqlite3.Connection, job_id: int, client_id: int, change: int) -> int:
    """Count live runs that a client holds of a job or below it; how the number of distinct clients changed."""
    key = (job_id, client_id)
    row = connection.execute("SELECT runs FROM presence WHERE job_id = ? AND client_id = ?", key).fetchone()
    now = (row[0] if row else 0) + change
    if now == 0:
        connection.execute("DELETE FROM presence WHERE job_id = ? AND client_id = ?", key)
        return -1
    if row is None:
        connection.execute("INSERT INTO presence (job_id, client_id, runs) VALUES (?, ?, ?)", (*key, now))
        return 1
    connection.execute("UPDATE presence SET runs = ? WHERE job_id = ? AND client_id = ?", (now, *key))
    return 0
