"""How the daemon ends: on a signal, on `terminate()`, on the server's order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import pytest
from agent_kit import FakeServer, an_agent, until
from daemon_kit import a_farm
from run_kit import is_gone

from hqclient.daemon import agent
from hqclient.daemon.agent import EXIT_ENDED
from hqclient.daemon.handover import EXIT_AGAIN

pytestmark = pytest.mark.slow

ENDLESS = "echo $$; exec sleep 100"


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


def leavings(server: FakeServer) -> list[int]:
    """Which beats said that the client leaves."""
    return [number for number, beat in enumerate(server.beats) if beat.get("leaving")]


def test_a_client_that_drains_leaves_when_its_last_run_is_reported(tmp_path: Path) -> None:
    """1.4: no new jobs, running ones finish, then it disappears from the list and ends."""

    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server, cpus=1) as daemon:
            run = server.start("sleep 0.5; exit 4")
            await until(lambda: server.of(run, "started"), "it runs")
            daemon.agent.drain()
            late = server.start("true")
            await until(lambda: server.of(late, "refused"), "a new run is handed back")
            assert not server.of(run, "ended")
            assert leavings(server) == []
            await until(lambda: daemon.status is not None, "the daemon ends by itself")
        assert daemon.status == EXIT_ENDED
        assert server.ended(run)["exitCode"] == 4
        assert leavings(server) == [len(server.beats) - 1]
        assert server.beats[-1]["reports"] == []

    play(scene())


def test_a_client_that_drains_ends_its_paused_runs(tmp_path: Path) -> None:
    """1.4, 9.22: paused jobs on it are cancelled, also those that are paused while it drains."""

    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server, cpus=2) as daemon:
            first, second = server.start(ENDLESS), server.start(ENDLESS)
            for run in (first, second):
                await until(lambda run=run: server.of(run, "started"), "it runs")
            server.pause(first)
            await until(lambda: server.of(first, "paused"), "it is paused")
            daemon.agent.drain()
            await until(lambda: server.of(first, "ended"), "the paused run is ended")
            assert not server.of(second, "ended")
            server.pause(second)
            await until(lambda: daemon.status is not None, "the daemon ends by itself")
        assert [server.ended(run)["killed"] for run in (first, second)] == [True, True]
        assert leavings(server) == [len(server.beats) - 1]

    play(scene())


def test_a_client_that_leaves_says_so_again_until_it_is_answered(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            await until(lambda: server.beats, "a beat")
            server.lose_answers = 2
            daemon.agent.drain()
            await until(lambda: daemon.status is not None, "the daemon ends by itself")
        assert len(leavings(server)) >= 2

    play(scene())


def test_a_client_that_leaves_does_not_wait_for_ever_for_a_server_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "_GOODBYE_SECONDS", 0.3)

    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            await until(lambda: server.beats, "a beat")
            server.down = True
            daemon.agent.drain()
            await until(lambda: daemon.status is not None, "the daemon ends by itself")
        assert daemon.status == EXIT_ENDED

    play(scene())


@pytest.mark.parametrize("drains_first", [False, True])
def test_a_client_that_is_stopped_does_not_leave(tmp_path: Path, drains_first: bool) -> None:
    """The machine's service starts it again, and its runs go on meanwhile."""

    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start(ENDLESS)
            await until(lambda: server.logs.get(run), "it runs")
            if drains_first:
                daemon.agent.drain()
            daemon.agent.stop()
            await until(lambda: daemon.status is not None, "the daemon ends")
        assert (daemon.status, leavings(server), server.of(run, "ended")) == (EXIT_ENDED, [], [])
        server.kill(run)
        async with an_agent(tmp_path, server):
            await until(lambda: server.of(run, "ended"), "the next daemon ends the run")

    play(scene())


def test_a_client_that_is_removed_ends_its_runs_reports_them_and_says_why(tmp_path: Path) -> None:
    """9.27: `removeClients`."""

    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server, cpus=1) as daemon:
            run, waiting = server.start(ENDLESS), server.start(ENDLESS)
            await until(lambda: server.logs.get(run), "it runs")
            server.orders["end"] = {"kind": "end", "reason": "it was removed from the farm"}
            await until(lambda: daemon.status is not None, "the daemon ends by itself")
        assert daemon.status == EXIT_ENDED
        assert "this client ends: it was removed from the farm" in daemon.said
        assert server.ended(run)["killed"] is True
        assert "removed from the farm" in server.ended(run)["reason"]
        assert is_gone(int(server.logs[run]))
        assert server.of(waiting, "refused")
        assert leavings(server) == [len(server.beats) - 1]

    play(scene())


def test_a_restart_hands_back_what_waits_and_ends_no_run(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server, cpus=1, kill_jobs_on_exit=True) as daemon:
            run = server.start(ENDLESS)
            await until(lambda: server.of(run, "started"), "it runs")
            server.orders["restart"] = {"kind": "restart"}
            await until(lambda: daemon.status is not None, "the daemon ends by itself")
        assert (daemon.status, leavings(server), server.of(run, "ended")) == (EXIT_AGAIN, [], [])
        server.orders.clear()
        server.kill(run)
        async with an_agent(tmp_path, server):
            await until(lambda: server.of(run, "ended"), "the next daemon ends the run")

    play(scene())


def test_a_stop_comes_before_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            daemon.agent.start_anew()
            daemon.agent.stop()
            await until(lambda: daemon.status is not None, "the daemon ends")
        assert daemon.status == EXIT_ENDED

    play(scene())


@pytest.mark.farm
def test_terminate_over_the_port_drains_a_real_daemon(tmp_path: Path) -> None:
    """1.4, 9.22."""

    async def scene() -> None:
        server = FakeServer()
        async with a_farm(server) as farm:
            daemon = await farm.start(tmp_path)
            await daemon.line()
            run = server.start("echo hello")
            await until(lambda: server.of(run, "started") or server.of(run, "ended"), "it runs")
            with ServerProxy(f"http://127.0.0.1:{server.registrations[0]['port']}") as proxy:
                assert await asyncio.to_thread(proxy.terminate) is True
            assert await daemon.process.wait() == 0
        assert server.ended(run)["exitCode"] == 0
        assert leavings(server) == [len(server.beats) - 1]

    asyncio.run(scene())


@pytest.mark.farm
def test_the_port_may_be_switched_off(tmp_path: Path) -> None:
    """9.22."""

    async def scene() -> None:
        server = FakeServer()
        async with a_farm(server) as farm:
            daemon = await farm.start(tmp_path, HQCLIENT_LISTEN="no")
            await daemon.line()
            assert server.registrations[0]["port"] == 0

    asyncio.run(scene())
