"""`hq result` and `hq set-result`: the small document that a job leaves for others."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from hqclient.farm import Farm

from .exits import BadUsage, Exit
from .parsing import Section, job_id
from .screen import Screen

_EPILOG = """\
in a command that the farm runs:
  hq set-result '{"frames": 240, "size": "1920x1080"}'
  statistics --json | hq set-result
There it finds its job in $JOBID and its run in $HQ_RUN_TOKEN: a run whose work was given to another is refused."""


def add_commands(section: Section) -> None:
    """Reading a result, and leaving one."""
    show = section.add("result", show_result, "print the JSON document that a job has left; null where it has none")
    show.add_argument("job", metavar="JOB", type=job_id)
    leave = section.add(
        "set-result", set_result, "leave a JSON document with a job, for others to read", epilog=_EPILOG
    )
    leave.add_argument("document", metavar="JSON", nargs="?", default="-", help="null takes it away (default: stdin)")
    leave.add_argument("--job", metavar="JOB", type=job_id, help="another job than the one that runs this")


def show_result(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq result`. The answer is JSON with and without --json."""
    screen.json(farm.job(args.job).result)
    return Exit.OK


def set_result(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq set-result`."""
    number, run = _target(args.job, os.environ)
    farm.job(number).set_result(_document(args.document), run)
    return Exit.OK


def _target(job: int | None, environ: Mapping[str, str]) -> tuple[int, str | None]:
    """The job that is meant, and the run that speaks, where this is called by a command of that job."""
    own = environ.get("JOBID", "").strip()
    if job is None:
        if not own:
            raise BadUsage("name the job with --job: only commands that the farm runs find it in $JOBID")
        try:
            job = job_id(own)
        except argparse.ArgumentTypeError:
            raise BadUsage(f"$JOBID is {own!r:.60}, which is not an id: name the job with --job") from None
    return job, environ.get("HQ_RUN_TOKEN") or None if own == str(job) else None


def _document(word: str) -> Any:
    try:
        text = sys.stdin.read() if word == "-" else word
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as problem:
        raise BadUsage(f"not JSON: {problem}") from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
