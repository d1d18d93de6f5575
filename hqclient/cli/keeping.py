"""`hq export` and `hq import`, jobs as a document and back; `hq compact` and `hq reset`, the farm's own keeping."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hqclient.farm import Farm

from .exits import BadUsage, Exit
from .parsing import Section, job_id
from .screen import Screen, harmless
from .words import count


def add_commands(section: Section) -> None:
    """Keeping jobs beyond their farm."""
    export = section.add("export", export_jobs, "print jobs, and the jobs below them, as a document for hq import")
    export.add_argument("job", metavar="JOB", type=job_id, nargs="+")
    load = section.add("import", import_jobs, "store the jobs of a document; those that had not ended come in blocked")
    load.add_argument("file", metavar="FILE", help="what hq export printed; - for standard input")


def add_farm_commands(section: Section) -> None:
    """Keeping the farm itself."""
    section.add("compact", compact, "give the space of deleted jobs back to the server's disk")
    again = section.add("reset", reset, "remove all jobs of the farm for good, with their output")
    again.add_argument("--confirm", metavar="TEXT", required=True, help="the words 'delete all jobs'")
    again.add_argument("--last-job", metavar="JOB", type=job_id, help="only the jobs up to this id")


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


def compact(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq compact`."""
    found = farm.compact()
    if screen.as_json:
        screen.json(found)
    elif not found["failed"]:
        screen.line(f"{_megabytes(found['after'])}, was {_megabytes(found['before'])}")
    return _end(screen, found["failed"])


def reset(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq reset`."""
    found = farm.reset(args.confirm, args.last_job)
    if screen.as_json:
        screen.json(found)
    elif not found["failed"]:
        screen.line(f"{count(found['jobs'] - found['left'], 'job')} removed")
    if found.get("copy"):
        screen.note(f"the database as it was is in the server's folder of copies: {harmless(found['copy'])}")
    return _end(screen, found["failed"])


def _end(screen: Screen, failed: str) -> Exit:
    if failed:
        screen.note(harmless(failed))
    return Exit.REFUSED if failed else Exit.OK


def _megabytes(size: float) -> str:
    return f"{size / 1024**2:.1f} MB"
