import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from run_kit import PROGRAMS, an_order, has_line, wait_until

import hqclient
from hqclient.daemon import host_os
from hqclient.daemon.runs.kill_request import KillRequest
from hqclient.daemon.runs.killing import force_kill
from hqclient.daemon.runs.launcher import FreshProcessLauncher, Launcher, RunLauncher, new_launcher, watch
from hqclient.daemon.runs.launcher_process import RUNS_PER_RUNNER
from hqclient.daemon.runs.runfolder import RunFolder, Standing
from hqclient.daemon.runs.runfolders import RunFolders

pytestmark = pytest.mark.slow

LAUNCHERS = (Launcher, FreshProcessLauncher)


class Ears:
    """Hears what a launcher tells."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []

    async def until_ended(self, *folders: RunFolder) -> None:
        async with asyncio.timeout(30):
            while not {folder.run_id for folder in folders} <= set(self.ended):
                await asyncio.sleep(0.005)


@asynccontextmanager
async def launching(make: Callable[..., RunLauncher] = Launcher) -> AsyncIterator[tuple[RunLauncher, Ears]]:
    ears = Ears()
    launcher = make(ears.started.append, ears.ended.append)
    await launcher.start()
    try:
        yield launcher, ears
    finally:
        await launcher.close()


@pytest.fixture
def folders(tmp_path: Path) -> RunFolders:
    return RunFolders(tmp_path / "runs")


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("make", LAUNCHERS)
def test_a_launched_run_starts_ends_and_leaves_its_record(
    folders: RunFolders, make: Callable[..., RunLauncher]
) -> None:
    async def scene() -> None:
        folder = folders.create(an_order("echo hello; exit 4"))
        async with launching(make) as (launcher, ears):
            launcher.launch(folder)
            await ears.until_ended(folder)
            assert ears.started == ears.ended == [folder.run_id]
        record = folder.exit_record()
        assert record is not None
        assert record.exit_code == 4
        assert folder.read_log(0, 99) == b"hello\n"

    asyncio.run(scene())


def test_this_platform_gets_the_launcher_it_can_use() -> None:
    launcher = new_launcher(lambda run: None, lambda run: None)
    assert isinstance(launcher, FreshProcessLauncher if host_os.WINDOWS else Launcher)


def test_the_launchers_process_runs_the_same_code_as_the_daemon() -> None:
    """P6: code that came from the server must not be mixed with what is installed."""

    async def scene() -> None:
        async with launching() as (launcher, _):
            assert isinstance(launcher, Launcher)
            assert launcher.pid is not None
            first = psutil.Process(launcher.pid).environ()["PYTHONPATH"].split(os.pathsep)[0]
            assert Path(first) == Path(hqclient.__file__).resolve().parents[1]

    asyncio.run(scene())


def test_where_there_can_be_no_control_groups_the_daemon_warns_of_what_may_survive(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """PROMISES 5: print that honestly."""
    refuse = (
        "import sys\n"
        "from hqclient.daemon.runs import launcher_process\n"
        "def refuse(): raise launcher_process.CgroupError('version 2 is not mounted')\n"
        "launcher_process.usable_parent = refuse\n"
        "launcher_process.main()\n"
    )

    def start(module: str, argument: str, keep_open: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", refuse, argument], pass_fds=[keep_open])

    async def scene() -> None:
        monkeypatch.setattr("hqclient.daemon.runs.launcher._python_module", start)
        async with launching():
            await eventually(lambda: caplog.records)

    asyncio.run(scene())
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        f"runs have no control groups here (version 2 is not mounted): {host_os.survivors_without_groups()}"
    )


@pytest.mark.parametrize("linux", [True, False])
def test_what_may_survive_depends_on_who_adopts_orphans(linux: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_os, "LINUX", linux)
    assert ("outlives its runner" in host_os.survivors_without_groups()) is linux


def test_runs_are_carried_out_side_by_side(folders: RunFolders, tmp_path: Path) -> None:
    async def scene() -> None:
        meeting_place = tmp_path / "fifo"
        os.mkfifo(meeting_place)
        reader, writer = (
            folders.create(an_order(command)) for command in (f"cat {meeting_place}", f"echo x > {meeting_place}")
        )
        async with launching() as (launcher, ears):
            launcher.launch(reader)
            launcher.launch(writer)
            await ears.until_ended(reader, writer)
        assert reader.read_log(0, 9) == b"x\n"

    asyncio.run(scene())


def test_a_runner_is_used_again_and_keeps_nothing_of_the_run_before(folders: RunFolders) -> None:
    async def scene() -> None:
        spoils = an_order(
            "ulimit -n 64; cd /; umask 0; echo at 90%; head -c 20000 /dev/zero; sleep 600 & exit 9",
            environment={"PATH": os.environ["PATH"], "SECRET": "of the first run"},
            progressPatterns=[r"at (\d+)%"],
            logLimit=2000,
        )
        first, second = folders.create(spoils), folders.create(an_order("env; pwd; umask; ulimit -n; ls /proc/self/fd"))
        fresh = folders.create(an_order("env; pwd; umask; ulimit -n; ls /proc/self/fd"))
        async with launching() as (launcher, ears):
            launcher.launch(first)
            await ears.until_ended(first)
            launcher.launch(second)
            await ears.until_ended(second)
        async with launching() as (launcher, ears):
            launcher.launch(fresh)
            await ears.until_ended(fresh)
        one, two, three = (folder.pids() for folder in (first, second, fresh))
        assert one is not None and two is not None and three is not None
        assert one.runner == two.runner != three.runner
        clean, record = fresh.exit_record(), second.exit_record()
        assert record is not None and clean is not None
        assert (record.exit_code, record.progress, record.log_truncated, record.killed) == (0, 0.0, False, False)
        assert record.cpu_seconds < 1.0
        expected = fresh.read_log(0, 9999).replace(fresh.run_id.encode(), second.run_id.encode())
        assert second.read_log(0, 9999) == expected

    asyncio.run(scene())


@pytest.mark.slow
def test_a_runner_retires_after_many_runs_and_none_is_lost(folders: RunFolders) -> None:
    async def scene() -> None:
        runs = RUNS_PER_RUNNER + 10
        runners = set()
        async with launching() as (launcher, ears):
            for _ in range(runs):
                folder = folders.create(an_order("exit 0"))
                launcher.launch(folder)
                await ears.until_ended(folder)
                record, pids = folder.exit_record(), folder.pids()
                assert record is not None and pids is not None
                assert record.exit_code == 0
                runners.add(pids.runner)
                folders.remove(folder)
                ears.ended.clear()
            assert ears.started != []
        assert len(ears.started) == runs
        assert len(runners) == 2

    asyncio.run(scene())


def test_a_kill_meant_for_an_earlier_run_does_not_hit_the_next_one(folders: RunFolders) -> None:
    async def scene() -> None:
        first, second = folders.create(an_order()), folders.create(an_order("echo on; sleep 0.5; echo whole"))
        async with launching() as (launcher, ears):
            launcher.launch(first)
            await ears.until_ended(first)
            launcher.launch(second)
            await eventually(lambda: has_line(second, "on"))
            pids = first.pids()
            assert pids is not None
            assert pids.runner == second.pids().runner  # type: ignore[union-attr]
            first.request_kill(KillRequest("late"))
            pids.runner.send(signal.SIGTERM)
            await ears.until_ended(second)
        record = second.exit_record()
        assert record is not None
        assert (record.killed, record.exit_code) == (False, 0)

    asyncio.run(scene())


def test_runs_outlive_their_launcher_and_new_ones_get_another(folders: RunFolders) -> None:
    async def scene() -> None:
        old = folders.create(an_order("echo on; sleep 1; echo whole; exit 6"))
        async with launching() as (launcher, ears):
            assert isinstance(launcher, Launcher)
            launcher.launch(old)
            await eventually(lambda: has_line(old, "on"))
            first = launcher.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await eventually(lambda: launcher.pid != first)
            new = folders.create(an_order("exit 7"))
            launcher.launch(new)
            await ears.until_ended(old, new)
            await eventually(lambda: launcher.pid is not None)
            assert launcher.pid != first
        codes = [record.exit_code for folder in (old, new) if (record := folder.exit_record())]
        assert codes == [6, 7]
        assert has_line(old, "whole")

    asyncio.run(scene())


@pytest.mark.parametrize("make", LAUNCHERS)
def test_closing_leaves_runs_alone(folders: RunFolders, make: Callable[..., RunLauncher]) -> None:
    folder = folders.create(an_order("echo on; sleep 600"))

    async def scene() -> None:
        async with launching(make) as (launcher, _):
            launcher.launch(folder)
            await eventually(lambda: has_line(folder, "on"))

    asyncio.run(scene())
    assert folder.standing() is Standing.RUNNING
    force_kill(folder)


@pytest.mark.parametrize("make", LAUNCHERS)
def test_t10_a_run_that_was_found_is_followed_to_its_end(folders: RunFolders, make: Callable[..., RunLauncher]) -> None:
    folder = folders.create(an_order("echo on; read line < ../go; exit 3"))
    os.mkfifo(folder.path / "go")

    async def begin() -> None:
        async with launching() as (launcher, _):
            launcher.launch(folder)
            await eventually(lambda: has_line(folder, "on"))

    async def adopt() -> None:
        async with launching(make) as (launcher, ears):
            launcher.follow(folder)
            await eventually(lambda: ears.started)
            assert ears.ended == []
            (folder.path / "go").write_text("now\n")
            await ears.until_ended(folder)
            await watch(folder)
        record = folder.exit_record()
        assert record is not None
        assert record.exit_code == 3

    asyncio.run(begin())
    asyncio.run(adopt())


def test_t10_a_killed_daemon_leaves_its_runs_running_and_no_launcher(folders: RunFolders) -> None:
    folder = folders.create(an_order("echo on; read line < ../go; echo whole; exit 5"))
    os.mkfifo(folder.path / "go")
    arguments = [sys.executable, str(PROGRAMS / "dies_after_launch.py"), str(folder.path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    daemon = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, timeout=60, check=False)
    assert daemon.returncode == 9
    wait_until(lambda: not psutil.pid_exists(int(daemon.stdout)), "the launcher ends")
    assert folder.standing() is Standing.RUNNING
    (folder.path / "go").write_text("now\n")
    wait_until(lambda: folder.standing() is Standing.ENDED, "the run ends")
    record = folder.exit_record()
    assert record is not None
    assert record.exit_code == 5
    assert folder.read_log(0, 99) == b"on\nwhole\n"


def test_a_runner_killed_under_way_ends_the_run_without_a_record(folders: RunFolders) -> None:
    async def scene() -> None:
        folder = folders.create(an_order("echo on; sleep 600"))
        async with launching() as (launcher, ears):
            launcher.launch(folder)
            await eventually(lambda: has_line(folder, "on"))
            pids = folder.pids()
            assert pids is not None
            pids.runner.send(signal.SIGKILL)
            await ears.until_ended(folder)
            assert folder.standing() is Standing.LOST
            assert force_kill(folder)[1] == []
            after = folders.create(an_order("exit 0"))
            launcher.launch(after)
            await ears.until_ended(after)
            assert after.standing() is Standing.ENDED

    asyncio.run(scene())


def test_a_run_launched_twice_runs_once(folders: RunFolders) -> None:
    async def scene() -> None:
        folder = folders.create(an_order("echo once; sleep 0.2"))
        async with launching() as (launcher, ears):
            launcher.launch(folder)
            launcher.launch(folder)
            await ears.until_ended(folder)
        assert folder.standing() is Standing.ENDED
        assert folder.read_log(0, 99) == b"once\n"

    asyncio.run(scene())


def test_a_launch_without_a_folder_ends_without_a_start(folders: RunFolders) -> None:
    async def scene() -> None:
        folder = folders.get("a" * 32)
        async with launching() as (launcher, ears):
            launcher.launch(folder)
            await ears.until_ended(folder)
            assert ears.started == []

    asyncio.run(scene())
