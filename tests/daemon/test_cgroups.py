"""Runners in control groups, where this machine lets us make some (PROMISES 5, T13)."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_kit import an_order, has_line, is_gone, pid_said, runner_of, wait_until

from hqclient.daemon.runs.cgroups import Cgroup, CgroupError, new_group, parent_of_groups, sweep
from hqclient.daemon.runs.kill_request import KillRequest
from hqclient.daemon.runs.killing import clean_up, force_kill
from hqclient.daemon.runs.launcher import Launcher
from hqclient.daemon.runs.process_tree import ProcessId
from hqclient.daemon.runs.runfolder import RunFolder
from hqclient.daemon.runs.runfolders import RunFolders

if sys.platform == "win32":
    pytest.skip("control groups are Linux's", allow_module_level=True)

from hqclient.daemon.runs.cgroup_probe import usable_parent

pytestmark = pytest.mark.slow

BARE = "env -i setsid sh -c 'echo bare $$; exec sleep 600' & "


@pytest.fixture
def groups() -> Iterator[Path]:
    """A folder for control groups, or no test."""
    try:
        own = parent_of_groups().with_name(f"hqclient-test-{os.getpid()}")
        yield usable_parent(own)
    except CgroupError as problem:
        pytest.skip(f"no control group can be made here: {problem}")
    for path in own.iterdir():
        if path.is_dir():
            Cgroup(path).kill_until_gone(10.0)
    own.rmdir()


@pytest.fixture
def group(groups: Path) -> Cgroup:
    return new_group(groups)


def a_run(tmp_path: Path, command: str, **fields: object) -> RunFolder:
    return RunFolders(tmp_path / "runs").create(an_order(command, **fields))


def test_a_command_lives_in_the_group_of_its_runner(tmp_path: Path, group: Cgroup) -> None:
    folder = a_run(tmp_path, "cat /proc/self/cgroup; echo on; exec sleep 600")
    with runner_of(folder, group.path) as runner:
        wait_until(lambda: has_line(folder, "on"), "the command runs")
        assert f"/{group.path.parent.name}/{group.path.name}\n".encode() in folder.read_log(0, 4096)
        pids = folder.pids()
        assert pids is not None
        assert pids.command is not None
        assert pids.cgroup == str(group.path)
        assert {runner.pid, pids.command.pid} == set(group.pids())


def test_t13_a_bare_child_in_its_own_session_dies_though_its_runner_is_dead(tmp_path: Path, group: Cgroup) -> None:
    """It bears no mark at all: without a control group it would escape, and PROMISES 5 says so."""
    folder = a_run(tmp_path, BARE + "echo plain $$; wait")
    with runner_of(folder, group.path) as runner:
        pids = [pid_said(folder, word) for word in ("bare", "plain")]
        runner.kill()
        runner.wait()
        struck, left = clean_up(folder)
    assert struck >= 2
    assert left == []
    assert all(is_gone(pid) for pid in pids)
    assert not group.path.exists()


def test_t13_chains_of_fork_and_exit_end_at_one_stroke(tmp_path: Path, group: Cgroup) -> None:
    marks = tmp_path / "marks"
    folder = a_run(tmp_path, f'"$PYTHON" $PROGRAMS/chains.py {marks} 12')
    with runner_of(folder, group.path) as runner:
        pid_said(folder, "chains")
        runner.kill()
        runner.wait()
        assert clean_up(folder)[1] == []
        size = marks.stat().st_size
        time.sleep(0.1)
        assert marks.stat().st_size == size
    assert not group.path.exists()


def test_a_deaf_runner_goes_with_its_group(tmp_path: Path, group: Cgroup) -> None:
    folder = a_run(tmp_path, BARE + "echo plain $$; wait")
    with runner_of(folder, group.path) as runner:
        pids = [pid_said(folder, word) for word in ("bare", "plain")]
        runner.send_signal(signal.SIGSTOP)
        assert force_kill(folder)[1] == []
        assert runner.wait(10) == -signal.SIGKILL
    assert all(is_gone(pid) for pid in pids)
    assert not group.path.exists()


def test_a_runner_that_serves_another_run_by_now_keeps_its_group(tmp_path: Path, group: Cgroup) -> None:
    """T14: the record of a run names the group that the next run of the same runner lives in."""
    folders = RunFolders(tmp_path / "runs")
    old, new = folders.create(an_order()), folders.create(an_order("echo on; exec sleep 600"))
    with runner_of(new, group.path) as runner:
        wait_until(lambda: has_line(new, "on"), "the new run is under way")
        serving = ProcessId.of(runner.pid)
        assert serving is not None
        lock = old.claim(serving, str(group.path))
        assert lock is not None
        os.close(lock)
        assert clean_up(old) == (0, [])
        assert force_kill(old) == (0, [])
        assert len(group.pids()) == 2


def test_groups_that_a_command_makes_go_too(tmp_path: Path, group: Cgroup) -> None:
    inner = group.path / "inner" / "most"
    folder = a_run(tmp_path, f"mkdir -p {inner} && echo $$ > {inner}/cgroup.procs && echo in $$; exec sleep 600")
    with runner_of(folder, group.path) as runner:
        pid = pid_said(folder, "in")
        assert pid in group.pids()
        runner.kill()
        runner.wait()
        assert clean_up(folder)[1] == []
    assert is_gone(pid)
    assert not group.path.exists()


def test_a_run_that_is_killed_by_its_runner_leaves_that_alive_in_its_group(tmp_path: Path, group: Cgroup) -> None:
    folder = a_run(tmp_path, BARE + '"$PYTHON" $PROGRAMS/forks_on.py')
    with runner_of(folder, group.path) as runner:
        pids = [pid_said(folder, word) for word in ("bare", "forking")]
        folder.request_kill(KillRequest("enough"))
        assert runner.wait(20) == 0
    record = folder.exit_record()
    assert record is not None
    assert (record.killed, record.reason) == (True, "enough")
    assert all(is_gone(pid) for pid in pids)
    assert group.pids() == []


def test_each_runner_of_a_launcher_has_a_group_of_its_own_that_goes_with_it(tmp_path: Path, groups: Path) -> None:
    """Here the groups are where a daemon's are: below our own."""
    folders = RunFolders(tmp_path / "runs")
    gate = tmp_path / "gate"
    runs = [folders.create(an_order(f"while [ ! -e {gate} ]; do sleep 0.01; done")) for _ in range(2)]

    async def scene() -> None:
        ended = []
        launcher = Launcher(lambda run: None, ended.append)
        await launcher.start()
        try:
            for run in runs:
                launcher.launch(run)
            async with asyncio.timeout(30):
                while not all((pids := run.pids()) and pids.command for run in runs):
                    await asyncio.sleep(0.01)
                paths = {Path(pids.cgroup) for run in runs if (pids := run.pids()) is not None}
                assert len(paths) == 2
                assert {path.parent for path in paths} == {parent_of_groups()}
                gate.touch()
                while len(ended) < 2:
                    await asyncio.sleep(0.01)
        finally:
            await launcher.close()
        await asyncio.to_thread(wait_until, lambda: not any(Cgroup(path).pids() for path in paths), "all have ended")
        await asyncio.to_thread(wait_until, lambda: not any(path.exists() for path in paths), "the groups have gone")

    asyncio.run(scene())


