"""Whether runners can have control groups here, found out by doing it: what is allowed is known only then."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from .cgroups import Cgroup, CgroupError, new_group, parent_of_groups

assert sys.platform != "win32"

_PATIENCE_SECONDS = 1.0


def usable_parent(parent: Path | None = None) -> Path:
    """The folder below which runners get their control groups; there one has been made, entered by a fork, and killed.

    For a process of a single thread. Raises `CgroupError`. `parent` is what `parent_of_groups` says.
    """
    parent = parent or parent_of_groups()
    try:
        probe = new_group(parent)
        try:
            if not (probe.path / "cgroup.kill").exists():
                raise CgroupError("this kernel is older than 5.14 and cannot kill a control group")
            _enter_and_be_killed(probe)
        finally:
            probe.kill_until_gone(_PATIENCE_SECONDS)
    except OSError as problem:
        raise CgroupError.because(problem) from None
    return parent


def _enter_and_be_killed(probe: Cgroup) -> None:
    """Raises `CgroupError` when that is not what happens."""
    pid = os.fork()
    if pid == 0:
        try:
            probe.enter()
            time.sleep(_PATIENCE_SECONDS)
        finally:
            os._exit(1)
    while pid not in probe.pids() and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.001)
    probe.kill()
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise CgroupError("a process may not enter a control group, or not be killed with it")
