"""Which client code runs: the installed one, or one that came from the server, and back when that is no good.

The installed program starts first, whatever runs in the end. With `choose` it reads from `state.json` in the data
folder's `code` what is to run. Code from the server is run by this file as a script, in the same process:

    python -P handover.py FOLDER VERSION TRIAL_SECONDS COMMAND [ARGUMENT...]

FOLDER/VERSION holds the code, COMMAND (JSON) is the command line of the installed program, ARGUMENTS are its arguments.
Code on trial that raises, ends or is not confirmed within TRIAL_SECONDS (0 = it is not on trial) has failed: the
installed program is started again in its place and told so by the state. Runs go on all the while, under their runners.

What two versions of the code must agree on is all here: the script's arguments, the keys of `state.json`,
`hqclient.daemon.cli.serve(ARGUMENTS) -> exit status`, and `EXIT_AGAIN`. The standard library only: as a script this
file runs before it is known what the other modules are.
"""

from __future__ import annotations

import _thread
import importlib
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NoReturn

EXIT_AGAIN = 79
"""What `serve` returns when the daemon is to be started anew."""
FAILURE_SECONDS = 3600.0
"""So long a version that failed is not tried again: its fault may have been that the server was away."""

_ENDED_AS_ASKED = (0, 130)


@dataclass(frozen=True)
class CodeState:
    """What `state.json` says. Versions are SHA-256 in hex, "" for none; `failed_at` is in seconds since the epoch.

    `current` runs instead of the installed code, as long as that is still `installed`. `trial` is to be tried next,
    or, once `begun`, is being tried. `failed` is the version that failed last.
    """

    current: str = ""
    installed: str = ""
    trial: str = ""
    begun: bool = False
    failed: str = ""
    reason: str = ""
    failed_at: float = 0.0

    def to_try(self, version: str) -> CodeState:
        """`version` is next."""
        return replace(self, trial=version, begun=False)

    def confirmed(self) -> CodeState:
        """What was on trial works: it stays."""
        return replace(self, current=self.trial, trial="", begun=False, failed="", reason="", failed_at=0.0)

    def withdrawn(self) -> CodeState:
        """The trial was ended without a verdict."""
        return replace(self, trial="", begun=False)

    def failing(self, version: str, reason: str, now: float) -> CodeState:
        """`version` is no good."""
        left = replace(self, failed=version, reason=reason, failed_at=now)
        return replace(
            left,
            current="" if left.current == version else left.current,
            trial="" if left.trial == version else left.trial,
            begun=False,
        )

    def refuses(self, version: str, now: float) -> bool:
        """Whether the version failed a short while ago."""
        return version == self.failed and 0 <= now - self.failed_at < FAILURE_SECONDS


def choose(state: CodeState, installed: str, now: float) -> tuple[CodeState, str]:
    """What the installed program, whose version is `installed`, has to run: the state from now on, and a version.

    The version is "" for the installed program itself.
    """
    if state.installed != installed:
        # Somebody has installed another client since: that is what he wants to run.
        state = replace(state, installed=installed, current="")
    if state.trial and state.begun:
        state = state.failing(state.trial, "it ended before the server had answered it", now)
    if state.trial:
        return replace(state, begun=True), state.trial
    return state, state.current


def read_state(folder: Path) -> CodeState:
    """The state in `folder`; that of a fresh installation where there is none or it cannot be read."""
    fresh = CodeState()
    try:
        read = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        known = {key: read[key] for key, default in asdict(fresh).items() if type(read.get(key)) is type(default)}
    except (OSError, ValueError, AttributeError):
        return fresh
    return replace(fresh, **known)


def write_state(folder: Path, state: CodeState) -> None:
    """Replace the state in one step; it is on disk when this returns. Raises `OSError`."""
    fresh = folder / "state.new"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(asdict(state), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / "state.json")


def own_command() -> list[str]:
    """The command line that this process was started with."""
    return [sys.executable, *sys.orig_argv[1:]]


def handover_command(folder: Path, version: str, trial_seconds: float, arguments: Sequence[str]) -> list[str]:
    """The command line by which the installed program hands over to the code of `version`."""
    script = [sys.executable, "-P", str(Path(__file__).resolve())]
    return [*script, str(folder), version, f"{trial_seconds:g}", json.dumps(own_command()), *arguments]


def become(command: Sequence[str]) -> NoReturn:
    """Be another program from now on, with this process id where the system can do that. Raises `OSError`."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass  # whoever was reading has gone
    if sys.platform == "win32":
        os._exit(subprocess.call(command))  # its own `exec` would let go of the terminal
    os.execv(command[0], list(command))


def reap() -> None:
    """Let go of the children of what this process was before, which have ended and which nobody else waits for."""
    if sys.platform != "win32":
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            pass  # there are none, as after every ordinary start


class _Trial:
    """One start of code from the server, and its end."""

    def __init__(self, folder: Path, version: str, seconds: float, command: Sequence[str]) -> None:
        self._folder, self._version, self._seconds, self._command = folder, version, seconds, command
        self._over = threading.Event()
        self._late = ""

    def run(self, arguments: Sequence[str]) -> int:
        """Run the code until it ends; the exit status, unless the installed program takes over."""
        if self._seconds:
            threading.Thread(target=self._watch, daemon=True).start()
        try:
            status = _serve(self._folder / self._version, arguments)
        except KeyboardInterrupt:
            status = 130
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException as problem:
            self._over.set()
            traceback.print_exc()
            self._go_back(f"it failed: {type(problem).__name__}: {problem}")
        self._over.set()
        if status == EXIT_AGAIN:
            become(self._command)
        if self._is_unconfirmed():
            if self._late or status not in _ENDED_AS_ASKED:
                self._go_back(self._late or f"it ended with exit status {status} before the server had answered it")
            write_state(self._folder, read_state(self._folder).withdrawn())
        return status

    def _watch(self) -> None:
        if self._over.wait(self._seconds) or not self._is_unconfirmed():
            return
        self._late = f"the server had not answered it within {self._seconds:g} s"
        if sys.platform == "win32":
            _thread.interrupt_main()  # a new process could not have the data folder before this one has ended
        else:
            self._go_back(self._late)

    def _is_unconfirmed(self) -> bool:
        return bool(self._seconds) and read_state(self._folder).trial == self._version

    def _go_back(self, reason: str) -> NoReturn:
        """Start the installed program in place of this code, which may be in the midst of anything.

        That is as if it had been killed, and a daemon may be killed at any time.
        """
        sys.stderr.write(f"hqclient: version {self._version[:12]} is given up: {reason}\n")
        try:
            write_state(self._folder, read_state(self._folder).failing(self._version, reason, time.time()))
        except OSError:
            pass  # the installed program sees that the trial has begun and draws its conclusion
        become(self._command)


def _serve(code: Path, arguments: Sequence[str]) -> int:
    """Import the daemon from the folder `code` and run it. Raises whatever that code raises."""
    sys.path.insert(0, str(code))
    importlib.invalidate_caches()
    cli = importlib.import_module("hqclient.daemon.cli")
    if code not in Path(cli.__file__ or "").parents:
        raise ImportError(f"there is no hqclient in {code}")
    return int(cli.serve(arguments))


def main() -> int:
    """Run the code that the command line names."""
    folder, version, seconds, command, *arguments = sys.argv[1:]
    return _Trial(Path(folder), version, float(seconds), json.loads(command)).run(arguments)


if __name__ == "__main__":
    sys.exit(main())
