"""`hq export` and `hq import`: jobs as a document, and back."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hqclient.farm import Farm

from .exits import BadUsage, Exit
from .parsing import Section, job_id
from .screen import Screen
from .words import count


def add_commands(section: Section) -> None:
    """Keeping jobs beyond their farm."""
    export = section.add("export", export_jobs, "print jobs, and the jobs below them, as a document for hq import")
    export.add_argument("job", metavar="JOB", type=job_id, nargs="+")
    load = section.add("import", import_jobs, "store the jobs of a document; those that had not ended come in blocked")
    load.add_argument("file", metavar="FILE", help="what hq export printed; - for standard input")


def export_jobs(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq export`. The answer is JSON with and without --json."""
    screen.json(farm.export_jobs(args.job))
    return Exit.OK


def import_jobs(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq import`."""
    try:
        text = sys.stdin.read() if args.file == "-" else Path(args.file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise BadUsage(f"{args.file}: {reason}") from None
    found = farm.import_jobs(text)
    if screen.as_json:
        screen.json([{"was": was, "id": job.id} for was, job in found.items()])
        return Exit.OK
    for was, job in found.items():
        screen.line(f"{job.id}  was {was}")
    screen.note(f"{count(len(found), 'job')} imported")
    return Exit.OK
