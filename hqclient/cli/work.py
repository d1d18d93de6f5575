"""`hq work` and `hq add-work`: the pieces of a job with an agenda."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any

from hqclient.farm import Farm
from hqserver.domain.errors import near_match
from hqserver.domain.status import WAITING, WorkStatus

from .exits import BadUsage, Exit
from .parsing import Section, count, job_id, positive
from .screen import Screen
from .tables import Cell, Column, table_lines
from .words import between
from .words import count as counted

DEFAULT_LIMIT = 1_000
LARGEST_PAGE = 10_000

_COLUMNS = (
    Column("WORK", flexible=True),
    Column("STATUS"),
    Column("PROGRESS", rank=2),
    Column("TRIES", right=True, rank=1),
    Column("CLIENT", rank=4),
    Column("TIME", right=True, rank=3),
)


def add_commands(section: Section) -> None:
    """The commands about the pieces of a job."""
    work = section.add("work", list_work, "list the pieces of a job with an agenda")
    work.add_argument("job", metavar="JOB", type=job_id)
    work.add_argument("--status", metavar="STATUS", action="append", help="only these (may be repeated)")
    work.add_argument("--limit", metavar="N", type=positive, default=DEFAULT_LIMIT, help="most pieces to list")
    work.add_argument("--offset", metavar="N", type=count, default=0, help="leave out so many before them")
    add = section.add("add-work", add_work, "add pieces to a job with an agenda")
    add.add_argument("job", metavar="JOB", type=job_id)
    add.add_argument("agenda", metavar="AGENDA", help="frames, such as 101-120x2, or a JSON list of pieces")


def list_work(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq work`."""
    statuses = [name for each in args.status or () for name in each.split(",") if name]
    known = [*(each.value for each in WorkStatus), WAITING]
    for name in statuses:
        if name not in known:
            raise BadUsage(f"no status of work is called {name!r}{near_match(name, known)}")
    found = farm.job(args.job).work(statuses, limit=min(args.limit, LARGEST_PAGE), offset=args.offset)
    if screen.as_json:
        screen.json(found)
        return Exit.OK
    if not found:
        screen.note("no such work")
        return Exit.OK
    now = farm.call("getServerTime")
    for line in table_lines(screen, _COLUMNS, [_row(screen, item, now) for item in found]):
        screen.line(line)
    if len(found) == min(args.limit, LARGEST_PAGE):
        screen.note(f"there may be more: --offset {args.offset + len(found)}")
    return Exit.OK


def _row(screen: Screen, item: dict[str, Any], now: datetime) -> list[Cell]:
    return [
        Cell(item["name"] or "the command"),
        Cell(item["status"], item["status"]),
        Cell(screen.bar(item["progress"]), item["status"]),
        Cell(item["tries"]),
        Cell(item["client"]),
        Cell(between(item["startTime"], item["endTime"] or now)),
    ]


def add_work(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq add-work`."""
    names = farm.job(args.job).add_work(agenda_from(args.agenda))
    if screen.as_json:
        screen.json(names)
    else:
        screen.note(f"{counted(len(names), 'piece')} added to job {args.job}")
    return Exit.OK


def agenda_from(text: str) -> str | list[Any]:
    """An agenda as it is typed: a frame range as it stands, or a JSON list. Raises `BadUsage`."""
    if not text.lstrip().startswith("["):
        return text
    try:
        return list(json.loads(text))
    except (ValueError, RecursionError) as problem:
        raise BadUsage(f"the agenda is neither a frame range nor a JSON list: {problem}") from None
