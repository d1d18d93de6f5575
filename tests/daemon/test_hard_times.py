"""What happens to farms: daemons that are killed or stand still, full disks, floods (PROMISES 7: T7, T10, T11, T18)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest
from agent_kit import FakeServer
from daemon_kit import Farm, a_farm, until

from hqclient.daemon.runs.process_tree import carriers
from hqclient.daemon.runs.runfolder import RunFolder

pytestmark = pytest.mark.farm

linux_root_only = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.getuid() != 0, reason="only root may mount a small disk"
)


def play(scene: Callable[[FakeServer, Farm], Awaitable[None]]) -> None:
    async def scenery() -> None:
        server = FakeServer()
        async with a_farm(server) as farm:
            await scene(server, farm)

    asyncio.run(scenery())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_t10_a_daemon_that_is_killed_finds_its_three_runs_again(tmp_path: Path) -> None:
    async def scene(server: FakeServer, farm: Farm) -> None:
        first = await farm.start(tmp_path / "data", "--cpus", "3")
        gates = [tmp_path / f"gate{number}" for number in range(3)]
        command = "echo before $$; while [ ! -e {} ]; do sleep 0.02; done; head -c 100000 /dev/zero; exit {}"
        runs = [server.start(command.format(gate, code)) for code, gate in enumerate(gates)]
        await until(lambda: all(server.of(run, "started") and server.logs.get(run) for run in runs), "all three run")
        await first.end(signal.SIGKILL)
        folders = [RunFolder(tmp_path / "data" / "runs" / run) for run in runs]
        for gate in gates[:2]:
            gate.touch()
        await until(lambda: all(folder.exit_record() for folder in folders[:2]), "two of them end meanwhile")
        assert folders[2].is_alive()
        await farm.start(tmp_path / "data", "--cpus", "3")
        await until(lambda: server.of(runs[0], "ended") and server.of(runs[1], "ended"), "those two are reported")
        assert server.of(runs[2], "ended") == []
        gates[2].touch()
        await until(lambda: server.of(runs[2], "ended"), "and the third")
        for code, run in enumerate(runs):
            assert [report["exitCode"] for report in server.of(run, "ended")] == [code]
            before, _, after = server.logs[run].partition(b"\n")
            assert before.startswith(b"before ")
            assert after == bytes(100_000)
        assert len({run for beat in server.beats for run in beat["queued"]} | set(runs)) == 3

    play(scene)


def test_t11_while_the_daemon_stands_still_a_strict_lease_ends_its_run(tmp_path: Path) -> None:
    """9.10. The other run, without a lease, goes on."""

    async def scene(server: FakeServer, farm: Farm) -> None:
        daemon = await farm.start(tmp_path / "data", "--cpus", "2")
        strict = server.start("echo on; exec sleep 600", lease=3.0)
        other = server.start("echo on; exec sleep 600")
        await until(lambda: server.of(strict, "started") and server.of(other, "started"), "both run")
        folder = RunFolder(tmp_path / "data" / "runs" / strict)
        daemon.process.send_signal(signal.SIGSTOP)
        await until(lambda: folder.exit_record() is not None, "its runner has ended it")
        assert carriers(strict) == []
        assert len(carriers(other)) == 1
        assert server.of(strict, "ended") == []
        server.verdicts[strict] = "superseded"
        daemon.process.send_signal(signal.SIGCONT)
        await until(lambda: server.of(strict, "ended"), "the daemon reports it late")
        assert (server.ended(strict)["killed"], server.ended(strict)["limit"]) == (True, "lease")
        server.kill(other)
        await until(lambda: server.of(other, "ended"), "the other has gone on until now")
        assert server.ended(other)["limit"] == ""

    play(scene)


@linux_root_only
def test_t7_on_a_full_disk_a_run_goes_on_and_new_ones_are_refused_until_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    async def scene(server: FakeServer, farm: Farm) -> None:
        await farm.start(small_disk / "data", "--cpus", "2", HQCLIENT_MINIMUM_DISK="0")
        gate = tmp_path / "gate"
        flood = f"head -c 50000000 /dev/zero; while [ ! -e {gate} ]; do sleep 0.02; done; exit 7"
        first = server.start(flood, logLimit=64 << 20)
        await until(lambda: psutil.disk_usage(str(small_disk)).free == 0, "the disk is full")
        second = server.start("echo second")
        await until(lambda: server.of(second, "refused"), "there is no room for another run")
        assert "No space left on device" in server.of(second, "refused")[0]["reason"]
        assert not server.of(first, "ended")
        gate.touch()
        await until(lambda: server.of(first, "ended"), "the first ends as it would have")
        ended = server.ended(first)
        assert (ended["exitCode"], ended["killed"], ended["logTruncated"]) == (7, False, True)
        assert 0 < ended["logSize"] == len(server.logs[first]) < 2 << 20
        assert ended["logHash"] == hashlib.sha256(server.logs[first]).hexdigest()
        await until(lambda: psutil.disk_usage(str(small_disk)).free > 1 << 20, "its folder makes room")
        third = server.start("echo third")
        await until(lambda: server.of(third, "ended"), "now there is room again")
        assert (server.ended(third)["exitCode"], server.logs[third]) == (0, b"third\n")

    play(scene)


@linux_root_only
def test_t7_a_disk_below_the_floor_is_said_and_takes_no_runs(small_disk: Path) -> None:
    async def scene(server: FakeServer, farm: Farm) -> None:
        await farm.start(small_disk / "data", HQCLIENT_MINIMUM_DISK="1024")
        await until(lambda: server.beats, "it beats")
        assert not server.beats[0]["accepting"]
        assert server.beats[0]["diskFree"] < 2048

    play(scene)


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("yes | head -c 400000000", "lines"),
        ("head -c 50000000 /dev/zero", "one line of zeros"),
        ("head -c 30000000 /dev/urandom", "binary"),
    ],
)
def test_t18_a_flood_costs_neither_memory_nor_beats(tmp_path: Path, command: str, kind: str) -> None:
    async def scene(server: FakeServer, farm: Farm) -> None:
        daemon = await farm.start(tmp_path / "data", "--cpus", "2")
        patterns = {"progressPatterns": [r"(\d+)%"], "failurePatterns": [{"pattern": "never", "action": "fatal"}]}
        first = server.start("true")
        await until(lambda: server.of(first, "ended"), "it works")
        process = psutil.Process(daemon.pid)
        before = process.memory_info().rss
        largest = before
        run = server.start(f"{command}; echo; echo over; exit 3", logLimit=4 << 20, **patterns)

        def over() -> bool:
            nonlocal largest
            largest = max(largest, process.memory_info().rss)
            return bool(server.of(run, "ended"))

        await until(over, "the flood is over")
        ended = server.ended(run)
        assert (ended["exitCode"], ended["logTruncated"], ended["failure"]) == (3, True, "")
        log = server.logs[run]
        assert ended["logSize"] == len(log) <= 4 << 20
        assert ended["logHash"] == hashlib.sha256(log).hexdigest()
        assert log.endswith(b"\nover\n")
        assert b"bytes of output are left out here" in log
        assert largest - before < 100 << 20

    play(scene)


def test_the_daemon_says_at_its_start_whether_runs_get_control_groups(tmp_path: Path) -> None:
    async def scene(server: FakeServer, farm: Farm) -> None:
        await farm.start(tmp_path / "data")
        await until(lambda: server.beats, "it beats")
        log = tmp_path / "data" / "hqclient.log"
        await until(lambda: "control group" in log.read_text(), "it says so")
        (line,) = [line for line in log.read_text().splitlines() if "control group" in line]
        own = server.start("grep ^0:: /proc/self/cgroup; true")
        await until(lambda: server.of(own, "ended"), "a run looks where it is")
        assert (b"/hqclient/" in server.logs.get(own, b"")) == ("each run has" in line)

    play(scene)


@pytest.mark.parametrize(
    "tree",
    [
        "(setsid sh -c 'trap \"\" TERM; echo $$; sleep 600' &) ; wait",
        "env -i setsid sh -c 'echo $$; exec sleep 600' & wait",
        '"$PYTHON" $PROGRAMS/forks_fifty.py',
        '"$PYTHON" $PROGRAMS/forks_on.py',
        "echo $$; exec >&- 2>&-; trap '' TERM; while :; do sleep 1; done",
        "echo $$; kill -STOP $$; sleep 600",
    ],
)
def test_t13_after_a_kill_nothing_of_a_hostile_tree_is_alive(tmp_path: Path, tree: str) -> None:
    async def scene(server: FakeServer, farm: Farm) -> None:
        await farm.start(tmp_path / "data", "--cpus", "2")
        run = server.start(f"{tree}; sleep 600", killGrace=0.2)
        await until(lambda: server.of(run, "started") and server.logs.get(run), "it runs")
        pids = [int(word) for word in server.logs[run].split() if word.isdigit()]
        server.kill(run)
        await until(lambda: server.of(run, "ended"), "it is killed")
        assert server.ended(run)["killed"]
        assert carriers(run) == []
        assert not [pid for pid in pids if psutil.pid_exists(pid)]

    play(scene)
