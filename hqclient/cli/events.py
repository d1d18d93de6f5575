"""`hq events` and `hq runs`: what happened on the farm, and the attempts at a job's work."""

from __future__ import annotations

import argparse
import json
from typing import Any

from hqclient.farm import Farm
from hqserver.domain.errors import near_match
from hqserver.domain.event import EVENT_MEANINGS, EventKind

from .exits import BadUsage, Exit
from .parsing import Section, count, job_id, positive
from .screen import Screen, harmless, json_value
from .tables import Cell, Column, table_lines
from .words import between, local_time

_DEFAULT_LAST = 100
_DEFAULT_RUNS = 1_000

_RUN_COLUMNS = (
    Column("RUN"),
    Column("WORK", rank=2),
    Column("STATUS"),
    Column("CLIENT", rank=1),
    Column("TIME", right=True, rank=3),
    Column("HOW", flexible=True),
)


def add_events(section: Section) -> None:
    """`hq events`."""
    kinds = "\n".join(f"  {kind:9} {meaning}" for kind, meaning in EVENT_MEANINGS.items())
    parser = section.add(
        "events", show_events, "show what happened on the farm, the newest last", epilog=f"kinds:\n{kinds}"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what happens, until Ctrl-C")
    parser.add_argument("--job", metavar="JOB", type=job_id, action="append", help="of this job (may be repeated)")
    parser.add_argument("--root", metavar="JOB", type=job_id, action="append", help="of this root job and all below it")
    parser.add_argument("--kind", metavar="KIND", action="append", help="only these (may be repeated)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--last", metavar="N", type=count, default=_DEFAULT_LAST, help=f"so many (default {_DEFAULT_LAST})"
    )
    start.add_argument("--after", metavar="ID", type=count, help="all those after this one; 0 = all that are kept")


def add_runs(section: Section) -> None:
    """`hq runs`."""
    runs = section.add("runs", list_runs, "list the attempts at a job's work, the oldest first")
    runs.add_argument("job", metavar="JOB", type=job_id)
    runs.add_argument("--last", metavar="N", type=positive, default=_DEFAULT_RUNS, help="only the newest so many")


def show_events(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq events`. With --json each event is a JSON object on a line of its own."""
    wanted = {name: value for name in ("job", "root", "kind") if (value := getattr(args, name))}
    kinds = [each.value for each in EventKind]
    for kind in args.kind or ():
        if kind not in kinds:
            raise BadUsage(f"no kind of event is called {kind!r}{near_match(kind, kinds)}")
    if args.after is None:
        after, events = farm.newest_events(args.last, wanted)
        for event in events:
            _show(screen, event)
    else:
        after = args.after
    if args.follow:
        for event in farm.follow_events(after, wanted):
            _show(screen, event)
            screen.out.flush()
    elif args.after is not None:
        for event in farm.events(after, wanted):
            _show(screen, event)
    return Exit.OK


def _show(screen: Screen, event: dict[str, Any]) -> None:
    if screen.as_json:
        screen.line(json.dumps(event, default=json_value))
        return
    if event["kind"] == "lost":
        screen.note("older events are not kept any more")
        return
    change = " ".join(filter(None, (event["was"], event["was"] and screen.arrow, event["now"])))
    told = [
        screen.paint(local_time(event["time"]), "faint"),
        f"{_subject(event):14}",
        screen.paint(harmless(change), event["now"]),
        f"on {harmless(event['client'])}" if event["client"] and event["job"] is not None else "",
        harmless(event["reason"]),
    ]
    screen.line("  ".join(filter(None, told)))


def _subject(event: dict[str, Any]) -> str:
    if event["job"] is None:
        return harmless(" ".join(filter(None, (event["kind"], event["client"]))))
    kind = event["kind"] if event["kind"] in (EventKind.WORK, EventKind.RUN) else ""
    return harmless(" ".join(filter(None, (f"job {event['job']}", kind, event["work"]))))


def list_runs(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq runs`."""
    found = farm.job(args.job).runs(limit=args.last, offset=-args.last)
    if screen.as_json:
        screen.json(found)
        return Exit.OK
    if not found:
        screen.note(f"job {args.job} has not been run")
        return Exit.OK
    now = farm.call("getServerTime")
    for line in table_lines(screen, _RUN_COLUMNS, [_row(run, now) for run in found]):
        screen.line(line)
    return Exit.OK


def _row(run: dict[str, Any], now: Any) -> list[Cell]:
    return [
        Cell(run["id"]),
        Cell(" ".join(filter(None, (run["work"], run["kind"])))),
        Cell(run["status"], run["status"]),
        Cell(run["client"]),
        Cell(between(run["startTime"], run["endTime"] or now)),
        Cell(_how(run)),
    ]


def _how(run: dict[str, Any]) -> str:
    if run["signal"]:
        return run["reason"] or f"signal {run['signal']}"
    return run["reason"] or ("" if run["exitCode"] is None else f"exit code {run['exitCode']}")
