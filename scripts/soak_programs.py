"""The programs of a soak: the server, the clients and who calls `ping`, killed, stopped and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
from check_history import Usage

START_SECONDS = 60.0
_END_SECONDS = 30.0


class SoakFailed(Exception):
    """The soak cannot go on; one sentence says why."""


class Program:
    """One of ours, which may be killed and started again with the same words.

    Whoever does something to it holds `busy` meanwhile.
    """

    def __init__(self, name: str, words: list[str], ready: str, log: Path, environment: Mapping[str, str]):
        """It is ready when it says a line with `ready` in it; all that it says goes to `log`."""
        self.name, self.words = name, words
        self.busy = threading.Lock()
        self.line = ""
        self._ready, self._log = ready, log
        # The farm is set up by these words alone, not by what the caller's shell holds for another one.
        own = {key: value for key, value in os.environ.items() if not key.startswith(("HQSERVER", "HQCLIENT", "HQ_"))}
        self._environment = {**own, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process. Raises `SoakFailed` where there is none."""
        if self._process is None:
            raise SoakFailed(f"{self.name} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it is ready; that line goes to `line`.

        Where it ends before that, it is started again, as a service is. Raises `SoakFailed` when it never is ready.
        """
        deadline = time.monotonic() + START_SECONDS
        said = ""
        while time.monotonic() < deadline:
            before = self._log.stat().st_size if self._log.exists() else 0
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self.words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment,
                    start_new_session=True,  # Ctrl-C is for the soak, which then ends the others in order
                )
            while time.monotonic() < deadline:
                ended = self._process.poll() is not None
                said = self._log.read_bytes()[before:].decode("utf-8", "replace") or said
                self.line = next((line for line in said.splitlines() if self._ready in line), "")
                if self.line:
                    return
                if ended:
                    break
                time.sleep(0.02)
            time.sleep(0.2)
        raise SoakFailed(f"{self.name} did not start: {said.strip()[-500:]}")

    def end(self, number: int) -> None:
        """End it with this signal and reap it; killed where it does not end."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_END_SECONDS)
        self._process = None

    def stop(self, seconds: float) -> None:
        """Let it stand still for so long, as on a machine that swaps: a daemon's runs go on, its beats do not."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def revive(self) -> str:
        """Start it again when it has ended by itself, and say so in a sentence; "" when it has not."""
        if not self.busy.acquire(blocking=False):
            return ""  # it is being killed, or has been
        try:
            status = None if self._process is None else self._process.poll()
            if status is None:
                return ""
            self.start()
            return f"{self.name} ended by itself with {status}"
        finally:
            self.busy.release()

    def usage(self) -> Usage:
        """What it takes up now."""
        process = psutil.Process(self.pid)
        return Usage(process.memory_info().rss >> 20, process.num_threads(), process.num_fds())


def carriers(runs: set[str]) -> list[int]:
    """Processes that are alive of these runs, by the token that every command carries in its environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get("HQ_RUN_TOKEN") in runs:
                found.append(process.pid)
    return found
