"""For the tests of the daemon's upper half: orders, records, and a scripted server at the transport's place."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from run_kit import an_order

from hqclient.daemon.agent import Agent
from hqclient.daemon.config import Config, ServerAddress
from hqclient.daemon.host_os import Moment
from hqclient.daemon.identity import DataFolder
from hqclient.daemon.link import LinkDown, ServerFault
from hqclient.daemon.machine import Machine
from hqclient.daemon.protocol import StartOrder, read_start_order
from hqclient.daemon.runs.runfolder import ExitRecord

PATIENCE_SECONDS = 30.0
_ANSWERS = {
    "start": ("ended", "refused"),
    "kill": ("ended", "refused"),
    "pause": ("paused", "ended", "refused"),
    "resume": ("resumed", "ended", "refused"),
}
"""Which reports an order is answered by."""


def a_start_order(**fields: Any) -> StartOrder:
    """A start order as the daemon holds it."""
    return read_start_order(an_order(**fields))


def a_record(**fields: Any) -> ExitRecord:
    """The exit record of a command that succeeded without a word."""
    known: dict[str, Any] = {
        "exit_code": 0,
        "signal": 0,
        "killed": False,
        "reason": "",
        "started_at": Moment.now(),
        "ended_at": Moment.now(),
        "log_size": 0,
        "log_hash": hashlib.sha256().hexdigest(),
        "log_truncated": False,
        "progress": 0.0,
        "cpu_seconds": 0.0,
        "max_memory_kb": 0,
    }
    return ExitRecord(**{**known, **fields})


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; fail with `what` when it does not come true in time."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.005)


class FakeServer:
    """`registerClient` and `clientBeat` in this process, as PROTOCOL.md has them; a `Transport`.

    Tests add `orders`, read `reports`, `logs` and `beats`, and break the line with `lose_answers`, `down`, `fault`.
    """

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.reports: list[dict[str, Any]] = []
        self.verdicts: dict[str, str] = {}
        self.logs: dict[str, bytes] = {}
        self.stderr: dict[str, bytes] = {}
        self.knows_stderr = True
        self.beats: list[dict[str, Any]] = []
        self.registrations: list[dict[str, Any]] = []
        self.secret = secrets.token_hex(8)
        self.stop: list[str] = []
        self.interval = 0.2
        self.lose_answers = 0
        self.down = False
        self.fault: ServerFault | None = None
        self.problems: list[str] = []
        self.files: dict[str, bytes] = {}
        self.package: dict[str, str] | None = None

    def give(self, package: bytes) -> dict[str, str]:
        """Have a client package at its path; what orders and registrations say of it."""
        version = hashlib.sha256(package).hexdigest()
        named = {"version": version, "path": f"/client/{version}.zip"}
        self.files[named["path"]] = package
        return named

    def start(self, command: str = "true", **fields: Any) -> str:
        """Order a run; its id."""
        order = an_order(command, **fields)
        self.orders[order["run"]] = order
        return str(order["run"])

    def kill(self, run: str) -> None:
        """Order the end of a run."""
        self.orders[run] = {"kind": "kill", "run": run, "reason": "cancelled"}

    def pause(self, run: str) -> None:
        """Order that the run be stopped in place."""
        self.orders[run] = {"kind": "pause", "run": run}

    def resume(self, run: str) -> None:
        """Order that the run go on."""
        self.orders[run] = {"kind": "resume", "run": run}

    def of(self, run: str, kind: str) -> list[dict[str, Any]]:
        """The reports of that kind the run has had, repetitions included."""
        return [report for report in self.reports if report["run"] == run and report["kind"] == kind]

    def ended(self, run: str) -> dict[str, Any]:
        """The run's `ended` report."""
        return self.of(run, "ended")[0]

    async def call(self, method: str, argument: Any, secret: str) -> object:
        await asyncio.sleep(0)
        if self.down:
            raise LinkDown("the test has cut the line")
        if self.fault is not None:
            raise self.fault
        if method == "registerClient":
            return self._register(argument, secret)
        answer = self._beat(argument, secret)
        if self.lose_answers:
            self.lose_answers -= 1
            raise LinkDown("the test has lost the answer")
        return answer

    async def fetch(self, path: str, limit: int, secret: str) -> bytes:
        await asyncio.sleep(0)
        if path not in self.files:
            raise LinkDown("the server answered HTTP 404")
        return self.files[path]

    async def close(self) -> None:
        """Nothing to close."""

    def _register(self, identity: dict[str, Any], secret: str) -> object:
        if secret and secret != self.secret:
            raise ServerFault(401, "this server does not know the client's secret")
        self.registrations.append(identity)
        new = "" if secret else self.secret
        offer = {"package": self.package} if self.package else {}
        return {"id": 3, "secret": new, "interval": self.interval, "stop": self.stop, **offer}

    def _beat(self, beat: dict[str, Any], secret: str) -> object:
        if secret != self.secret:
            raise ServerFault(401, "this server does not know the client's secret")
        self.beats.append(beat)
        offsets = self._take(beat["output"], self.logs)
        stderr = {"stderr": self._take(beat.get("stderr", []), self.stderr)} if self.knows_stderr else {}
        results = {}
        for report in beat["reports"]:
            self.reports.append(report)
            if report["kind"] == "ended":
                for logs, name in ((self.logs, "log"), (self.stderr, "stderr")):
                    log = logs.get(report["run"], b"")
                    told = report.get(f"{name}Size", 0), report.get(f"{name}Hash", hashlib.sha256().hexdigest())
                    known = name == "log" or self.knows_stderr
                    if known and (len(log), hashlib.sha256(log).hexdigest()) != told:
                        self.problems.append(f"{report['run']} ended before its {name} was complete")
            if report["kind"] in _ANSWERS.get(self.orders.get(report["run"], {}).get("kind", ""), ()):
                del self.orders[report["run"]]
            results[report["id"]] = self.verdicts.get(report["run"], "applied")
        return {
            "interval": self.interval,
            "orders": [order for run, order in self.orders.items() if self._unknown_yet(run, order, beat)],
            "results": results,
            "output": offsets,
            **stderr,
        }

    def _take(self, pieces: list[dict[str, Any]], logs: dict[str, bytes]) -> dict[str, int]:
        """Append the pieces where the logs end; the offsets to answer."""
        for piece in pieces:
            log = logs.setdefault(piece["run"], b"")
            if piece["offset"] == len(log):
                logs[piece["run"]] = log + piece["data"]
        return {piece["run"]: len(logs[piece["run"]]) for piece in pieces}

    def _unknown_yet(self, run: str, order: dict[str, Any], beat: dict[str, Any]) -> bool:
        return order["kind"] != "start" or (run not in beat["queued"] and not self.of(run, "started"))


