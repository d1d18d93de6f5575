"""From a start order to a process: which program with which arguments, and why it cannot start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from .. import host_os
from ..limits import Limits
from .failures import FailurePattern
from .process_tree import RUN_TOKEN

_ARGUMENTS = {"cmd": ("/d", "/s", "/c"), "powershell": ("-NoProfile", "-Command"), "pwsh": ("-NoProfile", "-Command")}


@dataclass(frozen=True)
class Command:
    """What the runner needs of a start order (PROTOCOL.md). `shell` is "" for the platform's own.

    `split_output`: stderr has a log of its own.
    """

    run: str
    text: str
    shell: str
    environment: Mapping[str, str]
    log_limit: int
    kill_grace_seconds: float
    split_output: bool
    progress_patterns: tuple[str, ...]
    failure_patterns: tuple[FailurePattern, ...]
    limits: Limits

    @classmethod
    def of_order(cls, order: Mapping[str, Any]) -> Command:
        """The command of a start order, its environment with the run's token added.

        Raises `KeyError`, `TypeError` or `ValueError` for an order that is none.
        """
        run = str(order["run"])
        return cls(
            run=run,
            text=str(order["command"]),
            shell=str(order.get("shell", "")),
            environment={**order["environment"], RUN_TOKEN: run},
            log_limit=int(order["logLimit"]),
            kill_grace_seconds=float(order["killGrace"]),
            split_output=bool(order.get("splitOutput", False)),
            progress_patterns=tuple(order["progressPatterns"]),
            failure_patterns=tuple(
                FailurePattern(each["pattern"], each["action"]) for each in order.get("failurePatterns", [])
            ),
            limits=Limits.of_order(order),
        )


class CannotStart(Exception):
    """The command cannot be started. `exit_code` is what a shell would say: 127 not found, 126 otherwise."""

    def __init__(self, exit_code: int, reason: str) -> None:
        super().__init__(reason)
        self.exit_code = exit_code

    @classmethod
    def because(cls, problem: Exception) -> CannotStart:
        """The same, from what the operating system said."""
        return cls(127 if isinstance(problem, FileNotFoundError) else 126, str(problem))


def program_and_arguments(command: Command) -> list[str]:
    """The shell's full path and its arguments. Raises `CannotStart` when there is no such shell.

    A shell without a folder in its name is looked up in the PATH of the command, not of the daemon.
    """
    shell = command.shell or ("cmd.exe" if host_os.WINDOWS else "/bin/sh")
    program = shutil.which(shell, path=command.environment.get("PATH", os.defpath))
    if program is None:
        raise CannotStart(127, f"there is no shell {shell!r} on this machine")
    kind = PurePath(shell).name.lower().removesuffix(".exe")
    return [program, *_ARGUMENTS.get(kind, ("-c",)), command.text]
