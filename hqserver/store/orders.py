"""What the rows of runs ask of their clients: to start, to kill, to pause."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hqserver.domain.agenda import Piece
from hqserver.domain.status import LIVE_RUN, RunStatus

from .schema import words

_LIVE = words(LIVE_RUN)


@dataclass(frozen=True, slots=True)
class Order:
    """Something that its client must do to a run, with what it needs to know.

    `status` is that of the run: `offered` asks for a start, `ending` for a kill, `pausing` and `resuming` for those.
    `hosts`: ids of the further clients of a job that holds several, a comma list in the order of their slots.
    `split_output`: stderr is to have a log of its own.
    """

    run_id: str
    status: RunStatus
    job_id: int
    root_id: int
    work_id: int
    cpus: int
    command: str
    specification: str
    kind: str
    hosts: str
    split_output: bool
    piece: Piece


def orders_for(connection: sqlite3.Connection, client_id: int, but_for: Iterable[str]) -> list[Order]:
    """What the client has to do and has not said it knows: in the order offered, kills that were given up last."""
    known = set(but_for)
    rows = connection.execute(
        f"""
        SELECT run.id, run.status, run.job_id, job.root_id, work.id, run.cpus, job.command, job.specification,
            run.kind, coalesce((
                SELECT group_concat(client_id) FROM (
                    SELECT other.client_id FROM run AS other
                    WHERE other.work_id = run.work_id AND other.slot > 0 AND other.status IN ({_LIVE})
                    ORDER BY other.slot)), ''), run.split_output,
            work.name, work.first, work.last, work.frames, work.package
        FROM run JOIN job ON job.id = run.job_id JOIN work ON work.id = run.work_id
        WHERE run.client_id = ? AND run.status IN ({_LIVE})
            AND run.status IN ('offered', 'ending', 'pausing', 'resuming') AND run.slot = 0
        ORDER BY run.rowid
        """,
        (client_id,),
    ).fetchall()
    rows += connection.execute(
        """
        SELECT run.id, 'ending', run.job_id, run.job_id, run.work_id, run.cpus, '""', '{}', '', '',
            0, '', NULL, NULL, '', ''
        FROM run
        WHERE client_id = ? AND unconfirmed = 1
        """,
        (client_id,),
    ).fetchall()
    orders = [_order(row) for row in rows]
    return [order for order in orders if order.status is not RunStatus.OFFERED or order.run_id not in known]


def _order(values: tuple[Any, ...]) -> Order:
    run_id, status, job_id, root_id, work_id, cpus, command, specification, kind, hosts, split, *rest = values
    name, first, last, frames, package = rest
    piece = Piece(name, first, last, frames, json.loads(package) if package else {})
    return Order(
        run_id,
        RunStatus(status),
        job_id,
        root_id,
        work_id,
        cpus,
        command,
        specification,
        kind,
        hosts,
        bool(split),
        piece,
    )
