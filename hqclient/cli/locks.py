"""`hq locks`, `hq lock` and `hq unlock`: names that one holder at a time has on lease from the server."""

from __future__ import annotations

import argparse
import math

from hqclient.errors import NotFound
from hqclient.farm import Farm
from hqclient.locks import LEASE_SECONDS

from .exits import BadUsage, Exit
from .guarded import run_guarded
from .parsing import Section, seconds
from .screen import Screen, harmless
from .tables import Cell, Column, table_lines
from .words import local_time

_COLUMNS = (
    Column("LOCK", flexible=True),
    Column("HELD BY", flexible=True),
    Column("SINCE", rank=1),
    Column("UNTIL"),
)
_EPILOG = """\
examples:
  hq lock "publish sh010" publish --shot sh010
  hq lock --wait 0 nightly ./clean.sh       not at all where somebody else is at it
  hq lock nightly sh -c './clean.sh && ./report.sh'

The exit code is that of the command, 128 and the signal where one ended it. Where the lock is not free in time it is
124, and nothing is run. A lock that is lost, because somebody broke it or the server could not be reached for nearly
as long as its lease, ends the command with the processes below it: exit code 3."""

_AHEAD, _LONGEST_AHEAD_SECONDS = 1 / 6, 10.0
"""The part of a lease that is kept for ending the command, so that it is over before another can have the lock."""
_FOR_THE_COMMAND = 0.9
"""Of that, how much it has to end by itself; the rest is for noticing and for killing."""


def add_commands(section: Section) -> None:
    """Seeing, taking and breaking locks."""
    shown = section.add("locks", list_locks, "list the locks that are held")
    shown.add_argument("name", metavar="NAME", nargs="*", help="only these")
    lock = section.add("lock", lock_and_run, "run a command here while a lock of the farm is held", epilog=_EPILOG)
    lock.add_argument("name", metavar="NAME")
    lock.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="what to run, last of all")
    lock.add_argument("--wait", metavar="SECONDS", type=seconds, default=math.inf, help="how long (default: for ever)")
    lock.add_argument(
        "--lease",
        metavar="SECONDS",
        type=seconds,
        default=LEASE_SECONDS,
        help=f"it ends so long after this program or its machine died (default {LEASE_SECONDS:.0f})",
    )
    unlock = section.add("unlock", unlock_all, "break locks, whoever holds them; their holders find out")
    unlock.add_argument("name", metavar="NAME", nargs="+")


def list_locks(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq locks`."""
    found = farm.locks(args.name or None)
    if screen.as_json:
        screen.json(found)
        return Exit.OK
    if not found:
        screen.note("no lock is held" if not args.name else "none of these locks is held")
        return Exit.OK
    rows = [
        [
            *(Cell(each["name"]), Cell(each["owner"])),
            *(Cell(local_time(each["since"]), "faint"), Cell(local_time(each["until"]))),
        ]
        for each in found
    ]
    for line in table_lines(screen, _COLUMNS, rows):
        screen.line(line)
    return Exit.OK


def lock_and_run(farm: Farm, args: argparse.Namespace, screen: Screen) -> int:
    """`hq lock`: the command's own exit code."""
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    if not words:
        raise BadUsage("give a command to run while the lock is held")
    if args.words[0] != "--" and args.words[0].startswith("-"):
        raise BadUsage(f"options of hq lock stand before the name of the lock; {words[0]} would be the command's")
    if args.wait:
        _tell_holder(farm, args.name, screen)
    with farm.lock(args.name, lease_seconds=args.lease, wait_seconds=args.wait) as lock:
        try:
            ahead = min(args.lease * _AHEAD, _LONGEST_AHEAD_SECONDS)
            return run_guarded(words, lambda: lock.lost_within(ahead), ahead * _FOR_THE_COMMAND)
        except OSError as problem:
            raise BadUsage(f"{words[0]} cannot be run: {problem.strerror}") from None


def _tell_holder(farm: Farm, name: str, screen: Screen) -> None:
    """Say for whom this waits, where it will have to."""
    for held in farm.locks([name]):
        screen.note(f"waiting for {held['owner']}, who has the lock until {local_time(held['until'])} or longer")


def unlock_all(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq unlock`."""
    names = list(dict.fromkeys(args.name))
    broken = [name for name in names if farm.break_lock(name)]
    if screen.as_json:
        screen.json(broken)
    else:
        for name in broken:
            screen.line(f"{harmless(name)}  broken")
    missing = [name for name in names if name not in broken]
    if missing:
        raise NotFound(404, f"not held: {', '.join(missing)}")
    return Exit.OK