def test_a_sweep_leaves_groups_that_are_new_or_in_which_somebody_is(groups: Path) -> None:
    empty, full, new = new_group(groups), new_group(groups), new_group(groups)
    for group in (empty, full):
        os.utime(group.path, (0, 0))
    with subprocess.Popen(["sleep", "600"]) as process:
        (full.path / "cgroup.procs").write_text(str(process.pid))
        sweep(groups)
        assert [group.path.exists() for group in (empty, full, new)] == [False, True, True]
        assert full.kill_until_gone(10.0) == (1, [])
        assert process.wait(10) == -signal.SIGKILL


def test_the_place_is_below_the_daemons_own_group(tmp_path: Path) -> None:
    mounts, own = tmp_path / "mountinfo", tmp_path / "cgroup"
    own.write_text("1:cpu:/old\n0::/user.slice/user-7.slice\n")
    mounts.write_text(
        "24 1 0:22 / /proc rw - proc proc rw\n"
        "35 25 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
    )
    assert parent_of_groups(mounts, own) == Path("/sys/fs/cgroup/unified/user.slice/user-7.slice/hqclient")
    mounts.write_text("35 25 0:29 /user.slice /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    assert parent_of_groups(mounts, own) == Path("/sys/fs/cgroup/user-7.slice/hqclient")


@pytest.mark.parametrize("mounts", ["", "31 1 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"])
def test_without_version_two_there_are_no_groups(tmp_path: Path, mounts: str) -> None:
    (tmp_path / "mountinfo").write_text(mounts)
    (tmp_path / "cgroup").write_text("1:cpu:/\n0::/\n")
    with pytest.raises(CgroupError, match="version 2 is not mounted"):
        parent_of_groups(tmp_path / "mountinfo", tmp_path / "cgroup")
    with pytest.raises(CgroupError, match="nowhere"):
        parent_of_groups(tmp_path / "nowhere", tmp_path / "cgroup")


def test_a_folder_that_is_no_control_group_is_not_usable(tmp_path: Path) -> None:
    with pytest.raises(CgroupError, match="cannot kill a control group"):
        usable_parent(tmp_path / "groups")
