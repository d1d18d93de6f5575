"""`hq list`: jobs by a filter, as `findJobs` takes it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hqclient.farm import Farm
from hqclient.finding import pages
from hqserver.domain.errors import near_match
from hqserver.domain.job_filter import SORTABLE, STATUS_WORDS
from hqserver.domain.status import FINISHED_JOB, JobStatus

from .exits import BadUsage, Exit
from .parsing import Section, count, job_id
from .screen import Screen
from .tables import Cell, Column, table_lines
from .words import between, tasks

_ATTRIBS = (
    *("id", "name", "status", "uiStatus", "overallProgress", "tasks", "submittedBy", "priority"),
    *("queueTime", "startTime", "endTime", "parents"),
)
_DEFAULT_LIMIT = 100

_COLUMNS = (
    Column("ID", right=True),
    Column("NAME", flexible=True),
    Column("STATUS"),
    Column("PROGRESS", rank=3),
    Column("TASKS", rank=2),
    Column("BY", rank=1),
    Column("AGE", right=True, rank=5),
    Column("TIME", right=True, rank=4),
)

_TIMES = {
    "since": "submitted then or later",
    "before": "submitted earlier",
    "updated-since": "changed then or later",
    "updated-before": "not changed since",
    "active-since": "not ended, or ended then or later",
    "ended-since": "ended then or later",
    "ended-before": "ended earlier",
}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EPILOG = """\
WHEN is how long ago (30m, 2h, 3d, 1w) or a time in UTC (2026-01-31, 2026-01-31T23:59).
examples:
  hq list --by ada --status failed --since 1d
  hq list --name 'shot_0[1-3]*' --status succeeded --sort=-endTime
  hq list --parent 42
  hq list --id 42 --id 43         hq list --all --min-id 1000 --max-id 1999
"""


def add_command(section: Section) -> None:
    """The command and its options."""
    summary = "list jobs, newest first: unfinished ones without parents"
    parser = section.add("list", list_jobs, summary, epilog=_EPILOG)
    parser.add_argument("--status", metavar="STATUS", action="append", help="only these (may be repeated)")
    parser.add_argument("--all", action="store_true", help="finished jobs too")
    parser.add_argument("--children", action="store_true", help="jobs with parents too")
    parser.add_argument("--name", metavar="PATTERN", help="names that match a shell pattern")
    parser.add_argument("--text", metavar="TEXT", help="a part of the name or the description, in any case")
    parser.add_argument("--by", metavar="USER", action="append", help="submitted by one of these")
    parser.add_argument("--root", metavar="JOB", type=job_id, help="all of this root job")
    parser.add_argument("--parent", metavar="JOB", type=job_id, help="the children of this job")
    parser.add_argument("--tag", metavar="TAG", action="append", help="with this tag, and each of several")
    parser.add_argument("--property", metavar="NAME=TEXT", action="append", help="with exactly this property")
    parser.add_argument("--client", metavar="CLIENT", action="append", help="that ran or run on one of these")
    parser.add_argument("--group", metavar="GROUP", action="append", help="that ask for one of these groups of clients")
    parser.add_argument("--id", metavar="JOB", type=job_id, action="append", help="this job; repeat it for several")
    parser.add_argument("--uuid", metavar="UUID", action="append", help="the job with this uuid; repeat it for several")
    parser.add_argument("--min-id", metavar="JOB", type=job_id, help="this job and later ones")
    parser.add_argument("--max-id", metavar="JOB", type=job_id, help="this job and earlier ones")
    parser.add_argument("--priority", metavar="N", type=count)
    for name, meaning in _TIMES.items():
        parser.add_argument(f"--{name}", metavar="WHEN", help=meaning)
    parser.add_argument(
        "--sort", metavar="ATTRIBUTE", action="append", help=f"order: {', '.join(SORTABLE)}; --sort=-id descends"
    )
    parser.add_argument("--count", action="store_true", help="only say how many there are")
    parser.add_argument(
        "--limit",
        metavar="N",
        type=count,
        default=_DEFAULT_LIMIT,
        help=f"at most so many (default {_DEFAULT_LIMIT}; 0 = all)",
    )


def list_jobs(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq list`."""
    now = farm.call("getServerTime")
    wanted = _filter(args, now)
    if args.count:
        return _tell_count(farm, wanted, screen)
    jobs: list[dict[str, Any]] = []
    total, more = None, False
    for page in pages(farm, wanted, attribs=_ATTRIBS, sort=_words(args.sort), limit=args.limit or None):
        total = page["total"] if total is None else total
        jobs += page["jobs"]
        more = page["next"] is not None
    if screen.as_json:
        screen.json(jobs)
        return Exit.OK
    if not jobs:
        screen.note("no such jobs" if _narrows(args) else "no unfinished jobs (--all shows every job)")
        return Exit.OK
    for line in table_lines(screen, _COLUMNS, [_row(screen, job, now) for job in jobs]):
        screen.line(line)
    if more:
        left = "more" if total is None else f"{total - len(jobs)} more"
        screen.note(f"{left}; --limit 0 shows all")
    return Exit.OK


