"""A daemon, launcher or runner that ends hard at each of its points: every job ends exactly once all the same, with all
it has printed (PROMISES 0, P6; T2's half of the client)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from agent_kit import FakeServer
from daemon_kit import Daemon, Farm, a_farm, changed_code, until

from hqclient.daemon.runs.process_tree import carriers
from hqserver.domain.crash import CLIENT_POINTS, EXIT_CRASHED, VARIABLE

pytestmark = pytest.mark.farm

LAUNCHER_POINTS = ("launch_heard",)
RUNNER_POINTS = (
    *("run_claimed", "command_started", "command_known", "command_ended", "exit_record_written", "exit_record_synced"),
)
UPGRADE_POINTS = (
    *("package_unpacked", "upgrade_recorded", "upgrade_handed_over", "upgrade_before_confirmed", "upgrade_confirmed"),
)
DAEMON_POINTS = tuple(
    point for point in CLIENT_POINTS if point not in (*LAUNCHER_POINTS, *RUNNER_POINTS, *UPGRADE_POINTS)
)
LATER = ("call_sent:2", "call_sent:4", "answer_read:3", "answer_applied:3", "order_kept:3", "report_kept:2")
WHOLE = b"".join(b"line %d\n" % number for number in range(1000)) + b"over\n"
COMMAND = '"$PYTHON" $PROGRAMS/journals.py'


class Jobs:
    """Three jobs, given again where their run was refused, as the server does: one short, one that is paused and goes
    on under a lease, one that is killed."""

    def __init__(self, server: FakeServer, folder: Path) -> None:
        self._server = server
        self._journal, self._gate = folder / "journal", folder / "gate"
        self.runs: dict[str, list[str]] = {"short": [], "paused": [], "killed": []}
        self.tasks = [
            asyncio.ensure_future(self._carry_out("short", f"{COMMAND} {self._journal}", self._nothing)),
            asyncio.ensure_future(self._carry_out("paused", f"{COMMAND} {self._journal} {self._gate}", self._pause)),
            asyncio.ensure_future(self._carry_out("killed", f"{COMMAND} {self._journal} /no/gate", self._kill)),
        ]

    @property
    def over(self) -> bool:
        return all(task.done() for task in self.tasks)

    async def _carry_out(self, name: str, command: str, act: Callable[[str], Awaitable[None]]) -> None:
        while True:
            run = self._server.start(command, lease=600.0 if name == "paused" else 0.0)
            self.runs[name].append(run)
            await act(run)
            await self._said(run, "ended")
            if self._server.of(run, "ended"):
                return

    async def _nothing(self, run: str) -> None:
        """It just ends."""

    async def _pause(self, run: str) -> None:
        await self._said(run, "started")
        self._server.pause(run)
        await self._said(run, "paused")
        self._server.resume(run)
        await self._said(run, "resumed")
        self._gate.touch()

    async def _kill(self, run: str) -> None:
        await self._said(run, "started")
        self._server.kill(run)

    async def _said(self, run: str, kind: str) -> None:
        """Wait until that was reported of the run, or its end."""
        server = self._server
        await until(lambda: any(server.of(run, word) for word in (kind, "ended", "refused")), f"{kind} of {run}")

    def check(self, runner_died: bool) -> None:
        journal = self._journal.read_text().splitlines() if self._journal.exists() else []
        for name, runs in self.runs.items():
            for run in runs:
                assert journal.count(f"{run} start") <= 1, "a run is started at most once"
                assert carriers(run) == []
            *refused, last = runs
            for run in refused:
                assert self._server.of(run, "refused")
                assert f"{run} start" not in journal, "what was refused was never started"
            first, *again = self._server.of(last, "ended")
            ages = ("startedAgo", "endedAgo")
            assert all({**each, **dict.fromkeys(ages)} == {**first, **dict.fromkeys(ages)} for each in again)
            log = self._server.logs.get(last, b"")
            if first["reason"] == "the runner died":
                assert runner_died
                assert WHOLE.startswith(log)
            elif name == "killed":
                assert first["killed"]
                assert WHOLE.startswith(log)
            else:
                assert (first["exitCode"], first["killed"], first["limit"]) == (0, False, "")
                assert log == WHOLE
                assert f"{last} end" in journal


def play(folder: Path, scene: Callable[[FakeServer, Farm, Jobs], Awaitable[None]], runner_died: bool = False) -> None:
    """A farm on which the jobs are begun; after the scene all is made good by one more daemon, and checked."""

    async def scenery() -> None:
        server = FakeServer()
        async with a_farm(server) as farm:
            jobs = Jobs(server, folder)
            try:
                await scene(server, farm, jobs)
                await farm.start(folder / "data", "--cpus", "3")
                await asyncio.gather(*jobs.tasks)
                runs = folder / "data" / "runs"
                await until(lambda: not [path for path in runs.iterdir() if path.suffix == ""], "all is settled")
                assert server.problems == []
                jobs.check(runner_died)
            finally:
                for task in jobs.tasks:
                    task.cancel()

    asyncio.run(scenery())


async def crashed(daemon: Daemon) -> None:
    """Wait for its end at the point."""
    async with asyncio.timeout(60):
        assert await daemon.process.wait() == EXIT_CRASHED


@pytest.mark.parametrize("point", [*DAEMON_POINTS, *LATER])
def test_a_daemon_that_ends_there_loses_nothing(tmp_path: Path, point: str) -> None:
    async def scene(server: FakeServer, farm: Farm, jobs: Jobs) -> None:
        await crashed(await farm.start(tmp_path / "data", "--cpus", "3", **{VARIABLE: point}))

    play(tmp_path, scene)


@pytest.mark.parametrize("point", LAUNCHER_POINTS)
def test_a_launcher_that_ends_there_loses_nothing(tmp_path: Path, point: str) -> None:
    async def scene(server: FakeServer, farm: Farm, jobs: Jobs) -> None:
        daemon = await farm.start(tmp_path / "data", "--cpus", "3", **{VARIABLE: point})
        while f"the launcher ended (status {EXIT_CRASHED})" not in await daemon.line():
            pass
        assert not server.of(jobs.runs["short"][0], "ended")
        await daemon.end(signal.SIGKILL)

    play(tmp_path, scene)


@pytest.mark.parametrize("point", RUNNER_POINTS)
def test_a_runner_that_ends_there_is_the_end_of_its_run_and_of_nothing_else(tmp_path: Path, point: str) -> None:
    async def scene(server: FakeServer, farm: Farm, jobs: Jobs) -> None:
        daemon = await farm.start(tmp_path / "data", "--cpus", "3", **{VARIABLE: point})
        await asyncio.gather(*jobs.tasks)
        reasons = {server.ended(runs[-1])["reason"] for runs in jobs.runs.values()}
        # Once the record is whole it does not matter any more what becomes of its runner.
        assert ("the runner died" in reasons) == (not point.startswith("exit_record"))
        (launcher,) = psutil.Process(daemon.pid).children()
        await until(lambda: launcher.children() == [], "no runner is left to wait for its next run")
        await daemon.end(signal.SIGKILL)

    play(tmp_path, scene, runner_died=True)


@pytest.mark.parametrize("point", UPGRADE_POINTS)
def test_a_daemon_that_ends_there_in_its_upgrade_loses_no_run_and_can_be_started(tmp_path: Path, point: str) -> None:
    async def scene(server: FakeServer, farm: Farm, jobs: Jobs) -> None:
        daemon = await farm.start(tmp_path / "data", "--cpus", "3", **{VARIABLE: point})
        await until(lambda: server.of(jobs.runs["killed"][0], "started"), "a run has begun")
        version = server.give(changed_code())
        server.orders["upgrade"] = {"kind": "upgrade", **version}
        await crashed(daemon)
        del server.orders["upgrade"]

    play(tmp_path, scene)


def test_a_command_does_not_see_the_variable(tmp_path: Path) -> None:
    """PROMISES 6.3."""

    async def scene() -> None:
        server = FakeServer()
        async with a_farm(server) as farm:
            await farm.start(tmp_path, **{VARIABLE: "upgrade_confirmed", "HQCLIENT_KEEP_ENVIRONMENT": "HQ_*"})
            run = server.start("env")
            await until(lambda: server.of(run, "ended"), "it ends")
            assert b"HQ_RUN_TOKEN=" in server.logs[run]
            assert VARIABLE.encode() not in server.logs[run]

    asyncio.run(scene())


def test_every_point_is_visited() -> None:
    visited = (*DAEMON_POINTS, *LAUNCHER_POINTS, *RUNNER_POINTS, *UPGRADE_POINTS)
    assert sorted(visited) == sorted(CLIENT_POINTS)
    assert VARIABLE not in os.environ
