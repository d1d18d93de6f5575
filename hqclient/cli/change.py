"""`hq change`, `hq modify`, `hq change-work` and `hq change-runs`: every action there is, with a result for each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from hqclient.errors import NotFound
from hqclient.farm import Farm
from hqserver.domain.control import ALIASES, MEANINGS, ON_RUNS, ON_WORK, Action
from hqserver.domain.hooks import Hook
from hqserver.domain.job_filter import FILTER_KEYS
from hqserver.domain.jobspec import PROPERTIES
from hqserver.domain.values import as_text

from .exits import BadUsage, Exit
from .parsing import Section, count, job_id
from .screen import Screen, harmless
from .words import count as counted

_ALSO = {action: name for name, action in ALIASES.items()}
_NAMES = [*map(str, Action), *ALIASES]
_TABLE = "\n".join(
    f"  {action:9} {meaning}{f' (also {_ALSO[action]})' if action in _ALSO else ''}"
    for action, meaning in MEANINGS.items()
    if action is not Action.MODIFY  # which is `hq modify`
)
_TEXTS = {name for name, known in PROPERTIES.items() if known.parse is as_text} | {"name", "command", *map(str, Hook)}
"""Properties that are texts, whatever they look like. """
_KEYS = {"job": "id", "piece": "name", "run": "id"}
"""By what a result names its job, piece or run."""

_EXITS = "exit code 3 where there is no such {kind}, once the others are changed; 0 where one needed no change\n"

_EPILOG = f"""\
actions:
{_TABLE}

examples:
  hq change block 417 418 --reason 'wrong camera'
  hq change cancel --where '{{"submittedBy": "ada", "name": "test*"}}' --limit 50 --dry-run
  hq change priority 417 --priority 9
A filter is what findJobs takes: hqserver/rpc/API.md. hq modify changes properties.

{_EXITS.format(kind="job")}"""
_EXAMPLE = {"submittedBy": "ada", "status": "failed"}


def add_commands(section: Section) -> None:
    """The commands that change jobs and their pieces."""
    named = [name for name in _NAMES if name != Action.MODIFY]
    change = section.add("change", change_jobs, "do any action to jobs, and say what became of each", epilog=_EPILOG)
    change.add_argument("action", metavar="ACTION", choices=named)
    change.add_argument("job", metavar="JOB", type=job_id, nargs="*")
    change.add_argument("--where", metavar="FILTER", help="the jobs that a filter means, a JSON dictionary")
    change.add_argument("--priority", metavar="N", type=count, help="for the action priority")
    change.add_argument("--alone", action="store_true", help="leave the jobs below alone")
    _add_options(change)
    summary = "change properties of jobs that have not ended"
    modify = section.add("modify", modify_jobs, summary, epilog=_EXITS.format(kind="job"))
    modify.add_argument("job", metavar="JOB", type=job_id, nargs="+")
    modify.add_argument(
        "--set", metavar="PROPERTY=VALUE", action="append", required=True, help="JSON, or plain text; repeat it"
    )
    _add_options(modify)
    summary = "do an action to pieces of a job with an agenda"
    work = section.add("change-work", change_work, summary, epilog=_EXITS.format(kind="piece"))
    work.add_argument("action", metavar="ACTION", choices=_names(ON_WORK))
    work.add_argument("job", metavar="JOB", type=job_id)
    work.add_argument("name", metavar="PIECE", nargs="+", help="its name, such as 25 or 25-29 (hq work lists them)")
    _add_options(work)
    summary = "do an action to single live runs"
    runs = section.add("change-runs", change_runs, summary, epilog=_EXITS.format(kind="run"))
    runs.add_argument("action", metavar="ACTION", choices=_names(ON_RUNS), help=", ".join(_names(ON_RUNS)))
    runs.add_argument("run_id", metavar="RUN", nargs="+", help="its id (hq runs lists them)")


def _names(among: Sequence[Action]) -> list[str]:
    """The names and aliases of these actions."""
    return [name for name in _NAMES if name in among or ALIASES.get(name) in among]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="TEXT", help="kept in the history")
    parser.add_argument("--limit", metavar="N", type=count, help="refuse it where more would change")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")


def _options(args: argparse.Namespace) -> dict[str, Any]:
    given = {"reason": args.reason, "limit": args.limit, "dryRun": args.dry_run or None}
    return {name: value for name, value in given.items() if value is not None}


def change_jobs(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq change`."""
    if bool(args.job) == bool(args.where):
        raise BadUsage("name jobs, or say --where which; not both")
    if (args.action == Action.PRIORITY) != (args.priority is not None):
        needs = "the action priority needs --priority N" if args.priority is None else ""
        raise BadUsage(needs or "--priority is for the action priority")
    options = _options(args) | ({"priority": args.priority} if args.priority is not None else {})
    options |= {"descendants": False} if args.alone else {}
    found = farm.change_jobs(args.job or _filter(args.where), args.action, **options)
    return _tell(screen, found, "job", args.dry_run)


def modify_jobs(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq modify`."""
    options = _options(args) | {"changes": dict(map(_change, args.set))}
    return _tell(screen, farm.change_jobs(args.job, str(Action.MODIFY), **options), "job", args.dry_run)


def change_work(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq change-work`."""
    found = farm.job(args.job).change_work(args.name, args.action, **_options(args))
    return _tell(screen, found, "piece", args.dry_run)


def change_runs(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq change-runs`."""
    return _tell(screen, farm.change_runs(args.run_id, args.action), "run", dry_run=False)


def _filter(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    name, equals, value = text.partition("=")
    meant = {name: value} if equals and name in FILTER_KEYS else _EXAMPLE
    raise BadUsage(f"--where takes a JSON dictionary such as '{json.dumps(meant)}', not {text[:60]!r}")


def _change(pair: str) -> tuple[str, Any]:
    """A property and its value: what reads as JSON is meant so, everything else is text."""
    name, equals, value = pair.partition("=")
    if not equals or not name:
        raise BadUsage(f"--set takes PROPERTY=VALUE, not {pair!r}")
    if name in _TEXTS:
        return name, value
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _tell(screen: Screen, found: Sequence[dict[str, Any]], kind: str, dry_run: bool) -> Exit:
    """A line for each, and how many changed. That one did not change is no error: the line says why.

    Raises `NotFound` for those that there are not, once the others are told of.
    """
    if screen.as_json:
        screen.json(list(found))
    else:
        _print(screen, found, kind, dry_run)
    missing = [str(each[_KEYS[kind]]) for each in found if not each["was"]]  # what there is has a status
    if missing:
        raise NotFound(404, f"no {kind} {', '.join(missing)}")
    return Exit.OK


def _print(screen: Screen, found: Sequence[dict[str, Any]], kind: str, dry_run: bool) -> None:
    for each in found:
        if not each["changed"]:
            said = f"not changed: {each['why']}"
        elif dry_run:
            said = f"would change, is {each['was']}"
        else:
            said = str(each["now"]) if each["now"] == each["was"] else f"{each['now']}, was {each['was']}"
        screen.line(f"{harmless(each[_KEYS[kind]])}  {harmless(said)}")
    changed = sum(bool(each["changed"]) for each in found)
    screen.note(f"{changed} of {counted(len(found), kind)} {'would change' if dry_run else 'changed'}")