def _tell_count(farm: Farm, wanted: dict[str, Any], screen: Screen) -> Exit:
    found = farm.count_jobs(wanted)
    if screen.as_json:
        screen.json({"count": found.count, "more": found.more})
    else:
        screen.line(f"{found.count} or more" if found.more else str(found.count))
    return Exit.OK


def _words(given: Sequence[str] | None) -> list[str]:
    return [word.strip() for each in given or () for word in each.split(",") if word.strip()]


def _narrows(args: argparse.Namespace) -> bool:
    """Whether the caller asked for anything but the list that comes without options."""
    options = (
        *("status", "all", "name", "text", "by", "root", "parent", "tag", "property", "client", "group"),
        *("id", "uuid", "min_id", "max_id"),
    )
    times = (name.replace("-", "_") for name in _TIMES)
    return args.priority is not None or any(getattr(args, name) for name in (*options, *times))


def _filter(args: argparse.Namespace, now: datetime) -> dict[str, Any]:
    """The filter that the options mean. `now` is the server's time. Raises `BadUsage`."""
    named = args.root or args.parent or args.id or args.uuid
    wanted = {
        "status": _statuses(args),
        "rootsOnly": not (args.children or named),
        **{name: getattr(args, name) for name in ("name", "text", "root", "parent", "client", "group", "priority")},
        "ids": args.id,
        "uuids": args.uuid,
        "minId": args.min_id,
        "maxId": args.max_id,
        "submittedBy": args.by,
        "tags": args.tag,
        "properties": _properties(args.property),
    }
    for name in _TIMES:
        first, _, rest = name.partition("-")
        wanted[first + rest.capitalize()] = _moment(name, getattr(args, name.replace("-", "_")), now)
    return {key: value for key, value in wanted.items() if value is not None}


def _statuses(args: argparse.Namespace) -> list[str] | None:
    if not args.status:
        named = args.root or args.parent or args.id or args.uuid
        every = args.all or named or args.ended_since or args.ended_before
        return None if every else [str(status) for status in JobStatus if status not in FINISHED_JOB]
    names = _words(args.status)
    for name in names:
        if name not in STATUS_WORDS:
            raise BadUsage(f"no status is called {name!r}{near_match(name, STATUS_WORDS)}")
    return names


def _properties(given: Sequence[str] | None) -> dict[str, str] | None:
    if not given:
        return None
    pairs = [each.partition("=") for each in given]
    for name, equals, _ in pairs:
        if not equals:
            raise BadUsage(f"--property is NAME=TEXT, not {name!r}")
    return {name: value for name, _, value in pairs}


def _moment(option: str, given: str | None, now: datetime) -> datetime | None:
    """A time, naive UTC: so long before the server's `now`, or as it stands there."""
    if given is None:
        return None
    if found := re.fullmatch(r"(\d{1,6})([smhdw])", given.strip()):
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        at = datetime.fromisoformat(given.strip())
    except ValueError:
        raise BadUsage(f"--{option} is a time such as 2h, 3d or 2026-01-31T23:59, not {given!r}") from None
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


def _row(screen: Screen, job: dict[str, Any], now: datetime) -> list[Cell]:
    return [
        Cell(job["id"]),
        Cell(job.get("name", "")),
        Cell(job.get("uiStatus") or job["status"], job["status"]),
        Cell(screen.bar(job.get("overallProgress") or 0.0), job["status"]),
        Cell(tasks(job.get("tasks"))),
        Cell(job.get("submittedBy") or ""),
        Cell(between(job.get("queueTime"), now), "faint"),
        Cell(between(job.get("startTime"), job.get("endTime") or now)),
    ]
