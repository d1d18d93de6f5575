"""Processes on Linux and macOS: what makes one fit to be a runner, and how a command's comes to life."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys

from .. import host_os

assert sys.platform != "win32"

_RESET_SIGNALS = (
    *(signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1),
    *(signal.SIGUSR2, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGVTALRM),
)


def prepare_process() -> int:
    """Make this process fit to be a runner: own session, parent of orphans, deaf to the terminal.

    Returns the descriptor on which the numbers of arriving signals can be read.
    """
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setsid()
    host_os.adopt_orphans()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # what matters is the number on the descriptor
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    if nowhere > 2:
        os.close(nowhere)
    os.chdir("/")
    return wake


def spawn(arguments: list[str], environment: dict[str, str], output: int, errors: int) -> int:
    """Start the program in its own session with nothing but /dev/null, `output` and `errors` open. Returns its pid."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, errors, 2),
    ]
    try:
        return os.posix_spawn(
            arguments[0],
            arguments,
            environment,
            file_actions=actions,
            setsid=True,
            setsigmask=(),
            setsigdef=_RESET_SIGNALS,
        )
    except NotImplementedError:  # an older macOS has no setsid in posix_spawn
        child = subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        child.returncode = 0  # it is reaped here, by pid: Popen must not wait for it
        return child.pid
