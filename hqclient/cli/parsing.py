"""How `hq` reads its command line: argparse, with commands under headings and complaints of one sentence."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from hqclient.farm import Farm
from hqserver.domain.errors import near_match

from .exits import BadUsage
from .screen import Screen

Command = Callable[[Farm, argparse.Namespace, Screen], int]
"""What carries a command out, and gives the exit code: `parser.set_defaults(run=...)` ties it to its words."""

_SERVER_HELP = (
    "the farm's server: http://host:port, host:port or host "
    "(default: $HQSERVER, then $HOUDINI_HQUEUE_SERVER, then http://127.0.0.1:5000)"
)
_NAME_COLUMNS = 12


class Parser(argparse.ArgumentParser):
    """argparse, with its complaints raised: there is one place that prints them."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # argparse takes "-5" for a number and "-5--1" for options; no option of ours begins with a digit.
        self._negative_number_matcher = re.compile(r"-[0-9]")

    def error(self, message: str) -> NoReturn:
        raise BadUsage(f"{message} ({self.prog} --help tells more)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """A wrong word is answered with the near one, not with the list of all."""
        if action.choices is not None and value not in action.choices:
            hint = near_match(str(value), action.choices)
            self.error(f"no {str(action.metavar).lower()} is called {str(value)!r}{hint}")


class Section:
    """Commands that belong together: those under a heading of `hq --help`, or the actions of one command."""

    def __init__(self, heading: str, commands: argparse._SubParsersAction[Parser]):
        self.heading = heading
        self._commands = commands
        self._summaries: list[tuple[str, str]] = []

    def add(
        self, name: str, run: Command, summary: str, *, aliases: Sequence[str] = (), epilog: str = ""
    ) -> argparse.ArgumentParser:
        """The parser of a new command that `run` carries out. Its options are the caller's to add."""
        made = self._made(name, summary, aliases, epilog)
        made.set_defaults(run=run)
        return made

    def add_actions(self, name: str, summary: str) -> Section:
        """A new command that is followed by the name of an action: the section of its actions."""
        made = self._made(name, summary, (), "")
        actions = made.add_subparsers(metavar="ACTION", title="actions", required=True, parser_class=Parser)
        return Section(name, actions)

    def _made(self, name: str, summary: str, aliases: Sequence[str], epilog: str) -> Parser:
        self._summaries.append((name, summary))
        made = self._commands.add_parser(
            name,
            aliases=aliases,
            help=summary,
            description=summary[:1].upper() + summary[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        add_general_options(made, server=argparse.SUPPRESS, as_json=argparse.SUPPRESS)
        return made

    def __str__(self) -> str:
        lines = [f"  {name:{_NAME_COLUMNS}}{summary}" for name, summary in self._summaries]
        return "\n".join([f"{self.heading}:", *lines])


def add_general_options(parser: argparse.ArgumentParser, *, server: str | None, as_json: object) -> None:
    """The options of every command. They count before and after its name.

    `server` and `as_json` are their defaults; `argparse.SUPPRESS` leaves what was said before the name alone.
    """
    parser.add_argument("--server", metavar="URL", default=server, help=_SERVER_HELP)
    parser.add_argument("--json", action="store_true", dest="as_json", default=as_json, help="JSON for programs")


# Types of arguments --------------------------------------------------------------------------------------------------


def job_id(text: str) -> int:
    """The id of a job, a note or a thread: a whole number from 1 on."""
    if not text.strip().isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not an id")
    return int(text)


def seconds(text: str) -> float:
    """A duration in seconds."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return found


def count(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = count(text)
    if number == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
