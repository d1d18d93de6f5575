"""Claims: work that a program of your own does in place of a daemon (CONTRACT 10, Locks and outside runners)."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
from collections.abc import Mapping
from typing import Any

from .address import Address
from .connection import Caller
from .errors import BadAddress
from .finding import sent

DEFAULT_SECONDS = 3_600
"""How long a claim lasts that is not renewed."""


class Claim:
    """Work that was claimed. `seconds`: it is over, and goes back to the queue, when not renewed within so many.

    `environment` is what its command needs beside the runner's own: with it `hq`, and `Farm()`, find this farm, and
    what `hq set-result` leaves counts only while the claim lasts. `cpus` 0: all that the machine has.
    """

    def __init__(self, farm: Caller, told: Mapping[str, Any]) -> None:
        self.farm = farm
        self.run = str(told["run"])
        self.job_id = int(told["job"])
        self.root_id = int(told["root"])
        self.work = str(told["work"])
        self.name = str(told["name"])
        self.command = str(told["command"])
        self.environment = {**_server(farm.url), **told["environment"]}
        self.cpus = int(told["cpus"])
        self.seconds = int(told["seconds"])
        self.told = {**told, "environment": self.environment}

    def renew(self, *, progress: float | None = None, seconds: int | None = None) -> bool:
        """The work goes on. False where nobody wants it any more: stop, and say `finish`. Raises `NotFound`."""
        answer = self.farm.call("renewClaim", self.run, seconds, progress)
        self.seconds = int(answer["seconds"])
        return bool(answer["wanted"])

    def finish(
        self,
        status: str,
        *,
        exit_code: int | None = None,
        reason: str | None = None,
        output: str | bytes | None = None,
        result: Any = None,
    ) -> str:
        """Say how it ended: `succeeded`, `failed` or `returned`. Its run's status; `cancelled` where that was first.

        Raises `Conflict` where the claim is over, because it was not renewed in time.
        """
        given = {"exitCode": exit_code, "reason": reason, "output": output, "result": result}
        outcome = {"status": status, "run": self.run, **{key: each for key, each in given.items() if each is not None}}
        return str(self.farm.call("finishJob", self.job_id, outcome)["status"])

    def __repr__(self) -> str:
        return f"Claim(job {self.job_id}, {self.work!r}, run {self.run})"


def claim_job(
    farm: Caller, wanted: Mapping[str, Any] | None, runner: str | Mapping[str, Any] | None, seconds: int
) -> Claim | None:
    """As `Farm.claim_job`."""
    who = runner_name() if runner is None else runner if isinstance(runner, str) else dict(runner)
    told = farm.call("claimJob", sent(wanted), who, seconds)
    return None if told is None else Claim(farm, told)


def _server(url: str) -> dict[str, str]:
    """The variable by which a command finds the server, unless it inherits that one with a password, which is neither
    printed nor lost."""
    own = os.environ.get("HQSERVER", "")
    with contextlib.suppress(BadAddress):
        if "@" in own and Address.parse(own).shown == url:
            return {}
    return {"HQSERVER": url}


def runner_name() -> str:
    """What a runner is called that does not say: `user@machine`, with the user's number where it has no name."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in some containers
        user = str(os.getuid()) if hasattr(os, "getuid") else "somebody"
    return f"{user}@{socket.gethostname()}"
