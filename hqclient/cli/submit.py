"""`hq submit`: from a command line, or a file, to a job."""

from __future__ import annotations

import argparse
import getpass
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from hqclient.farm import Farm, Job
from hqserver.domain.mail import as_reasons, as_recipients
from hqserver.domain.status import FINISHED_JOB
from hqserver.domain.values import Wrong

from .conditions import condition, hosts, resources
from .exits import BadUsage, Exit
from .jobs import outcome, status_lines, wait
from .screen import Screen, shortened
from .words import count
from .work import agenda_from

LONGEST_MADE_NAME = 60
"""Characters of a command that become the name of a job that was given none."""


def submit(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq submit`."""
    if args.follow and screen.as_json:
        raise BadUsage("--follow prints text as it comes; it has no --json")
    specification = _from_file(args) if args.spec else _from_words(args)
    if args.follow and isinstance(specification, list) and len(specification) != 1:
        raise BadUsage("--follow can follow one job, and the file holds several")
    if args.parent is None:
        # Below a parent the name is inherited: there `hq` often runs inside a job, as the daemon's user.
        _sign(specification)
    answer = farm.submit(specification, args.parent, args.child)
    jobs = [answer] if isinstance(answer, Job) else answer
    ids = [job.id for job in jobs]
    if not (args.wait or args.follow):
        _print_ids(screen, ids)
        return Exit.OK
    try:
        return _stay(farm, jobs, args, screen)
    except KeyboardInterrupt:
        numbers = " ".join(map(str, ids))
        screen.note(f"{count(len(ids), 'job')} still on the farm; to end: hq cancel {numbers}")
        raise


def _print_ids(screen: Screen, ids: list[int]) -> None:
    if screen.as_json:
        screen.json(ids)
        return
    for job_id in ids:
        screen.line(str(job_id))
    screen.out.flush()


def _stay(farm: Farm, jobs: list[Job], args: argparse.Namespace, screen: Screen) -> Exit:
    """Wait for the new jobs; with --follow standard output is the command's own."""
    if args.follow:
        screen.note(f"job {jobs[0].id}")
        for piece in jobs[0].follow():
            screen.raw(piece)
    elif not screen.as_json:
        _print_ids(screen, [job.id for job in jobs])
    finished = wait(farm, [job.id for job in jobs], screen)
    if screen.as_json:
        screen.json([{"id": job["id"], "status": job["status"]} for job in finished])
    else:
        for line in status_lines(Screen(screen.err, screen.err), finished):
            screen.note(line)
    return outcome(finished)


def _from_words(args: argparse.Namespace) -> dict[str, Any]:
    """The specification that the words and options of the command line describe."""
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    # One word is a line for the shell as it stands; several are the words of a command and stay apart.
    command = words[0] if len(words) == 1 else shlex.join(words)
    if not command and not args.name:
        raise BadUsage("give a command to run, --spec FILE, or at least --name for a job that runs nothing")
    made_name = shortened(" ".join(" ".join(words).split()), LONGEST_MADE_NAME)
    specification = {"name": made_name, **_options(args)}
    if command:
        specification["command"] = command
    return specification


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """The properties that options give."""
    given = {
        "name": args.name,
        "description": args.description,
        "shell": args.shell,
        "splitOutput": args.split_output or None,
        "priority": args.priority,
        "triesLeft": args.tries,
        "maxTime": args.max_time,
        "submittedBy": args.user,
        "environment": _environment(args.env) if args.env else None,
        "agenda": agenda_from(args.agenda) if args.agenda else None,
        "chunk": args.chunk,
        "partitions": args.partitions,
        "order": args.order,
        "maxConcurrent": args.max_concurrent,
        **_requirements(args),
        "onSuccess": args.on_success,
        "onError": args.on_error,
        "onCancel": args.on_cancel,
        "onChildError": args.on_child_error,
        "cleanup": args.cleanup,
        **_mail(args),
    }
    return {name: value for name, value in given.items() if value is not None}


def _requirements(args: argparse.Namespace) -> dict[str, Any]:
    """What the job asks of the clients that run it."""
    low, high = hosts(args.hosts) if args.hosts is not None else (None, None)
    return {
        "cpus": args.cpus,
        "host": ",".join(args.host) if args.host else None,
        "hostgroup": ",".join(args.group) if args.group else None,
        "conditions": [condition(each) for each in args.condition] if args.condition else None,
        "tags": args.tag,
        "resources": resources(args.resource) if args.resource else None,
        "minHosts": low,
        "maxHosts": high,
    }


def _mail(args: argparse.Namespace) -> dict[str, Any]:
    """Who is sent mail, and when: without --mail-on when the job has ended."""
    to, on = ",".join(args.mail_to or ()), ",".join(args.mail_on or ())
    if on and not to and not args.spec:
        raise BadUsage("--mail-on says when mail is sent; --mail-to says where")
    if to and not on:
        on = ",".join(FINISHED_JOB)
    try:
        as_reasons(on)
        as_recipients(to)
    except Wrong as problem:
        raise BadUsage(f"mail {problem}") from None
    return {"emailTo": to or None, "emailReasons": on or None}


def _environment(pairs: list[str]) -> dict[str, str]:
    environment = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadUsage(f"--env takes NAME=VALUE, not {pair!r}")
        environment[name] = value
    return environment


def _sign(specification: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Put the user's name where a job says nothing about its submitter."""
    user = _user()
    for each in specification if isinstance(specification, list) else [specification]:
        if user and isinstance(each, dict):
            each.setdefault("submittedBy", user)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in some containers
        return ""


def _from_file(args: argparse.Namespace) -> dict[str, Any] | list[dict[str, Any]]:
    """What the file says, with the options laid over it where it is one job."""
    if args.words:
        raise BadUsage("--spec FILE already says what to run; leave out the command")
    place = "standard input" if args.spec == "-" else args.spec
    try:
        text = sys.stdin.read() if args.spec == "-" else Path(args.spec).read_text(encoding="utf-8")
        document = json.loads(text)
    except json.JSONDecodeError as problem:
        raise BadUsage(f"{place}, line {problem.lineno}: not JSON: {problem.msg}") from None
    except (UnicodeDecodeError, RecursionError) as problem:
        raise BadUsage(f"{place} cannot be read as JSON: {problem}") from None
    except OSError as problem:
        raise BadUsage(f"{place} cannot be read: {problem.strerror}") from None
    options = _options(args)
    if isinstance(document, dict):
        return document | options
    if not isinstance(document, list) or not document:
        raise BadUsage(f"{place} must hold a job specification or a list of them")
    if options:
        raise BadUsage("options such as --name go with one job, and the file holds a list")
    return document
