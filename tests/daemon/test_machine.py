from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hqclient.daemon import load, machine
from hqclient.daemon.load import LoadSampler


def test_it_knows_this_machine() -> None:
    here = machine.read_machine()
    assert here.cpus == len(os.sched_getaffinity(0))
    assert here.memory_kb > 10_000
    assert here.cpu_speed >= 0
    assert re.fullmatch(r"(linux|macosx|windows)-\w+", here.platform)
    assert machine.read_machine(7).cpus == 7


def test_only_cpus_this_process_may_use_are_offered() -> None:
    cpu = min(os.sched_getaffinity(0))
    program = f"import os; os.sched_setaffinity(0, [{cpu}])\n"
    program += "from hqclient.daemon.machine import usable_cpus; print(usable_cpus())"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"1\n"


def test_a_machine_that_does_not_tell_its_speed_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_freq", lambda: None)
    assert machine.read_machine().cpu_speed == 0


def test_the_version_changes_with_the_code_and_with_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9.28: the version is the SHA-256 of the package that the code makes."""
    code = tmp_path / "hqclient"
    code.mkdir()
    (code / "a.py").write_bytes(b"x = 1\n")
    monkeypatch.setattr(machine, "CODE_FOLDER", code)
    first = machine.code_version()
    (code / "a.txt").write_text("no code")
    (code / "a.py").write_bytes(b"x = 1\r\n")
    os.utime(code / "a.py", (1, 1))
    (code / "a.py").chmod(0o600)
    assert machine.code_version() == first
    (code / "a.py").write_text("x = 2\n")
    second = machine.code_version()
    (code / "a.py").rename(code / "b.py")
    third = machine.code_version()
    (code / "requirements.txt").write_text("h11\n")
    assert len({first, second, third, machine.code_version()}) == 4


def test_code_that_came_from_the_server_has_the_version_it_came_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CODE_FOLDER", tmp_path / ("ab" * 32) / "hqclient")
    assert machine.code_version() == "ab" * 32


def test_the_size_of_a_disk_is_known_where_there_is_one(tmp_path: Path) -> None:
    assert machine.disk_total_kb(tmp_path) > 1000
    assert machine.disk_total_kb(tmp_path / "gone") == 0


def test_a_sample_serves_every_beat_of_its_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    times = [100.0]
    monkeypatch.setattr(load, "user_idle_minutes", lambda: asked.append(times[0]) or 5)
    sampler = LoadSampler(tmp_path, lambda: times[0])

    async def scene() -> None:
        first = await sampler.sample()
        assert first.memory_free_kb > 0
        assert first.disk_free_kb > 0
        assert 0 <= first.load <= (os.cpu_count() or 1)
        assert first.idle_minutes == 5
        times[0] = 100.9
        assert await sampler.sample() is first
        times[0] = 101.0
        assert await sampler.sample() is not first
        times[0] = 129.0
        await sampler.sample()
        assert asked == [100.0]
        times[0] = 130.0
        await sampler.sample()
        assert asked == [100.0, 130.0]

    asyncio.run(scene())


def test_a_disk_that_cannot_be_asked_has_no_room(tmp_path: Path) -> None:
    sampler = LoadSampler(tmp_path / "gone", lambda: 0.0)
    assert asyncio.run(sampler.sample()).disk_free_kb == 0.0
