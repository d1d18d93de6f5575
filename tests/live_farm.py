"""A real farm on loopback for tests: server and client processes, their data in a temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from xmlrpc.client import ServerProxy

import psutil
import pytest
from left_runs import end_left_runs

BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 30.0
_T = TypeVar("_T")


def wait_until(condition: Callable[[], _T], *, what: str, show: Callable[[], object] = lambda: "") -> _T:
    """Wait until `condition` gives something true, and give it. Fails with `what` and what `show` says."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE_SECONDS:.0f} s in vain for {what}; {show()}")


class Program:
    """A process of ours and what it printed."""

    def __init__(self, words: list[str], env: dict[str, str] | None = None):
        self.process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def said(self, words: str) -> str:
        """Wait for a line with `words` in it, and give it."""

        def find() -> str:
            found = next((line for line in self.lines if words in line), "")
            assert found or self.process.poll() is None, f"ended with {self.process.returncode}: {self.lines}"
            return found

        return wait_until(find, what=words, show=lambda: self.lines)

    def end(self, number: int = signal.SIGTERM, patience: float = 20.0) -> int:
        """Send a signal, wait, and give the exit status; killed where it does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait(5)
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


def power_off(client: Program) -> None:
    """Kill a client's daemon with all its runners and commands, as when its machine loses power."""
    daemon = psutil.Process(client.process.pid)
    daemon.suspend()  # so that it neither starts nor notices anything
    for process in [daemon, *daemon.children(recursive=True)]:
        process.kill()
    client.end()


def booted_anew() -> tuple[str, ...]:
    """The program `hqclient` on a machine of another boot, where no process of an earlier one is left."""
    code = (
        "import sys, uuid\n"
        "from hqclient.daemon import host_os\n"
        "host_os.boot_id = lambda boot=str(uuid.uuid4()): boot\n"  # before anybody takes it from there
        "from hqclient.daemon.runs import killing\n"
        "killing.clean_up = lambda folder: (0, [])\n"
        "from hqclient.daemon.cli import main\n"
        "sys.exit(main())\n"
    )
    return sys.executable, "-c", code


class LiveFarm:
    """A server and its clients. Everything that is started here is ended by `close`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = 0
        self.server: Program | None = None
        self.clients: dict[str, Program] = {}
        """The client that was started last of each name, or rather of each folder."""
        self._started: list[Program] = []
        self.url = ""
        try:
            self.start_server()
        except BaseException:
            self.close()
            raise

    def start_server(self, *flags: str, env: dict[str, str] | None = None, under: Sequence[str] = ()) -> None:
        """Start the server, on the port it had before; `under` is a program that runs it, with its words."""
        words = [*under, str(BIN / "hqserver"), "--port", str(self.port), "--data", str(self.folder / "server"), *flags]
        self.server = Program(words, {"HQSERVER_BEAT_SECONDS": "1", "HQSERVER_KILL_GRACE": "1", **(env or {})})
        self.url = self.server.said("listening on ").rpartition(" ")[2]
        self.port = int(self.url.rpartition(":")[2])

    def start_client(
        self,
        name: str,
        *,
        cpus: int = 2,
        wait: bool = True,
        env: dict[str, str] | None = None,
        folder: str = "",
        program: Sequence[str] = (str(BIN / "hqclient"),),
        server: str = "",
    ) -> Program:
        """Start a client by this name; `wait` until it is registered.

        `folder` is that of its data, called as the client unless told otherwise; `program` are the words that start it;
        `server` is the URL by which it reaches the server, where that is another than everybody's.
        """
        words = [*program, "--server", server or self.url, "--name", name, "--cpus", str(cpus), "--port", "0"]
        client = Program([*words, "--data", str(self.folder / (folder or name))], env)
        self.clients[folder or name] = client
        self._started.append(client)
        if wait:
            client.said("registered as client")
        return client

    def call(self, method: str, *params: Any) -> Any:
        """Call a method as a stranger would: the standard library's proxy, a new connection."""
        with ServerProxy(self.url, allow_none=True, use_builtin_types=True) as proxy:
            return getattr(proxy, method)(*params)

    def job(self, job_id: int, *attribs: str) -> Any:
        """Attributes of a job, or the one attribute asked for."""
        found = self.call("getJob", job_id, list(attribs) or None)
        return found[attribs[0]] if len(attribs) == 1 else found

    def wait_for(self, job_id: int, *statuses: str) -> str:
        """Wait until the job has one of these statuses; a finished job that never will fails at once."""

        def reached() -> str:
            status = str(self.job(job_id, "status"))
            if status not in statuses:
                assert status not in ("succeeded", "failed", "cancelled", "abandoned"), self.story(job_id)
                return ""
            return status

        return wait_until(reached, what=f"job {job_id} to be {statuses}", show=lambda: self.story(job_id))

    def story(self, job_id: int) -> str:
        """What is known of a job, for a failure's message."""
        return f"{self.job(job_id)}\noutput: {self.call('getJobOutput', job_id)!r}"

    def close(self) -> None:
        """End all processes."""
        for client in [*self._started, *self.clients.values()]:
            client.end()
        if self.server is not None:
            self.server.end()
        end_left_runs(self.folder)
        (self.folder / "server" / "ballast").unlink(missing_ok=True)  # many farms of one run of tests would fill a disk


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveFarm]:
    """A server without clients."""
    farm = LiveFarm(tmp_path)
    yield farm
    farm.close()


@pytest.fixture
def farm_of_one(live: LiveFarm) -> LiveFarm:
    """A server and one client of two CPUs."""
    live.start_client("alpha")
    return live
