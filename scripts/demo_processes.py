"""The demo's farm: a server and its clients as processes of this machine, started and ended."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any
from xmlrpc.client import Error as XmlRpcError
from xmlrpc.client import ServerProxy

import psutil

CLIENTS = ("alpha", "beta")
START_SECONDS = 60.0
"""How long a program may take to be ready: generous, for a machine that is busy."""
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
TAIL_LINES = 15
_MARK = "HQ_DEMO_FOLDER"
"""The variable by which everything that the demo started can be recognised."""


class DemoFailed(Exception):
    """Something that the person at the terminal is told in one sentence."""


class DemoFarm:
    """One `hqserver` and two `hqclient` daemons on loopback. Use it in a `with` statement.

    Nothing that the farm started outlives the `with` block: its jobs are cancelled, its programs asked to end, and
    what is left then, such as a command that will not go, is killed.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is for the farm's data and logs. It must be the farm's own: it is what marks its processes."""
        self.url = ""
        self._folder = folder
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._jobs: list[int] = []

    def __enter__(self) -> DemoFarm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def proxy(self) -> Any:
        """A new connection to the server; close it by using it in a `with` statement."""
        return ServerProxy(self.url, allow_none=True)

    def start(self) -> None:
        """Start the programs and wait until both clients are registered. Raises `DemoFailed`."""
        server_data = str(self._folder / "server")
        self._run("server", "hqserver", "--host", "127.0.0.1", "--port", "0", "--data", server_data)
        self._wait_for("the server to listen", self._is_listening)
        for name in CLIENTS:
            self._run(
                *(name, "hqclient", "--server", self.url, "--name", name, "--cpus", "1", "--port", "0"),
                *("--data", str(self._folder / name)),
            )
        with self.proxy() as server:
            self._wait_for("the clients to register", lambda: self._are_registered(server))

    def submit(self, job: dict[str, object]) -> int:
        """Submit the job tree; answers the id of its root."""
        with self.proxy() as server:
            root: int = server.newjob(job)[0]
        self._jobs.append(root)
        return root

    def check(self) -> None:
        """Raises `DemoFailed` when one of the programs has ended."""
        for name, program in self._programs.items():
            if program.poll() is not None:
                raise DemoFailed(f"{_title(name)} ended with exit code {program.returncode}.")

    def log_tails(self) -> str:
        """The last lines of what each program said, under its name."""
        tails = []
        for name in self._programs:
            lines = self._log(name).read_text("utf-8", "replace").splitlines()[-TAIL_LINES:]
            tails.append("\n".join([f"--- {_title(name)} said last:", *lines]))
        return "\n".join(tails)

    def _run(self, name: str, program: str, *flags: str) -> None:
        path = Path(sys.executable).with_name(program)
        # The farm is set up by these flags alone, not by what the caller's shell holds for another one.
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("HQSERVER", "HQCLIENT"))}
        environment |= {_MARK: str(self._folder), "PYTHONUNBUFFERED": "1"}
        try:
            with self._log(name).open("wb") as log:
                self._programs[name] = subprocess.Popen(
                    [path, *flags],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._folder,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for the demo, which then ends the others in order
                )
        except OSError as problem:
            raise DemoFailed(f"{path} cannot be started: {problem.strerror}.") from None

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _is_listening(self) -> bool:
        said = self._log("server").read_text("utf-8", "replace")
        found = re.search(r"^listening on (http://\S+)\s", said, re.MULTILINE)
        self.url = found[1].rstrip("/") if found else ""
        return bool(found)

    def _are_registered(self, server: Any) -> bool:
        return {client["name"] for client in server.getClients(None, ["name"])} >= set(CLIENTS)

    def _wait_for(self, what: str, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_so():
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(f"Waited {START_SECONDS:.0f} seconds for {what}, in vain.")
            time.sleep(POLL_SECONDS)

    def _stop(self) -> None:
        """End everything, commands first: daemons may end while the commands they started go on."""
        try:
            self._cancel_jobs()
        except (OSError, HTTPException, XmlRpcError):
            pass  # the server is gone; the commands are found below
        for names in (CLIENTS, ("server",)):
            _end([psutil.Process(program.pid) for program in self._alive(names)])
            for program in self._alive(names):
                program.wait()
        _end(self._left_over())

    def _cancel_jobs(self) -> None:
        if not self._jobs or any(program.poll() is not None for program in self._programs.values()):
            return
        with self.proxy() as server:
            finished = server.getFinishedJobStatusNames()
            if all(job["status"] in finished for job in server.getJobs(self._jobs, ["status"])):
                return
            server.cancelJobs(self._jobs)
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline and any(
                client["runningJobs"] for client in server.getClients(None, ["runningJobs"])
            ):
                time.sleep(POLL_SECONDS)

    def _alive(self, names: Iterable[str]) -> list[subprocess.Popen[bytes]]:
        programs = [self._programs[name] for name in names if name in self._programs]
        return [program for program in programs if program.poll() is None]

    def _left_over(self) -> list[psutil.Process]:
        """Processes that the farm started, however far removed: they inherited its mark."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(_MARK) == str(self._folder) and process.pid != os.getpid():
                    found.append(process)
            except (psutil.Error, OSError):
                continue  # gone meanwhile, or somebody else's
        return found


def _end(processes: list[psutil.Process]) -> None:
    """Ask processes to end, and kill those that have not after a while."""
    for request in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            try:
                request(process)
            except psutil.NoSuchProcess:
                pass
        _, processes = psutil.wait_procs(processes, timeout=STOP_SECONDS)


def _title(name: str) -> str:
    return f"Client {name}" if name in CLIENTS else f"The {name}"
