"""The daemon's upgrade and restart with real processes: `hqclient` as it is installed, code that comes by HTTP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from agent_kit import FakeServer
from daemon_kit import Daemon, Farm, a_farm, changed_code, until

from hqclient.daemon.machine import code_version
from hqserver.domain.package import pack, unpack, version_of

pytestmark = pytest.mark.farm

LATE = "HQCLIENT_UPGRADE_TIMEOUT"
HANGS = "import time\n\ndef serve(arguments):\n    time.sleep(100)\n"
ENDS = "def serve(arguments):\n    return 1\n"
FAILS = "raise RuntimeError('no good')\n"
DIES = "import os, signal\n\ndef serve(arguments):\n    os.kill(os.getpid(), signal.SIGKILL)\n"


def play(scene: Callable[[FakeServer, Farm], Awaitable[None]]) -> None:
    async def scenery() -> None:
        server = FakeServer()
        async with a_farm(server) as farm:
            await scene(server, farm)

    asyncio.run(scenery())


def order_upgrade(server: FakeServer, package: bytes) -> str:
    """Say it in every answer, as the server does; the version."""
    named = server.give(package)
    server.orders["upgrade"] = {"kind": "upgrade", **named}
    return named["version"]


async def registered(server: FakeServer, count: int) -> dict[str, Any]:
    """The identity at that registration."""
    await until(lambda: len(server.registrations) >= count, f"{count} registrations")
    return server.registrations[count - 1]


def a_long_run(server: FakeServer, folder: Path) -> tuple[str, Callable[[], None]]:
    """A run that prints, waits until it is released, prints again and exits with 3; its id and the release."""
    gate = folder / "gate"
    run = server.start(f"echo before; while [ ! -e {gate} ]; do sleep 0.02; done; echo after; exit 3")
    return run, gate.touch


def check_long_run(server: FakeServer, run: str) -> None:
    """P6: adopted, not begun again; exit code and log whole."""
    assert server.logs[run] == b"before\nafter\n"
    assert [report["exitCode"] for report in server.of(run, "ended")] == [3]


def test_it_takes_other_code_while_a_run_goes_on(tmp_path: Path) -> None:
    """9.28, P6."""

    async def scene(server: FakeServer, farm: Farm) -> None:
        data = tmp_path / "data"
        daemon = await farm.start(data)
        old = (await registered(server, 1))["version"]
        run, release = a_long_run(server, tmp_path)
        await until(lambda: server.logs.get(run) == b"before\n", "the run prints")
        new = order_upgrade(server, changed_code())
        identity = await registered(server, 2)
        assert identity["version"] == new != old
        assert identity["runs"] == [run]
        assert identity["upgradeError"] == ""
        release()
        await until(lambda: server.of(run, "ended"), "the run ends")
        check_long_run(server, run)
        told = server.start('echo "$HQCLIENT"')
        await until(lambda: server.of(told, "ended"), "a run of the new code")
        assert server.logs[told].decode().strip() == str(data / "code" / new / "hqclient")
        assert psutil.Process(daemon.pid).is_running()
        assert len(server.registrations) == 2  # the order, though repeated, is followed once
        second = await farm.start(data)
        assert "another hqclient uses the data folder" in await second.rest()
        assert await daemon.end() == 0

    play(scene)


def test_upgraded_code_stays_over_a_stop_and_a_start_and_what_it_replaced_with_it(tmp_path: Path) -> None:
    async def scene(server: FakeServer, farm: Farm) -> None:
        daemon = await farm.start(tmp_path)
        first = order_upgrade(server, changed_code())
        await registered(server, 2)
        second = order_upgrade(server, changed_code(more="x = 2\n"))
        assert (await registered(server, 3))["version"] == second
        third = order_upgrade(server, changed_code(more="x = 3\n"))
        assert (await registered(server, 4))["version"] == third
        await until(lambda: not (tmp_path / "code" / first).exists(), "the oldest code is removed")
        assert await daemon.end() == 0
        assert {path.name for path in (tmp_path / "code").iterdir()} == {second, third, "state.json"}
        await farm.start(tmp_path)
        assert (await registered(server, 5))["version"] == third

    play(scene)


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("cli", FAILS, "RuntimeError: no good"),
        ("cli", ENDS, "exit status 1"),
        ("cli", HANGS, "the server had not answered it within 1 s"),
        ("agent", FAILS, "RuntimeError: no good"),
    ],
    ids=["fails", "ends", "hangs", "fails in a part"],
)
def test_code_that_is_no_good_gives_way_to_the_code_before_it(
    tmp_path: Path, module: str, text: str, said: str
) -> None:
    """9.28: it returns to the old code within its time, says why, and does not try again, whatever it is told."""

    async def scene(server: FakeServer, farm: Farm) -> None:
        daemon = await farm.start(tmp_path / "data", **{LATE: "1"})
        await registered(server, 1)
        run, release = a_long_run(server, tmp_path)
        await until(lambda: server.logs.get(run) == b"before\n", "the run prints")
        version = order_upgrade(server, changed_code(**{module: text}))
        identity = await registered(server, 2)
        assert identity["version"] == server.registrations[0]["version"]
        assert identity["upgradeError"].startswith(f"version {version[:12]} was given up: ")
        assert said in identity["upgradeError"]
        assert identity["runs"] == [run]
        beats = len(server.beats)
        await until(lambda: len(server.beats) > beats + 5, "the order is repeated")
        release()
        await until(lambda: server.of(run, "ended"), "the run ends")
        check_long_run(server, run)
        assert len(server.registrations) == 2
        assert await daemon.end() == 0

    play(scene)


def test_code_that_never_reaches_the_server_gives_way_in_time(tmp_path: Path) -> None:
    """9.28: not registered in time is no good, though nothing of it fails."""
    text = "from .config import ServerAddress\nfrom . import old_link\nfrom .old_link import *\n"
    text += "class Link(old_link.Link):\n    def __init__(self, server):\n"
    text += "        super().__init__(ServerAddress('127.0.0.1', 9))\n"
    old_link = unpack(changed_code())["hqclient/daemon/link.py"].decode()

    async def scene(server: FakeServer, farm: Farm) -> None:
        daemon = await farm.start(tmp_path, **{LATE: "2"})
        await registered(server, 1)
        order_upgrade(server, changed_code(link=text, old_link=old_link))
        identity = await registered(server, 2)
        assert identity["version"] == server.registrations[0]["version"]
        assert "had not answered it within 2 s" in identity["upgradeError"]
        us = psutil.Process(daemon.pid)
        await until(lambda: all(each.status() != psutil.STATUS_ZOMBIE for each in us.children()), "all are reaped")

    play(scene)


def test_upgraded_code_falls_back_on_upgraded_code(tmp_path: Path) -> None:
    async def scene(server: FakeServer, farm: Farm) -> None:
        await farm.start(tmp_path)
        good = order_upgrade(server, changed_code())
        assert (await registered(server, 2))["version"] == good
        order_upgrade(server, changed_code(cli=FAILS))
        identity = await registered(server, 3)
        assert identity["version"] == good
        assert "no good" in identity["upgradeError"]

    play(scene)


def test_code_that_kills_its_process_is_not_started_again(tmp_path: Path) -> None:
    """9.28: no loop of crashes, though nothing was left to go back; the machine's service starts the daemon anew."""

    async def scene(server: FakeServer, farm: Farm) -> None:
        daemon = await farm.start(tmp_path)
        version = order_upgrade(server, changed_code(cli=DIES))
        assert await daemon.process.wait() == -signal.SIGKILL
        await farm.start(tmp_path)
        identity = await registered(server, 2)
        assert identity["version"] == server.registrations[0]["version"]
        assert identity["upgradeError"].startswith(f"version {version[:12]} was given up: it ended before ")
        beats = len(server.beats)
        await until(lambda: len(server.beats) > beats + 5, "the order is repeated")
        assert len(server.registrations) == 2

    play(scene)


