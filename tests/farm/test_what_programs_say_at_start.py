"""What a promise cannot be kept for here is said at the start, in one line (PROMISES P1, 4 and 5)."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_farm import LiveFarm, wait_until

from hqserver.domain.filesystem import mount_of
from hqserver.store.opening import has_wal_reset_race

pytestmark = pytest.mark.farm

MEMORY = Path("/dev/shm")


def lies_in_memory(folder: Path) -> bool:
    mounts = Path("/proc/self/mountinfo")
    mount = mount_of(str(folder), mounts.read_text("utf-8")) if folder.is_dir() and mounts.exists() else None
    return mount is not None and mount.type == "tmpfs"


@pytest.fixture
def in_memory() -> Iterator[LiveFarm]:
    """A farm whose data folders lie in memory."""
    if not lies_in_memory(MEMORY):
        pytest.skip(f"{MEMORY} is no file system in memory here")
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        farm = LiveFarm(Path(folder))
        yield farm
        farm.close()


def test_server_and_client_say_that_what_is_in_memory_does_not_last(in_memory: LiveFarm) -> None:
    client = in_memory.start_client("alpha")
    assert in_memory.server is not None
    for program, name in ((in_memory.server, "server"), (client, "alpha")):
        said = f"the data folder {in_memory.folder / name} lies in memory (tmpfs): nothing in it survives a reboot"
        assert len([line for line in program.lines if said in line]) == 1, program.lines


def test_the_server_says_so_where_sqlite_bears_no_second_writer(live: LiveFarm) -> None:
    assert live.server is not None
    live.server.said("listening on ")
    said = [line for line in live.server.lines if f"SQLite {sqlite3.sqlite_version} can damage a database" in line]
    assert len(said) == has_wal_reset_race(sqlite3.sqlite_version_info)


def test_the_client_says_whether_a_process_may_survive_a_kill(farm_of_one: LiveFarm) -> None:
    """Where runs have control groups, only its log says so; where not, the terminal does too."""
    log = farm_of_one.folder / "alpha" / "hqclient.log"
    wait_until(lambda: "control group" in log.read_text("utf-8"), what="the log to say it")
    (line,) = [line for line in log.read_text("utf-8").splitlines() if "control group" in line]
    lacking = "runs have no control groups here" in line
    assert lacking is ("can survive a kill" in line)
    if lacking:
        farm_of_one.clients["alpha"].said("can survive a kill")
    else:
        assert not [said for said in farm_of_one.clients["alpha"].lines if "control group" in said]
