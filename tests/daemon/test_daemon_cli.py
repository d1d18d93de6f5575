from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from xmlrpc.client import ServerProxy

import pytest
from agent_kit import FakeServer, until
from daemon_kit import a_farm

from hqclient.daemon import cli
from hqclient.daemon.identity import DataFolder


def ran(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`hqclient` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "hqclient", *words],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def complaint(*words: str, **environ: str) -> str:
    """What it says when it cannot start: one sentence, and nothing else but where its data folder lies."""
    done = ran(*words, **environ)
    assert done.returncode != 0
    assert done.stdout == ""
    *before, sentence = done.stderr.splitlines()
    assert all("lies in memory" in line for line in before), "as it does where the tests' folders do"
    assert sentence.startswith("hqclient: ")
    return f"{done.returncode} {sentence.removeprefix('hqclient: ')}"


def test_a_server_wrong_in_form_ends_it(tmp_path: Path) -> None:
    assert complaint("--server", "https://farm", "--data", str(tmp_path)).startswith("2 server must start with http://")


def test_a_bad_configuration_ends_it(tmp_path: Path) -> None:
    (tmp_path / "x.ini").write_text("[main]\nserwer = farm\n")
    assert "did you mean 'server'" in complaint("--config", str(tmp_path / "x.ini"))
    assert "did you mean 'server'" in complaint(HQCLIENT_CONFIG=str(tmp_path / "x.ini"))
    assert complaint("--cpus", "many").startswith("2 command line: --cpus must be a whole number")


def test_a_data_folder_that_cannot_be_written_ends_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert complaint("--data", str(tmp_path / "file" / "data")).startswith("1 the data folder ")


def test_a_second_daemon_in_one_folder_ends(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.lock()
    try:
        assert complaint("--data", str(tmp_path)).startswith("1 another hqclient uses the data folder")
    finally:
        folder.unlock()


def test_a_port_in_use_ends_it_unless_it_has_a_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = complaint("--port", port, "--data", str(tmp_path), "--server", "127.0.0.1:9")
    assert said == f"1 port {port} is in use; choose another with --port"


def test_every_flag_is_explained() -> None:
    help_text = ran("--help").stdout
    for flag in ("--config", "--server", "--name", "--cpus", "--port", "--data", "--kill-jobs"):
        assert flag in help_text


@pytest.mark.farm
def test_it_registers_works_is_woken_and_ends_on_sigterm(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        server.interval = 60.0  # only wakeup() brings the order in time
        async with a_farm(server) as farm:
            with socket.create_server(("127.0.0.1", 0)) as taken:
                port = str(taken.getsockname()[1])
                daemon = await farm.start(tmp_path, "--name", "alpha", "--cpus", "2", "--port", port)
                first = await daemon.line()
            host = socket.gethostname()
            assert first == f"registered as client 3 ({host}:alpha) at {farm.url}"
            (identity,) = server.registrations
            assert (identity["name"], identity["cpus"], identity["protocol"]) == ("alpha", 2, 1)
            assert len(identity["version"]) == 64
            assert identity["location"] == str(tmp_path)
            assert identity["diskTotal"] > 1000
            assert -14 * 60 <= identity["utcOffset"] <= 14 * 60
            assert identity["upgradeError"] == ""
            await until(lambda: server.beats, "the first beat")
            run = server.start("echo hello")
            with ServerProxy(f"http://127.0.0.1:{identity['port']}") as proxy:
                assert await asyncio.to_thread(proxy.wakeup) is True
            await until(lambda: server.of(run, "ended"), "the run ends")
            assert server.logs[run] == b"hello\n"
            assert await daemon.end() == 0
            assert await daemon.rest() == ""
        assert "leaving" not in server.beats[-1]
        log = (tmp_path / "hqclient.log").read_text()
        assert "Running job 1" in log
        assert "Finished job 1" in log
        assert server.secret not in log

    asyncio.run(scene())


@pytest.mark.farm
def test_two_clients_of_one_machine_have_names_folders_and_ports_of_their_own(tmp_path: Path) -> None:
    """5.2, 9.26: a named client whose port is taken takes a free one and reports it."""

    async def scene() -> None:
        server = FakeServer()
        async with a_farm(server) as farm:
            first = await farm.start(tmp_path / "alpha", "--name", "alpha", "--port", "0")
            await first.line()
            port = server.registrations[0]["port"]
            second = await farm.start(tmp_path / "beta", "--name", "beta", "--port", str(port))
            await second.line()
            unnamed = await farm.start(tmp_path / "unnamed", "--port", str(port))
            assert f"port {port} is in use" in await unnamed.rest()
            assert [identity["name"] for identity in server.registrations] == ["alpha", "beta"]
            other = server.registrations[1]["port"]
            assert other not in (0, port)
            for each in (port, other):
                with ServerProxy(f"http://127.0.0.1:{each}") as proxy:
                    assert await asyncio.to_thread(proxy.wakeup) is True

    asyncio.run(scene())


def test_what_it_says_cannot_forge_lines(capsys: pytest.CaptureFixture[str]) -> None:
    cli._announce("name taken by \x1b[31mx\ny")
    assert capsys.readouterr().out == "name taken by \\x1b[31mx\\x0ay\n"
