"""The limits that a runner enforces by itself, with a daemon or without (CONTRACT 9.10 and 10, Trouble)."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from agent_kit import FakeServer, an_agent, until
from run_kit import an_order, is_gone, pid_said, run_to_end, runner_of

from hqclient.daemon.host_os import uptime_seconds
from hqclient.daemon.limits import Limits
from hqclient.daemon.runs.exit_record import ExitRecord
from hqclient.daemon.runs.lease import margin_seconds, read_lease, write_lease
from hqclient.daemon.runs.pausing import pause, resume
from hqclient.daemon.runs.runfolder import RunFolder
from hqclient.daemon.runs.runfolders import RunFolders
from hqclient.daemon.runs.watchdog import Watchdog

pytestmark = pytest.mark.slow


def a_run(tmp_path: Path, command: str, **fields: Any) -> RunFolder:
    return RunFolders(tmp_path / "runs").create(an_order(command, **fields))


def ended(folder: RunFolder) -> ExitRecord:
    record = folder.exit_record()
    assert record is not None
    return record


# minTime


def test_a_command_that_succeeds_too_soon_has_failed(tmp_path: Path) -> None:
    _, record = run_to_end(tmp_path, "echo done", minTime=60.0)
    assert (record.exit_code, record.signal, record.killed, record.limit) == (1, 0, False, "minTime")
    assert "minTime is 60 s" in record.reason


def test_a_command_that_fails_soon_says_so_itself(tmp_path: Path) -> None:
    _, record = run_to_end(tmp_path, "exit 3", minTime=60.0)
    assert (record.exit_code, record.limit, record.reason) == (3, "", "")


def test_a_command_that_takes_its_time_has_succeeded(tmp_path: Path) -> None:
    _, record = run_to_end(tmp_path, "sleep 0.2", minTime=0.1)
    assert (record.exit_code, record.limit, record.reason) == (0, "", "")


# maxSilence


def test_a_command_that_prints_nothing_for_too_long_is_ended(tmp_path: Path) -> None:
    _, record = run_to_end(tmp_path, "echo on; exec sleep 600", maxSilence=0.3)
    assert (record.killed, record.limit) == (True, "maxSilence")
    assert record.reason == "it has printed nothing for 0.3 s (maxSilence)"


def test_a_byte_now_and_then_is_enough(tmp_path: Path) -> None:
    command = "for i in 1 2 3 4 5 6 7 8; do printf .; sleep 0.25; done"
    _, record = run_to_end(tmp_path, command, maxSilence=1.5)
    assert (record.exit_code, record.limit) == (0, "")


def test_a_pause_is_no_silence(tmp_path: Path) -> None:
    folder = a_run(tmp_path, "echo on $$; read line < fifo; echo off", maxSilence=2.0)
    os.mkfifo(Path(folder.working_directory) / "fifo")
    with runner_of(folder) as runner:
        pid_said(folder, "on")
        assert pause(folder) == []
        time.sleep(3.0)
        assert folder.kill_request() is None
        resume(folder)
        (Path(folder.working_directory) / "fifo").write_text("go\n")
        assert runner.wait(20) == 0
    assert (ended(folder).exit_code, ended(folder).limit) == (0, "")


# maxMemory


def test_a_tree_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    hungry = '"$PYTHON" -c "x = bytearray(200 << 20); import time; print(1, flush=True); time.sleep(600)"'
    _, record = run_to_end(tmp_path, f"({hungry}) & wait", maxMemory=100_000)
    assert (record.killed, record.limit) == (True, "maxMemory")
    assert "maxMemory is 100000 kB" in record.reason


def test_a_tree_within_its_memory_is_left_alone(tmp_path: Path) -> None:
    _, record = run_to_end(tmp_path, "sleep 0.3", maxMemory=100_000)
    assert (record.exit_code, record.limit) == (0, "")


# lease


@pytest.mark.parametrize(("lease", "margin"), [(2.0, 0.5), (20.0, 5.0), (600.0, 5.0), (20_000.0, 20.0)])
def test_the_margin_is_a_quarter_up_to_five_seconds_but_a_thousandth(lease: float, margin: float) -> None:
    assert margin_seconds(lease) == margin


def test_a_lease_is_read_as_it_was_written_last(tmp_path: Path) -> None:
    folder = a_run(tmp_path, "true")
    assert read_lease(folder) is None
    for ends_at in (17.25, 123456789.5):
        write_lease(folder, ends_at)
        assert read_lease(folder) == ends_at


@pytest.mark.parametrize("damage", ["half", "another run", "another boot", "no number"])
def test_a_lease_that_is_not_this_runs_or_not_whole_is_none(tmp_path: Path, damage: str) -> None:
    folder = a_run(tmp_path, "true")
    write_lease(folder, 17.25)
    path = Path(folder.lease_path)
    text = path.read_bytes()
    other = {
        "half": text[: len(text) // 2],
        "another run": text.replace(folder.run_id.encode(), b"0" * 32),
        "another boot": text.replace(text.split(b" ")[1], b"x"),
        "no number": b"nonsense",
    }
    path.write_bytes(other[damage])
    assert read_lease(folder) is None


def test_a_folder_that_is_used_again_has_no_lease(tmp_path: Path) -> None:
    folders = RunFolders(tmp_path / "runs")
    first = folders.create(an_order())
    write_lease(first, 17.25)
    folders.remove(first)
    second = folders.create(an_order())
    assert not Path(second.lease_path).exists()


def test_t11_a_runner_ends_its_run_when_nobody_renews_the_lease(tmp_path: Path) -> None:
    """9.10, and without any daemon."""
    folder = a_run(tmp_path, "echo on $$; exec sleep 600", lease=2.0)
    ends_at = uptime_seconds() + 2.0
    write_lease(folder, ends_at)
    with runner_of(folder) as runner:
        pid = pid_said(folder, "on")
        assert runner.wait(20) == 0
        assert uptime_seconds() >= ends_at - margin_seconds(2.0)
    record = ended(folder)
    assert (record.killed, record.limit) == (True, "lease")
    assert record.reason == "no beat was answered within the lease of 2 s"
    assert is_gone(pid)


def test_a_lease_that_is_renewed_lets_the_run_finish(tmp_path: Path) -> None:
    folder = a_run(tmp_path, "echo on $$; exec sleep 2", lease=1.0)
    write_lease(folder, uptime_seconds() + 10.0)
    with runner_of(folder) as runner:
        while runner.poll() is None:
            write_lease(folder, uptime_seconds() + 10.0)
            time.sleep(0.05)
    assert (ended(folder).exit_code, ended(folder).limit) == (0, "")


@pytest.mark.parametrize("written", [True, False])
def test_a_run_whose_lease_is_over_before_it_begins_does_not_begin(tmp_path: Path, written: bool) -> None:
    folder = a_run(tmp_path, "echo on", lease=5.0)
    if written:
        write_lease(folder, uptime_seconds() - 1.0)
    with runner_of(folder) as runner:
        assert runner.wait(20) == 0
    record = ended(folder)
    assert (record.killed, record.limit, folder.log_size()) == (True, "lease", 0)


def test_a_paused_run_dies_with_its_lease(tmp_path: Path) -> None:
    """Nobody renews it, and a paused process could go on at any time."""
    folder = a_run(tmp_path, "echo on $$; exec sleep 600", lease=1.0)
    write_lease(folder, uptime_seconds() + 1.0)
    with runner_of(folder) as runner:
        pid = pid_said(folder, "on")
        pause(folder)
        assert runner.wait(20) == 0
    assert ended(folder).limit == "lease"
    assert is_gone(pid)


# The watchdog by itself


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    yield a_run(tmp_path, "true")


def test_without_limits_nobody_looks(folder: RunFolder) -> None:
    assert Watchdog(folder, Limits(max_time_seconds=5.0, min_time_seconds=5.0), list).due_at == float("inf")


def test_a_limit_is_said_once(folder: RunFolder) -> None:
    limits = Limits(max_memory_kb=1.0)
    watchdog = Watchdog(folder, limits, lambda: [psutil.Process(os.getppid())])
    request = watchdog.look()
    assert request is not None
    assert request.limit == "maxMemory"
    assert watchdog.look() is None
    assert watchdog.due_at == float("inf")


def test_a_limit_ends_the_run_though_the_disk_is_too_full_to_say_so(tmp_path: Path) -> None:
    folder = a_run(tmp_path, "echo on; exec sleep 600", maxSilence=0.3)
    program = (
        "import errno, sys; from pathlib import Path; from hqclient.daemon.runs import runner, runfolder\n"
        "def full(*_): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "runfolder.RunFolder.request_kill = full\n"
        "runner.run(Path(sys.argv[1]), runner.prepare_process())"
    )
    subprocess.run([sys.executable, "-c", program, str(folder.path)], check=True, timeout=60)
    assert folder.kill_request() is None
    assert (ended(folder).killed, ended(folder).limit) == (True, "maxSilence")


# In the daemon


def test_beats_renew_leases_and_without_answers_the_run_ends(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("echo on; exec sleep 600", lease=2.0)
            await until(lambda: server.of(run, "started"), "it runs")
            begun_at = uptime_seconds()
            await until(lambda: uptime_seconds() > begun_at + 3.0, "more than its lease has passed")
            assert server.of(run, "ended") == []
            server.down = True
            folder = RunFolder(tmp_path / "runs" / run)
            await until(lambda: folder.exit_record() is not None, "it is ended without the server")
            server.down = False
            await until(lambda: server.of(run, "ended"), "that is reported")
            assert (server.ended(run)["killed"], server.ended(run)["limit"]) == (True, "lease")

    asyncio.run(scene())


def test_what_a_limit_and_a_pattern_found_is_reported_by_the_next_daemon(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        patterns = [{"pattern": "broken", "action": "fatal"}]
        async with an_agent(tmp_path, server):
            run = server.start("echo broken; exec sleep 600", maxSilence=1.0, failurePatterns=patterns)
            await until(lambda: server.of(run, "started"), "it runs")
        folder = RunFolder(tmp_path / "runs" / run)
        await until(lambda: folder.exit_record() is not None, "it ends without a daemon")
        async with an_agent(tmp_path, server):
            await until(lambda: server.of(run, "ended"), "that is reported")
        report = server.ended(run)
        assert (report["killed"], report["limit"]) == (True, "maxSilence")
        assert (report["failure"], report["failureLine"]) == ("fatal", "broken")

    asyncio.run(scene())
