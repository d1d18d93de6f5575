"""The `hq` command: reads the command line, runs one command, turns whatever goes wrong into a sentence."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence

from hqclient.errors import BadAddress, FarmUnreachable, HQError, LockHeld, WaitTimedOut
from hqclient.farm import Farm

from .arguments import build_parser
from .exits import BadUsage, Exit
from .screen import Screen


def main(argv: Sequence[str] | None = None) -> int:
    """Run `hq` with these words, the program's own by default, and give its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal cannot show is no reason to fail.
            stream.reconfigure(errors="replace")
    try:
        code = run(sys.argv[1:] if argv is None else argv, Screen.of(sys.stdout, sys.stderr))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader has had enough (`hq list | head`). Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def run(argv: Sequence[str], screen: Screen, connect: Callable[[str | None], Farm] = Farm) -> int:
    """Carry out one command line on a screen; its exit code. Raises `BrokenPipeError`, and nothing else.

    `connect` makes the farm for what `--server` says, None where it is not given.
    """
    try:
        args = build_parser().parse_args(argv)
        screen.as_json = args.as_json
        with connect(args.server) as farm:
            code: int = args.run(farm, args, screen)
        screen.out.flush()
        return code
    except SystemExit as done:  # argparse ends so after --help
        return Exit.OK if not done.code else Exit.USAGE
    except KeyboardInterrupt:
        screen.err.write("\n")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        raise
    except (HQError, BadUsage, OSError) as problem:
        return _complain(problem, screen)


def _complain(problem: Exception, screen: Screen) -> Exit:
    screen.note(problem)
    match problem:
        case WaitTimedOut() | LockHeld():
            return Exit.TIMED_OUT
        case BadUsage() | BadAddress() | OSError():
            return Exit.USAGE
        case FarmUnreachable():
            return Exit.UNREACHABLE
        case _:
            return Exit.REFUSED


if __name__ == "__main__":
    sys.exit(main())
