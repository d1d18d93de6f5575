"""The command line of `hq` as a whole: its headings, and which modules stand under them."""

from __future__ import annotations

import argparse
from functools import cache

from . import (
    callbacks,
    change,
    claims,
    client_arguments,
    farm_arguments,
    job_arguments,
    keeping,
    locks,
    results,
    submit_arguments,
    work,
)
from .exits import MEANINGS
from .parsing import Parser, Section, add_general_options

_DESCRIPTION = "Submit jobs to a render farm, watch and control them, and look after the farm."


@cache
def build_parser() -> Parser:
    """The parser of `hq`. Its result holds `run`, the `Command`; wrong words raise `BadUsage`."""
    parser = Parser(
        prog="hq",
        usage="hq [--server URL] [--json] COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_general_options(parser, server=None, as_json=False)
    # argparse would list the commands in one column; the headings of the description do.
    commands = parser.add_subparsers(
        prog="hq", metavar="COMMAND", required=True, parser_class=Parser, help=argparse.SUPPRESS
    )
    jobs, clients, farm = (Section(heading, commands) for heading in ("Jobs", "Clients", "Farm"))
    submit_arguments.add_command(jobs)
    job_arguments.add_commands(jobs)
    change.add_commands(jobs)
    work.add_commands(jobs)
    keeping.add_commands(jobs)
    callbacks.add_commands(jobs)
    claims.add_commands(jobs)
    results.add_commands(jobs)
    client_arguments.add_commands(clients)
    farm_arguments.add_commands(farm)
    locks.add_commands(farm)
    keeping.add_farm_commands(farm)
    more = "hq COMMAND --help tells more of each."
    parser.description = "\n\n".join([_DESCRIPTION, *map(str, (jobs, clients, farm)), more])
    codes = "\n".join(f"  {int(code):3}  {meaning}" for code, meaning in MEANINGS.items())
    parser.epilog = f"exit codes:\n{codes}"
    return parser
