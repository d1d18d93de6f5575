"""`hq claim`, `hq renew` and `hq finish`: work for a script that is no hqclient."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from hqclient.claim import DEFAULT_SECONDS, runner_name
from hqclient.farm import Farm
from hqserver.domain.runner import Outcome

from .exits import BadUsage, Exit
from .parsing import Section, job_id, positive
from .screen import Screen

_EPILOG = """\
example, of a runner in a shell script:
  claim=$(hq claim --where '{"group": "laptops"}' --as laptop7) || exit
  part() { printf '%s' "$claim" | python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }
  work="import json, os, sys; claim = json.load(sys.stdin); os.environ.update(claim['environment'])"
  work="$work; os.execlp('sh', 'sh', '-c', claim['command'])"
  if printf '%s' "$claim" | python3 -c "$work" > log 2>&1; then how=succeeded; else how=failed; fi
  hq finish "$(part job)" $how --run "$(part run)" --output log
by its environment the command finds the server, its job and its claim; long work renews: hq renew "$(part run)"""


def add_commands(section: Section) -> None:
    """The commands of runners from outside."""
    claim = section.add("claim", claim_job, "claim work for a script of your own; prints it as JSON", epilog=_EPILOG)
    claim.add_argument("job", metavar="JOB", type=job_id, nargs="*", help="only work of these")
    claim.add_argument("--where", metavar="FILTER", help="the jobs that a filter means, a JSON dictionary")
    claim.add_argument("--as", dest="runner", metavar="NAME", help="what the runner is called (default user@machine)")
    claim.add_argument(
        "--seconds",
        metavar="N",
        type=positive,
        default=DEFAULT_SECONDS,
        help=f"it goes back to the queue when not renewed within so many (default {DEFAULT_SECONDS})",
    )
    renew = section.add("renew", renew_claim, "keep a claim; fails where nobody wants the work any more")
    renew.add_argument("claim", metavar="RUN", help="what hq claim printed as run")
    renew.add_argument("--seconds", metavar="N", type=positive, help="for so many from now on (default: as before)")
    renew.add_argument("--progress", metavar="PERCENT", type=float, help="how much is done, 0 to 100")
    finish = section.add("finish", finish_job, "say how claimed work ended")
    finish.add_argument("job", metavar="JOB", type=job_id)
    finish.add_argument("status", metavar="STATUS", choices=[str(each) for each in Outcome], help=", ".join(Outcome))
    finish.add_argument("--run", metavar="RUN", dest="claim", help="which claim, where the job has several")
    finish.add_argument("--exit-code", metavar="N", type=int)
    finish.add_argument("--reason", metavar="TEXT", help="for people")
    finish.add_argument("--output", metavar="FILE", help="what the work wrote; - for standard input")
    finish.add_argument("--result", metavar="JSON", help="the document it leaves, as hq result shows it")


def claim_job(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq claim`. The answer is JSON with and without --json."""
    wanted = _json("--where", args.where) if args.where else {}
    if not isinstance(wanted, dict):
        raise BadUsage(f"--where takes a JSON dictionary, not {args.where[:60]!r}")
    if args.job:
        wanted["ids"] = args.job
    claim = farm.claim_job(wanted, args.runner or runner_name(), seconds=args.seconds)
    if claim is None:
        screen.note("there is no such work that this runner may have")
        return Exit.REFUSED
    screen.json(claim.told)
    return Exit.OK


def renew_claim(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq renew`."""
    progress = None if args.progress is None else args.progress / 100
    answer = farm.call("renewClaim", args.claim, args.seconds, progress)
    if screen.as_json:
        screen.json(answer)
    elif not answer["wanted"]:
        screen.note(f"not wanted any more: {answer['why']}")
    return Exit.OK if answer["wanted"] else Exit.REFUSED


def finish_job(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq finish`."""
    given = {
        "run": args.claim,
        "exitCode": args.exit_code,
        "reason": args.reason,
        "output": None if args.output is None else _read(args.output),
        "result": None if args.result is None else _json("--result", args.result),
    }
    outcome = {"status": args.status, **{key: each for key, each in given.items() if each is not None}}
    answer = farm.call("finishJob", args.job, outcome)
    if screen.as_json:
        screen.json(answer)
    elif answer["status"] == "cancelled":
        screen.note("the work was cancelled or marked as done meanwhile")
    return Exit.OK


def _json(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise BadUsage(f"{option} takes JSON: {problem}") from None


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as problem:
        raise BadUsage(f"{file}: {problem.strerror}") from None
