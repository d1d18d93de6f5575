"""For the tests of runs: orders with every field defaulted, runners as real processes, waiting with a deadline."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from hqclient.daemon.runs.killing import force_kill
from hqclient.daemon.runs.runfolder import ExitRecord, RunFolder
from hqclient.daemon.runs.runfolders import RunFolders

PROGRAMS = Path(__file__).parent / "programs"
PATIENCE_SECONDS = 30.0


def an_order(command: str = "true", **fields: Any) -> dict[str, Any]:
    """A start order as PROTOCOL.md has it."""
    order: dict[str, Any] = {
        "kind": "start",
        "run": secrets.token_hex(16),
        "job": 1,
        "root": 1,
        "work": "0",
        "command": command,
        "shell": "",
        "environment": {"PATH": os.environ["PATH"], "PYTHON": sys.executable, "PROGRAMS": str(PROGRAMS)},
        "cpus": 1,
        "logLimit": 1 << 20,
        "killGrace": 0.3,
        "splitOutput": False,
        "progressPatterns": [],
        "hook": "",
        "failurePatterns": [],
        "maxTime": 0.0,
        "minTime": 0.0,
        "maxSilence": 0.0,
        "maxMemory": 0.0,
        "lease": 0.0,
    }
    return {**order, **fields}


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition; fail with `what` when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.005)


def has_line(folder: RunFolder, line: str) -> bool:
    """Whether the run's log has that whole line by now."""
    return line.encode() in folder.read_log(0, 1 << 20).split(b"\n")


def is_gone(pid: int) -> bool:
    """Whether the process has ended, reaped or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def runner_of(folder: RunFolder, group: Path | None = None, **popen: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A runner of its own for the run, ended with all it started when the block is left.

    `group` is the control group that it enters.
    """
    words = [sys.executable, "-m", "hqclient.daemon.runs.runner", str(folder.path), *([str(group)] if group else [])]
    with subprocess.Popen(words, **popen) as runner:
        try:
            yield runner
        finally:
            if runner.poll() is None:
                force_kill(folder)
                runner.kill()


def run_to_end(tmp_path: Path, command: str = "true", **fields: Any) -> tuple[RunFolder, ExitRecord]:
    """Run a command in a runner of its own; its folder and exit record."""
    folder = RunFolders(tmp_path / "runs").create(an_order(command, **fields))
    with runner_of(folder) as runner:
        assert runner.wait(PATIENCE_SECONDS) == 0
    record = folder.exit_record()
    assert record is not None
    return folder, record


def pid_said(folder: RunFolder, word: str) -> int:
    """The pid in the log line `WORD PID`, waited for."""

    def said() -> list[bytes]:
        return [line for line in folder.read_log(0, 1 << 20).split(b"\n")[:-1] if line.startswith(word.encode())]

    wait_until(said, f"the command says {word!r}")
    return int(said()[0].split()[1])
