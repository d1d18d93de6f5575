"""`hq callback`: mail, webhooks and commands that follow when something becomes of a job."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hqclient import callbacks
from hqclient.errors import NotFound
from hqclient.farm import Farm

from .exits import BadUsage, Exit
from .parsing import Section, job_id
from .screen import Screen, harmless
from .tables import Cell, Column, table_lines
from .words import local_time

_COLUMNS = (
    Column("CALLBACK", right=True),
    Column("ON", flexible=True),
    Column("DOES", flexible=True),
    Column("FIRED", right=True),
    Column("WAITING", right=True, rank=2),
    Column("FAILED", right=True),
    Column("ADDED", rank=1),
)
_EPILOG = """\
triggers: failed, finished, job:running ...   what becomes of the job itself
          work:failed ...                     a piece of its agenda
          child:succeeded ...                 a job directly below it
          any:failed ...                      it, its pieces, and everything below it"""


def add_commands(section: Section) -> None:
    """`hq callback add`, `list` and `delete`."""
    actions = section.add_actions("callback", "have mail, a webhook or a command follow what becomes of a job")
    _add_add(actions.add("add", add, "add a callback to a job, or for every job; prints its id", epilog=_EPILOG))
    parser = actions.add("list", show, "list the callbacks of a job, or those for every job")
    parser.add_argument("job", metavar="JOB", type=job_id, nargs="?")
    parser = actions.add("delete", delete, "delete callbacks, with what they have not delivered yet")
    parser.add_argument("callback", metavar="CALLBACK", type=job_id, nargs="+")


def _add_add(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("job", metavar="JOB", type=job_id, nargs="?")
    which.add_argument("--every-job", action="store_true", help="whatever job it is")
    parser.add_argument(
        "--on", metavar="TRIGGER", action="append", required=True, help="what must happen; may be given several times"
    )
    does = parser.add_mutually_exclusive_group(required=True)
    does.add_argument("--mail", metavar="ADDRESS", help="send mail, to a comma list of addresses")
    does.add_argument("--webhook", metavar="URL", help="POST JSON to an http or https address")
    does.add_argument("--command", metavar="COMMAND", help="run it on the farm, as a job: $HQ_EVENT_JOB, $HQ_EVENT_NOW")
    parser.add_argument("--subject", metavar="TEXT", default="", help="with --mail: its subject")
    parser.add_argument(
        "--secret-file", metavar="FILE", type=Path, help="with --webhook: sign it with what the file holds"
    )


def add(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq callback add`."""
    number = farm.add_callback(args.job, ",".join(args.on), _action(args))
    if screen.as_json:
        screen.json(number)
    else:
        screen.line(str(number))
    return Exit.OK


def _action(args: argparse.Namespace) -> dict[str, Any]:
    if args.subject and args.mail is None:
        raise BadUsage("--subject is of a mail: give --mail too")
    if args.secret_file is not None and args.webhook is None:
        raise BadUsage("--secret-file is of a webhook: give --webhook too")
    if args.mail is not None:
        return callbacks.mail(args.mail, args.subject)
    if args.webhook is not None:
        return callbacks.webhook(args.webhook, _secret(args.secret_file))
    return callbacks.command(args.command)


def _secret(file: Path | None) -> str:
    """What the file holds, "" for no file: never an option, for the whole machine sees those."""
    if file is None:
        return ""
    try:
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise BadUsage(f"{file} cannot be read: {reason}") from None
    if not secret:
        raise BadUsage(f"{file} is empty: it must hold the secret")
    return secret


def show(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq callback list`."""
    found = farm.callbacks(args.job)
    if screen.as_json:
        screen.json(found)
        return Exit.OK
    if not found:
        screen.note("no callbacks" + ("" if args.job else " for every job; name a job to see its own"))
        return Exit.OK
    rows = [
        [
            *(Cell(each["id"]), Cell(", ".join(each["triggers"])), Cell(_does(each["action"]))),
            *(Cell(each["fired"]), Cell(each["waiting"]), Cell(each["failed"], "bad" if each["failed"] else "")),
            Cell(f"{local_time(each['added'])} by {each['addedBy']}", "faint"),
        ]
        for each in found
    ]
    for line in table_lines(screen, _COLUMNS, rows):
        screen.line(line)
    for each in found:
        if each["lastError"]:
            screen.line(f"{each['id']}: {harmless(each['lastError'])}")
    return Exit.OK


def _does(action: dict[str, Any]) -> str:
    if action["type"] == "mail":
        return f"mail to {', '.join(action['to'])}"
    if action["type"] == "webhook":
        return f"{'signed ' if action['signed'] else ''}webhook to {action['url']}"
    return f"command {action['command']}"


def delete(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq callback delete`."""
    wanted = list(dict.fromkeys(args.callback))
    gone = farm.delete_callbacks(wanted)
    if screen.as_json:
        screen.json(gone)
    else:
        for number in gone:
            screen.line(f"{number}  deleted")
    missing = [str(number) for number in wanted if number not in gone]
    if missing:
        raise NotFound(404, f"no callback {', '.join(missing)}")
    return Exit.OK
