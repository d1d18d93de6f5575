"""Runs whose runner is dead or deaf, and strangers who must not suffer for it (T10, T14)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from run_kit import an_order, has_line, is_gone, pid_said, runner_of, wait_until

from hqclient.daemon.host_os import Moment
from hqclient.daemon.runs.kill_request import KillRequest
from hqclient.daemon.runs.killing import clean_up, force_kill
from hqclient.daemon.runs.process_tree import ProcessId, carriers
from hqclient.daemon.runs.runfolder import Pids, RunFolder, Standing
from hqclient.daemon.runs.runfolders import RunFolders

pytestmark = pytest.mark.slow

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="orphans come home on Linux only")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    command = '"$PYTHON" $PROGRAMS/escapes.py & "$PYTHON" $PROGRAMS/ignores_term.py & wait'
    return RunFolders(tmp_path / "runs").create(an_order(command))


def test_the_tree_of_a_dead_runner_is_ended_wherever_it_went(folder: RunFolder) -> None:
    with runner_of(folder) as runner:
        pids = [pid_said(folder, word) for word in ("escaped", "stubborn")]
        runner.kill()
        runner.wait()
        struck, left = clean_up(folder)
    assert struck >= 3
    assert left == []
    assert all(is_gone(pid) for pid in pids)
    assert carriers(folder.run_id) == []
    assert folder.standing() is Standing.LOST


@linux_only
def test_a_deaf_runner_goes_with_its_whole_tree(tmp_path: Path) -> None:
    command = "env -i setsid sh -c 'echo bare $$; exec sleep 600' & echo plain $$; wait"
    folder = RunFolders(tmp_path / "runs").create(an_order(command))
    with runner_of(folder) as runner:
        pids = [pid_said(folder, word) for word in ("bare", "plain")]
        runner.send_signal(signal.SIGSTOP)
        folder.request_kill(KillRequest("nobody hears this"))
        _, left = force_kill(folder)
        assert runner.wait(10) == -signal.SIGKILL
    assert left == []
    assert all(is_gone(pid) for pid in pids)
    assert folder.exit_record() is None
    assert folder.standing() is Standing.LOST


def test_t14_a_process_that_has_the_runners_pid_by_now_is_left_alone(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order())
    with subprocess.Popen(["sleep", "600"]) as stranger:
        lock = folder.claim(ProcessId.own())
        assert lock is not None
        forged = ProcessId(stranger.pid, "the start of a process long gone")
        folder.write_pids(Pids(forged, forged, Moment.now()))
        folder.request_kill(KillRequest("the runner"))
        assert force_kill(folder) == (0, [])
        os.close(lock)
        assert folder.standing() is Standing.LOST
        assert force_kill(folder) == (0, [])
        assert clean_up(folder) == (0, [])
        assert stranger.poll() is None
        assert psutil.Process(stranger.pid).status() != psutil.STATUS_STOPPED
        stranger.kill()


def test_a_runner_that_serves_another_run_by_now_is_left_alone(tmp_path: Path) -> None:
    folders = RunFolders(tmp_path / "runs")
    old, new = folders.create(an_order()), folders.create(an_order("echo on; sleep 600"))
    with runner_of(new) as runner:
        wait_until(lambda: has_line(new, "on"), "the new run is under way")
        serving = ProcessId.of(runner.pid)
        assert serving is not None
        lock = old.claim(serving)
        assert lock is not None
        os.close(lock)
        old.request_kill(KillRequest("late"))
        assert force_kill(old) == (0, [])
        assert new.standing() is Standing.RUNNING
        assert psutil.Process(runner.pid).status() != psutil.STATUS_STOPPED
