"""The options of `hq submit`."""

from __future__ import annotations

import argparse

from hqserver.domain.frames import Order

from . import submit
from .parsing import Section, count, job_id, positive

_EPILOG = """\
examples:
  hq submit 'render -f 1 > log.txt'         one word is a line for the shell
  hq submit render -f 1 "my scene.blend"    several words are quoted for a POSIX shell
  hq submit --spec job.json                 a specification, or a list of them, from a file
  echo '{"name": "Hi"}' | hq submit --spec -
  hq submit --agenda 1-100 --chunk 5 'render -s {first} -e {last}'
  hq submit --agenda 1-240 --order binary 'render -f $HQFRAME'
  hq submit --parent "$JOBID" make frame2   a child for the job that runs this
  hq submit --group GPU --condition 'memory >= 16GB' --tag single render -f 1

conditions are NAME OP VALUE, in quotes, and a client must meet all of them:
  'hostname in node1, node2'   'hostname:name == node1:gpu'   'group != slow'
  'os == linux'   'platform == linux-arm64'   'cpus >= 8'   'memory >= 16000000'
  hostname, group, os and platform take == != in not_in; cpus and memory also < <= > >=
  memory is in kB, or say MB, GB or TB

reasons for mail are statuses, such as running, succeeded, failed, cancelled, abandoned or paused, and the events
rescheduled, resumed and "priority changed"
"""


def add_command(section: Section) -> None:
    """`hq submit`."""
    parser = section.add("submit", submit.submit, "submit a job and print its id", epilog=_EPILOG)
    parser.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="what to run, last of all")
    parser.add_argument("--spec", metavar="FILE", help="read the specification, JSON, from a file (- = stdin)")
    parser.add_argument("--name", help="name of the job (default: the command)")
    parser.add_argument("--description", metavar="TEXT", help="shown with the name")
    parser.add_argument("--shell", help="shell that runs the command (default: the client's)")
    parser.add_argument(
        "--split-output", action="store_true", help="keep stderr in a log of its own: hq output --stderr"
    )
    parser.add_argument("--env", metavar="NAME=VALUE", action="append", help="a variable for the command")
    parser.add_argument("--priority", metavar="N", type=count, help="higher goes first; 0 is the lowest")
    parser.add_argument("--tries", metavar="N", type=count, help="how often a failed command is run again")
    parser.add_argument("--max-time", metavar="SECONDS", type=positive, help="cancel it when it runs longer")
    parser.add_argument("--parent", metavar="JOB", type=job_id, help="become a child of this job")
    parser.add_argument(
        "--child", metavar="JOB", type=job_id, action="append", default=[], help="adopt this job as a child"
    )
    parser.add_argument("--user", metavar="NAME", help="who submits (default: you, or the parent's submitter)")
    _add_agenda(parser.add_argument_group("many frames in one job"))
    _add_requirements(parser.add_argument_group("where it may run (what may be repeated says so)"))
    _add_consequences(parser.add_argument_group("what follows"))
    staying = parser.add_mutually_exclusive_group()
    staying.add_argument("--wait", action="store_true", help="wait until it has ended; exit code as hq wait")
    staying.add_argument("--follow", action="store_true", help="print its output as it comes, then as --wait")


def _add_agenda(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--agenda", metavar="FRAMES", help="run it for each of these, such as 1-100x2,200; or a JSON list of pieces"
    )
    cut = group.add_mutually_exclusive_group()
    cut.add_argument("--chunk", metavar="N", type=positive, help="so many frames in one piece (default: 1)")
    cut.add_argument("--partitions", metavar="N", type=positive, help="so many pieces")
    group.add_argument(
        "--order",
        metavar="ORDER",
        choices=[each.value for each in Order],
        help="ascend, descend or binary (default: as written)",
    )
    group.add_argument("--max-concurrent", metavar="N", type=positive, help="most pieces that run at once")


def _add_requirements(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--cpus", metavar="N", type=count, help="CPUs it needs on its client; 0 = all of them")
    group.add_argument("--host", metavar="HOST", action="append", help="only on this host, or one of these: repeat it")
    group.add_argument("--group", metavar="GROUP", action="append", help="only in this group, or one of these")
    group.add_argument(
        "--condition", metavar="'NAME OP VALUE'", action="append", help="only where this holds, and these: repeat it"
    )
    group.add_argument("--tag", action="append", help="single: alone on its machine; single:x: not beside another one")
    group.add_argument("--resource", metavar="NAME[=N]", action="append", help="a counted resource; repeat it")
    group.add_argument("--hosts", metavar="MIN[-MAX]", help="run on several clients at once")


def _add_consequences(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--on-success", metavar="COMMAND", help="run this when it has succeeded")
    group.add_argument("--on-error", metavar="COMMAND", help="run this when it has failed")
    group.add_argument("--on-cancel", metavar="COMMAND", help="run this when it is cancelled while it runs")
    group.add_argument("--on-child-error", metavar="COMMAND", help="run this when a child of it has failed")
    group.add_argument("--cleanup", metavar="COMMAND", help="run this last, whatever the outcome")
    group.add_argument("--mail-to", metavar="ADDRESS", action="append", help="send mail there; repeat it")
    group.add_argument(
        "--mail-on", metavar="REASONS", action="append", help="a comma list (default: when it has ended)"
    )