def test_a_daemon_stopped_during_a_trial_ends_and_holds_nothing_against_the_code(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    text = "import os, time\nfrom . import old_cli\n\ndef serve(arguments):\n    print('trying', flush=True)\n"
    text += f"    while not os.path.exists({str(gate)!r}):\n        time.sleep(0.02)\n"
    text += "    return old_cli.serve(arguments)\n"
    old_cli = unpack(changed_code())["hqclient/daemon/cli.py"].decode()

    async def scene(server: FakeServer, farm: Farm) -> None:
        daemon = await farm.start(tmp_path)
        await daemon.line()
        version = order_upgrade(server, changed_code(cli=text, old_cli=old_cli))
        await until(lambda: server.beats, "a beat")
        while await daemon.line() != "trying":
            pass
        server.down = True  # before the new code may register, which would confirm it
        gate.touch()
        await until((tmp_path / "hqclient.log").exists, "the log")
        await until(lambda: (tmp_path / "hqclient.log").read_text().count("Python") == 2, "the new code is up")
        assert await daemon.end() == 0
        server.down = False
        server.orders.clear()
        await farm.start(tmp_path)
        identity = await registered(server, 2)
        assert (identity["version"], identity["upgradeError"]) == (server.registrations[0]["version"], "")
        assert (tmp_path / "code" / version).is_dir()

    play(scene)


def test_a_package_without_a_client_in_it_gives_way_to_the_code_before_it(tmp_path: Path) -> None:
    """What is installed must not be taken for what came."""

    async def scene(server: FakeServer, farm: Farm) -> None:
        await farm.start(tmp_path)
        order_upgrade(server, pack({"hqserver/__init__.py": b""}))
        identity = await registered(server, 2)
        assert "there is no hqclient in" in identity["upgradeError"]

    play(scene)


def test_at_its_start_it_takes_the_servers_code_unless_it_is_told_not_to(tmp_path: Path) -> None:
    """5.7: `auto_upgrade`."""

    async def scene(server: FakeServer, farm: Farm) -> None:
        server.package = server.give(changed_code())
        await farm.start(tmp_path / "stays", HQCLIENT_AUTO_UPGRADE="0")
        await registered(server, 1)
        await until(lambda: len(server.beats) > 3, "some beats")
        assert len(server.registrations) == 1
        await farm.start(tmp_path / "goes")
        assert (await registered(server, 3))["version"] == server.package["version"]
        beats = len(server.beats)
        await until(lambda: len(server.beats) > beats + 5, "some beats")
        assert len(server.registrations) == 3

    play(scene)


def test_a_restart_keeps_runs_process_and_flags(tmp_path: Path) -> None:
    """9.27, P6: `restartClients`."""

    async def scene(server: FakeServer, farm: Farm) -> None:
        daemon = await farm.start(tmp_path / "data", "--name", "alpha", "--kill-jobs")
        await registered(server, 1)
        run, release = a_long_run(server, tmp_path)
        await until(lambda: server.logs.get(run) == b"before\n", "the run prints")
        server.orders["restart"] = {"kind": "restart"}
        await registered(server, 2)
        server.orders.clear()
        identity = server.registrations[-1]
        assert (identity["name"], identity["runs"]) == ("alpha", [run])
        assert identity["session"] != server.registrations[0]["session"]
        assert identity["version"] == server.registrations[0]["version"]
        release()
        await until(lambda: server.of(run, "ended"), "the run ends")
        check_long_run(server, run)
        assert await daemon.end() == 0

    play(scene)


def test_code_from_the_server_restarts_as_itself(tmp_path: Path) -> None:
    async def scene(server: FakeServer, farm: Farm) -> None:
        daemon: Daemon = await farm.start(tmp_path)
        version = order_upgrade(server, changed_code())
        await registered(server, 2)
        server.orders["restart"] = {"kind": "restart"}
        await until(lambda: len(server.registrations) > 2, "it restarts")
        server.orders.clear()
        assert {identity["version"] for identity in server.registrations[1:]} == {version}
        assert psutil.Process(daemon.pid).children() != []

    play(scene)


def test_the_package_of_a_test_is_another_than_ours() -> None:
    assert version_of(changed_code()) not in (code_version(), version_of(changed_code(cli=FAILS)))
