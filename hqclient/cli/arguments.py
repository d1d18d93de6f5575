"""The command line of `hq`, as argparse sees it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from hqclient.farm import Farm

from . import clients, jobs, server, show, submit
from .exits import MEANINGS, BadUsage, Exit
from .screen import Screen

Command = Callable[[Farm, argparse.Namespace, Screen], Exit]
"""What carries a command out: `parser.set_defaults(run=...)` ties it to its words."""

_DESCRIPTION = "Submit jobs to a render farm and watch them."
_SERVER_HELP = (
    "the farm's server: http://host:port, host:port or host "
    "(default: $HQSERVER, then $HOUDINI_HQUEUE_SERVER, then http://127.0.0.1:5000)"
)
_SUBMIT_EPILOG = """\
examples:
  hq submit 'render -f 1 > log.txt'         one word is a line for the shell
  hq submit render -f 1 "my scene.blend"    several words are quoted for a POSIX shell
  hq submit --spec job.json                 a specification, or a list of them, from a file
  echo '{"name": "Hi"}' | hq submit --spec -
  hq submit --parent "$JOBID" make frame2   a child for the job that runs this
"""


class _Parser(argparse.ArgumentParser):
    """argparse, with its complaints raised: there is one place that prints them."""

    def error(self, message: str) -> NoReturn:
        raise BadUsage(f"{message} ({self.prog} --help tells more)")


def build_parser() -> argparse.ArgumentParser:
    """The parser of `hq`. Its result holds `run`, the `Command`; wrong words raise `BadUsage`."""
    codes = "\n".join(f"  {int(code):3}  {meaning}" for code, meaning in MEANINGS.items())
    parser = _Parser(
        prog="hq",
        description=_DESCRIPTION,
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_general(parser, server=None, as_json=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, run: Command, summary: str, epilog: str = "") -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=summary,
            description=summary[:1].upper() + summary[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        made.set_defaults(run=run)
        # Given after the command they count as well; not given there, they leave the first value alone.
        _add_general(made, server=argparse.SUPPRESS, as_json=argparse.SUPPRESS)
        return made

    _add_submit(add("submit", submit.submit, "submit a job and print its id", _SUBMIT_EPILOG))
    _add_list(add("list", jobs.list_jobs, "list jobs, newest first: unfinished ones without parents"))
    one = add("show", show.show_job, "show everything about a job")
    one.add_argument("job", metavar="JOB", type=_job_id)
    _add_output(add("output", jobs.show_output, "print what a job's command has written"))
    wait = add("wait", jobs.wait_for_jobs, "wait until jobs have ended; exit code 1 if one did not succeed")
    wait.add_argument("job", metavar="JOB", type=_job_id, nargs="+")
    wait.add_argument("--timeout", metavar="SECONDS", type=_seconds, help="give up after so long (exit code 124)")
    cancel = add("cancel", jobs.cancel_jobs, "end jobs, and the jobs below them")
    cancel.add_argument("job", metavar="JOB", type=_job_id, nargs="+")
    note = add("note", jobs.add_note, "add a note to a job")
    note.add_argument("job", metavar="JOB", type=_job_id)
    note.add_argument("text", metavar="TEXT", nargs="+")
    add("clients", clients.list_clients, "list the machines of the farm")
    _add_call(add("call", server.call_method, "call any method of the server; the answer is JSON"))
    methods = add("methods", server.list_methods, "list the server's methods, or explain one")
    methods.add_argument("name", metavar="NAME", nargs="?", default="", help="a method, or a part of names")
    add("version", server.show_version, "print the versions of hq and of the server")
    return parser


def _add_general(parser: argparse.ArgumentParser, *, server: str | None, as_json: object) -> None:
    parser.add_argument("--server", metavar="URL", default=server, help=_SERVER_HELP)
    parser.add_argument("--json", action="store_true", dest="as_json", default=as_json, help="JSON for programs")


def _add_submit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="what to run, last of all")
    parser.add_argument("--spec", metavar="FILE", help="read the specification, JSON, from a file (- = stdin)")
    parser.add_argument("--name", help="name of the job (default: the command)")
    parser.add_argument("--description", metavar="TEXT", help="shown with the name")
    parser.add_argument("--shell", help="shell that runs the command (default: the client's)")
    parser.add_argument("--env", metavar="NAME=VALUE", action="append", help="a variable for the command")
    parser.add_argument("--priority", metavar="N", type=int, help="higher goes first; 0 is the lowest")
    parser.add_argument("--cpus", metavar="N", type=int, help="CPUs it needs on its client; 0 = all of them")
    parser.add_argument("--tries", metavar="N", type=int, help="how often a failed command is run again")
    parser.add_argument("--parent", metavar="JOB", type=_job_id, help="become a child of this job")
    parser.add_argument(
        "--child", metavar="JOB", type=_job_id, action="append", default=[], help="adopt this job as a child"
    )
    parser.add_argument("--user", metavar="NAME", help="who submits (default: you, or the parent's submitter)")
    staying = parser.add_mutually_exclusive_group()
    staying.add_argument("--wait", action="store_true", help="wait until it has ended; exit code as hq wait")
    staying.add_argument("--follow", action="store_true", help="print its output as it comes, then as --wait")


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", metavar="STATUS", action="append", help="only these (may be repeated)")
    parser.add_argument("--all", action="store_true", help="finished jobs too")
    parser.add_argument("--children", action="store_true", help="jobs with parents too")
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_count,
        default=jobs.DEFAULT_LIMIT,
        help=f"at most so many (default {jobs.DEFAULT_LIMIT}; 0 = all)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", type=_job_id)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the job has ended")
    parser.add_argument("--tail", metavar="CHARS", type=_positive, help="only the last so many characters")


def _add_call(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument(
        "parameters",
        metavar="PARAMETER",
        nargs=argparse.REMAINDER,
        help="JSON: 17, true, null, '[1, 2]'; a word that is not JSON is a text",
    )


def _job_id(text: str) -> int:
    if not text.strip().isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a job id")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


def _positive(text: str) -> int:
    number = _count(text)
    if number == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