class Running:
    """A daemon in this process: what it said, and its exit status once it has ended."""

    def __init__(self, folder: Path, server: FakeServer, cpus: int, **settings: Any) -> None:
        self.said: list[str] = []
        self.status: int | None = None
        known = {"port": 0, "minimum_disk": 0, **settings}
        config = Config(server=ServerAddress("127.0.0.1", 5000), data=folder, **known)
        machine = Machine("here", "linux-x86_64", cpus, 0, 1024.0, "boot")
        self.agent = Agent(config, machine, DataFolder(folder), server, self.said.append)

    async def run(self) -> None:
        self.status = await self.agent.run()


@asynccontextmanager
async def an_agent(folder: Path, server: FakeServer, *, cpus: int = 2, **settings: Any) -> AsyncIterator[Running]:
    """A daemon with real runs; told to stop, and waited for, when the block is left."""
    data = DataFolder(folder)
    data.lock()
    daemon = Running(folder, server, cpus, **settings)
    running = asyncio.ensure_future(daemon.run())
    before = len(server.registrations)
    try:
        await until(lambda: len(server.registrations) > before or running.done(), "the daemon registers")
        yield daemon
    finally:
        if not running.done():
            daemon.agent.stop()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await running
        finally:
            data.unlock()
    assert server.problems == []
