"""Pause, resume and limits as a whole daemon carries them out (CONTRACT 3.5, 1.4)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest
from agent_kit import FakeServer, Running, an_agent, until
from run_kit import is_gone

from hqclient.daemon.runs.pauses import read_pauses
from hqclient.daemon.runs.runfolders import RunFolders

pytestmark = pytest.mark.slow

TICKING = "echo pid $$; while :; do echo tick; sleep 0.02; done"
"""A command that is heard as long as it runs."""


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


async def pid_in_log(server: FakeServer, run: str) -> int:
    """The pid in the first line of the run's log, `pid PID`."""
    await until(lambda: b"\n" in server.logs.get(run, b""), "the command says its pid")
    return int(server.logs[run].split()[1])


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped, or is to be as soon as the kernel lets it: a shell that has just made a child by
    vfork waits there until that has begun its program, and the child is stopped."""
    return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_DISK_SLEEP)


async def paused(server: FakeServer, daemon: Running, run: str) -> None:
    """Pause a run and wait for the news."""
    before = len(server.of(run, "paused"))
    server.pause(run)
    daemon.agent.wakeup()
    await until(lambda: len(server.of(run, "paused")) > before, "it is paused")


async def resumed(server: FakeServer, daemon: Running, run: str) -> None:
    """Resume a run and wait for the news."""
    before = len(server.of(run, "resumed"))
    server.resume(run)
    daemon.agent.wakeup()
    await until(lambda: len(server.of(run, "resumed")) > before, "it goes on")


def test_a_paused_run_is_silent_until_it_is_resumed(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start(TICKING)
            pid = await pid_in_log(server, run)
            await paused(server, daemon, run)
            assert is_stopped(pid)
            assert [report["kind"] for report in server.reports] == ["started", "paused"]
            await resumed(server, daemon, run)
            said = len(server.logs[run])
            await until(lambda: len(server.logs[run]) > said, "it is heard again")
            server.kill(run)
            await until(lambda: server.of(run, "ended"), "it ends")
        assert server.ended(run)["limit"] == ""

    play(scene())


def test_an_order_that_is_repeated_because_the_answer_was_lost_is_reported_once(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start(TICKING)
            pid = await pid_in_log(server, run)
            server.pause(run)
            server.lose_answers = 3
            await until(lambda: server.of(run, "paused"), "it is paused")
            await until(lambda: not daemon.agent._work.reports(0.0), "the report is answered")
            assert is_stopped(pid)
            assert len({report["id"] for report in server.of(run, "paused")}) == 1
            await paused(server, daemon, run)
            assert len({report["id"] for report in server.of(run, "paused")}) == 2, "asked again, it answers again"
            server.kill(run)
            await until(lambda: server.of(run, "ended"), "it ends")

    play(scene())


def test_a_run_that_waits_is_handed_back_instead_of_paused(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server, cpus=1) as daemon:
            first = server.start("exec sleep 100")
            await until(lambda: server.of(first, "started"), "the first runs")
            second = server.start(f"touch {tmp_path / 'second'}")
            daemon.agent.wakeup()
            await until(lambda: second in server.beats[-1]["queued"], "the second waits")
            server.pause(second)
            daemon.agent.wakeup()
            await until(lambda: server.of(second, "refused"), "the second is handed back")
            server.kill(first)
            await until(lambda: server.of(first, "ended"), "the first ends")
        assert server.of(second, "refused")[0]["reason"] == "paused before it started"
        assert not (tmp_path / "second").exists()

    play(scene())


def test_a_paused_run_stays_paused_over_a_restart_of_the_daemon(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start(TICKING)
            pid = await pid_in_log(server, run)
            await paused(server, daemon, run)
        assert is_stopped(pid)
        async with an_agent(tmp_path, server) as daemon:
            await until(lambda: len(server.of(run, "paused")) == 2, "the next daemon says how things stand")
            assert is_stopped(pid)
            await resumed(server, daemon, run)
            said = len(server.logs[run])
            await until(lambda: len(server.logs[run]) > said, "it is heard again")
            server.kill(run)
            await until(lambda: server.of(run, "ended"), "it ends")

    play(scene())


def test_a_pause_that_a_daemon_left_half_done_is_completed_by_the_next(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start(TICKING)
            pid = await pid_in_log(server, run)
            await paused(server, daemon, run)
        os.kill(pid, signal.SIGCONT)
        assert read_pauses(RunFolders(tmp_path / "runs").get(run)).since is not None
        async with an_agent(tmp_path, server):
            await until(lambda: len(server.of(run, "paused")) == 2, "it is paused again")
            assert is_stopped(pid)
            server.kill(run)
            await until(lambda: server.of(run, "ended"), "it ends")

    play(scene())


@pytest.mark.skipif(os.name != "posix", reason="there is a launcher where processes can fork")
def test_a_paused_run_outlives_the_launcher(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start(TICKING)
            pid = await pid_in_log(server, run)
            await paused(server, daemon, run)
            launcher = next(
                child
                for child in psutil.Process().children()
                if "hqclient.daemon.runs.launcher_process" in child.cmdline()
            )
            launcher.kill()
            await until(lambda: is_gone(launcher.pid), "the launcher ends")
            assert is_stopped(pid)
            await resumed(server, daemon, run)
            said = len(server.logs[run])
            await until(lambda: len(server.logs[run]) > said, "it is heard again")
            server.kill(run)
            await until(lambda: server.of(run, "ended"), "it ends")

    play(scene())


def test_a_kill_ends_a_paused_run_and_its_handlers_run(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start('exec "$PYTHON" $PROGRAMS/cleans_up.py', killGrace=60.0)
            await until(lambda: server.logs.get(run, b"").count(b"\n") == 2, "both say who they are")
            pids = [int(line.split()[1]) for line in server.logs[run].splitlines()]
            await paused(server, daemon, run)
            assert all(is_stopped(pid) for pid in pids)
            server.kill(run)
            daemon.agent.wakeup()
            await until(lambda: server.of(run, "ended"), "it ends")
            assert all(is_gone(pid) for pid in pids)
        assert server.ended(run)["killed"] is True
        assert b"goodbye command" in server.logs[run]
        assert b"goodbye child" in server.logs[run]

    play(scene())


def test_a_paused_run_that_somebody_else_kills_has_just_ended(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start("echo pid $$; exec sleep 100")
            pid = await pid_in_log(server, run)
            await paused(server, daemon, run)
            os.kill(pid, signal.SIGKILL)
            await until(lambda: server.of(run, "ended"), "it ends")
        assert (server.ended(run)["signal"], server.ended(run)["killed"]) == (9, False)

    play(scene())


@pytest.mark.parametrize("verdict", ["superseded", "unknown"])
def test_a_paused_run_the_server_does_not_count_is_ended(tmp_path: Path, verdict: str) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start(TICKING)
            pid = await pid_in_log(server, run)
            await until(lambda: server.of(run, "started"), "it runs")
            server.verdicts[run] = verdict
            server.pause(run)
            await until(lambda: not daemon.agent.holds(run), "it is forgotten")
            assert is_gone(pid)

    play(scene())


def test_a_run_is_ended_when_its_time_is_over_and_the_limit_is_named(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("exec sleep 100", maxTime=0.3)
            await until(lambda: server.of(run, "ended"), "it ends")
        ended = server.ended(run)
        assert (ended["killed"], ended["limit"], ended["reason"]) == (True, "maxTime", "maxTime of 0.3 s is over")

    play(scene())


def test_a_run_that_ends_in_time_reached_no_limit(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("exit 3", maxTime=60)
            await until(lambda: server.of(run, "ended"), "it ends")
        assert (server.ended(run)["killed"], server.ended(run)["limit"]) == (False, "")

    play(scene())


def test_time_that_a_run_is_paused_is_not_counted(tmp_path: Path) -> None:
    limit_seconds = 2.0

    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start("exec sleep 100", maxTime=limit_seconds)
            await until(lambda: server.of(run, "started"), "it runs")
            await paused(server, daemon, run)
            await asyncio.sleep(limit_seconds + 0.2)
            assert not server.of(run, "ended")
            await resumed(server, daemon, run)
            await until(lambda: server.of(run, "ended"), "it ends")
        ended = server.ended(run)
        assert ended["limit"] == "maxTime"
        assert ended["startedAgo"] - ended["endedAgo"] > 2 * limit_seconds

    play(scene())


def test_time_is_over_though_the_daemon_was_away_and_pauses_are_remembered(tmp_path: Path) -> None:
    limit_seconds = 1.5

    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            long = server.start("exec sleep 100", maxTime=limit_seconds)
            stopped = server.start("exec sleep 100", maxTime=limit_seconds)
            await until(lambda: server.of(long, "started") and server.of(stopped, "started"), "both run")
            await paused(server, daemon, stopped)
        await asyncio.sleep(limit_seconds)
        async with an_agent(tmp_path, server) as daemon:
            await until(lambda: server.of(long, "ended"), "the time of the one that went on is over")
            assert server.ended(long)["limit"] == "maxTime"
            await resumed(server, daemon, stopped)
            assert not server.of(stopped, "ended"), "the other has some left"
            await until(lambda: server.of(stopped, "ended"), "which ends as well")
        ended = server.ended(stopped)
        assert ended["limit"] == "maxTime"
        assert ended["startedAgo"] - ended["endedAgo"] > 2 * limit_seconds

    play(scene())


def test_a_limit_is_named_by_the_next_daemon_when_the_one_that_ended_the_run_is_gone(tmp_path: Path) -> None:
    async def scene() -> None:
        server, command = FakeServer(), 'exec "$PYTHON" $PROGRAMS/ignores_term.py'
        async with an_agent(tmp_path, server):
            run = server.start(command, maxTime=0.3, killGrace=1.0)
            folder = RunFolders(tmp_path / "runs").get(run)
            await until(lambda: folder.kill_request() is not None, "it is asked to end")
            assert not server.of(run, "ended")
            server.down = True
        server.down = False
        async with an_agent(tmp_path, server):
            await until(lambda: server.of(run, "ended"), "it is reported")
        assert (server.ended(run)["limit"], server.ended(run)["killed"]) == ("maxTime", True)

    play(scene())


def test_a_limit_is_named_though_the_runner_died_before_it_could_say_so(tmp_path: Path) -> None:
    async def scene() -> None:
        server, command = FakeServer(), 'exec "$PYTHON" $PROGRAMS/ignores_term.py'
        async with an_agent(tmp_path, server):
            run = server.start(command, maxTime=0.3, killGrace=60.0)
            folder = RunFolders(tmp_path / "runs").get(run)
            await until(lambda: folder.kill_request() is not None, "it is asked to end")
            pids = folder.pids()
            assert pids is not None
            os.kill(pids.runner.pid, signal.SIGKILL)
            await until(lambda: server.of(run, "ended"), "it is reported")
        ended = server.ended(run)
        assert (ended["limit"], ended["killed"], ended["signal"]) == ("maxTime", True, 9)

    play(scene())


def test_a_hook_is_a_run_like_any_other_and_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            hook = server.start("echo $JOBID", hook="onSuccess", job=12, environment={"JOBID": "12"})
            plain = server.start("true", job=13)
            await until(lambda: server.of(hook, "ended") and server.of(plain, "ended"), "both end")
        assert server.logs[hook] == b"12\n"
        assert f"Running onSuccess of job 12, run {hook}" in caplog.text
        assert f"Running job 13, run {plain}" in caplog.text

    with caplog.at_level(logging.INFO):
        play(scene())
