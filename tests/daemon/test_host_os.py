import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hqclient.daemon import host_os
from hqclient.daemon.host_os import Moment


def test_an_age_is_counted_on_the_clock_nobody_sets() -> None:
    now = Moment.now()
    wall_clock_stepped = now._replace(wall_at=now.wall_at + 3600)
    assert 0.0 <= wall_clock_stepped.age_seconds() < 60
    assert now._replace(uptime_seconds=now.uptime_seconds - 10).age_seconds() >= 10


def test_an_age_across_a_boot_is_counted_on_the_wall_clock() -> None:
    before = Moment("another boot", 1e9, time.time() - 100)
    assert 100 <= before.age_seconds() < 160
    assert before._replace(wall_at=time.time() + 100).age_seconds() == 0.0


@pytest.mark.parametrize(("zone", "minutes"), [("UTC0", 0), ("IST-5:30", 330), ("NST+3:30", -210)])
def test_the_offset_of_the_zone_is_counted_east(zone: str, minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert host_os.utc_offset_minutes() == minutes
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counted on Linux only")
def test_a_child_that_has_ended_is_counted_once_it_is_waited_for() -> None:
    before = host_os.buried(os.getpid())
    assert host_os.buried(os.getpid()) == before
    subprocess.run(["true"], check=True)
    assert host_os.buried(os.getpid()) > before


def test_nobody_has_buried_a_child_who_is_not_there() -> None:
    assert host_os.buried(2**22 + 1) == 0


def test_a_process_has_one_start_and_a_later_one_another() -> None:
    own = host_os.process_start(os.getpid())
    assert own is not None
    assert own == host_os.process_start(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as child:
        assert host_os.process_start(child.pid) not in (None, own)
        child.kill()
    assert host_os.process_start(child.pid) is None


def test_a_program_named_like_its_own_statistics_does_not_confuse_the_start(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as odd, subprocess.Popen(["sleep", "60"]) as even:
        starts = [host_os.process_start(child.pid) for child in (odd, even)]
        odd.kill()
        even.kill()
    assert all(start is not None and start.rpartition("/")[2].isdigit() for start in starts)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_a_linux_machine_knows_its_boot() -> None:
    assert len(host_os.boot_id()) == 36


def test_a_lock_is_seen_from_another_opening_and_goes_with_its_holder(tmp_path: Path) -> None:
    holder, other = (os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR) for _ in range(2))
    assert not host_os.is_locked(other)
    assert host_os.lock(holder, wait=False)
    assert host_os.is_locked(other)
    assert not host_os.lock(other, wait=False)
    os.close(holder)
    assert not host_os.is_locked(other)
    os.close(other)


def test_two_who_look_at_once_do_not_see_each_other(tmp_path: Path) -> None:
    one, two = (os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR) for _ in range(2))
    assert not host_os.is_locked(one)
    assert not host_os.is_locked(two)
    os.close(one)
    os.close(two)
