"""How the `hq` command ends: its exit codes, and the exception for a command line that means nothing."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What `hq` tells the shell. The sentences are printed by `hq --help`."""

    OK = 0
    JOBS_FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    TIMED_OUT = 124
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.OK: "done (wait, submit --wait and --follow: every job succeeded)",
    Exit.JOBS_FAILED: "a job waited for failed, was cancelled or abandoned",
    Exit.USAGE: "the command line makes no sense, or a file cannot be read or written",
    Exit.REFUSED: "the server refused, e.g. there is no such job",
    Exit.UNREACHABLE: "no farm answers at the server's address",
    Exit.TIMED_OUT: "the jobs did not end within --timeout, or the lock was not free within --wait",
    Exit.INTERRUPTED: "Ctrl-C; jobs go on",
}


class BadUsage(Exception):
    """A command line that parses and still makes no sense; the sentence says why."""
