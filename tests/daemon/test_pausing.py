"""Pause and resume of real trees of processes (CONTRACT 3.5)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from run_kit import an_order, has_line, is_gone, pid_said, runner_of, wait_until

from hqclient.daemon.runs import pausing, process_tree
from hqclient.daemon.runs.halting import halt, let_go
from hqclient.daemon.runs.kill_request import KillRequest
from hqclient.daemon.runs.pauses import note_pause, read_pauses
from hqclient.daemon.runs.pausing import pause, resume
from hqclient.daemon.runs.runfolder import RunFolder
from hqclient.daemon.runs.runfolders import RunFolders

pytestmark = pytest.mark.slow

QUIET_SECONDS = 0.3


@contextmanager
def a_run(tmp_path: Path, command: str, *words: str, **fields: object) -> Iterator[tuple[RunFolder, list[int]]]:
    """A run that has said its words, and the pids it said."""
    folder = RunFolders(tmp_path / "runs").create(an_order(command, **fields))
    with runner_of(folder):
        yield folder, [pid_said(folder, word) for word in words]


@contextmanager
def a_busy_tree(tmp_path: Path) -> Iterator[tuple[RunFolder, list[int], Path]]:
    """A tree of four that write to a file as often as they can."""
    file = tmp_path / "written"
    words = ("command", "child", "session", "daemon")
    with a_run(tmp_path, f'exec "$PYTHON" $PROGRAMS/busy_tree.py {file}', *words) as (folder, pids):
        yield folder, pids, file


class Listed:
    """A tree of which every process is known."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes

    def look(self) -> list[psutil.Process]:
        return self._processes

    def owns_group_of(self, process: psutil.Process) -> bool:
        return False

    def count_ended(self) -> int:
        return 0


def statuses(pids: list[int]) -> set[str]:
    return {psutil.Process(pid).status() for pid in pids}


def cpu_seconds(pids: list[int]) -> float:
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


def grows(file: Path) -> None:
    """Wait until the file is longer than it is now."""
    size = file.stat().st_size
    wait_until(lambda: file.stat().st_size > size, "the tree writes")


def test_a_paused_tree_uses_no_cpu_and_writes_nothing(tmp_path: Path) -> None:
    with a_busy_tree(tmp_path) as (folder, pids, file):
        grows(file)
        assert pause(folder) == []
        assert statuses(pids) == {psutil.STATUS_STOPPED}
        size, used = file.stat().st_size, cpu_seconds(pids)
        time.sleep(QUIET_SECONDS)
        assert (file.stat().st_size, cpu_seconds(pids)) == (size, used)
        assert folder.is_alive(), "its runner is not paused"


def test_a_resumed_tree_goes_on_where_it_was(tmp_path: Path) -> None:
    with a_busy_tree(tmp_path) as (folder, pids, file):
        pause(folder)
        used = {pid: cpu_seconds([pid]) for pid in pids}
        resume(folder)
        assert psutil.STATUS_STOPPED not in statuses(pids)
        grows(file)
        wait_until(lambda: all(cpu_seconds([pid]) > used[pid] for pid in pids), "each of them works again")
        assert read_pauses(folder).since is None
        assert read_pauses(folder).ended_seconds > 0


def test_repeated_pauses_and_resumes_are_harmless(tmp_path: Path) -> None:
    with a_busy_tree(tmp_path) as (folder, pids, file):
        resume(folder)
        grows(file)
        for _ in range(3):
            assert pause(folder) == []
        since = read_pauses(folder).since
        assert pause(folder) == []
        assert read_pauses(folder).since == since
        assert statuses(pids) == {psutil.STATUS_STOPPED}
        for _ in range(3):
            resume(folder)
        grows(file)


def test_what_somebody_else_has_let_go_is_stopped_again_by_the_next_order(tmp_path: Path) -> None:
    with a_busy_tree(tmp_path) as (folder, pids, file):
        pause(folder)
        os.kill(pids[-1], signal.SIGCONT)
        grows(file)
        assert pause(folder) == []
        assert statuses(pids) == {psutil.STATUS_STOPPED}


def test_what_is_printed_before_the_pause_reaches_the_log(tmp_path: Path) -> None:
    command = "echo ready $$; i=0; while :; do i=$((i + 1)); echo $i; done"
    with a_run(tmp_path, command, "ready", logLimit=50_000_000) as (folder, _):
        pause(folder)
        size = -1

        def is_quiet() -> bool:
            nonlocal size
            before, size = size, folder.log_size()
            time.sleep(0.05)
            return before == size == folder.log_size()

        wait_until(is_quiet, "the runner has read what there was")
        assert size > 0
        resume(folder)
        wait_until(lambda: folder.log_size() > size, "it goes on")


def test_processes_that_are_forked_while_the_tree_is_being_paused_are_caught(tmp_path: Path) -> None:
    with a_run(tmp_path, 'exec "$PYTHON" $PROGRAMS/forks_on.py', "forking") as (folder, _):
        for _ in range(5):
            resume(folder)
            assert pause(folder) == []
            tree = process_tree.carriers(folder.run_id)
            assert len(tree) >= 2
            assert {process.status() for process in tree} == {psutil.STATUS_STOPPED}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="orphans come home on Linux only")
def test_a_child_without_environment_and_session_is_paused_too(tmp_path: Path) -> None:
    command = "env -i setsid sh -c 'echo bare $$; exec sleep 600' & wait"
    with a_run(tmp_path, command, "bare") as (folder, pids):
        assert pause(folder) == []
        assert statuses(pids) == {psutil.STATUS_STOPPED}


def test_a_kill_ends_a_paused_tree_whose_handlers_run_first(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order('exec "$PYTHON" $PROGRAMS/cleans_up.py', killGrace=60.0))
    with runner_of(folder) as runner:
        pids = [pid_said(folder, word) for word in ("command", "child")]
        pause(folder)
        folder.request_kill(KillRequest("cancelled by ann"))
        assert runner.wait(30) == 0
    assert all(is_gone(pid) for pid in pids)
    assert has_line(folder, "goodbye command")
    assert has_line(folder, "goodbye child")
    record = folder.exit_record()
    assert record is not None
    assert (record.killed, record.reason, record.signal, record.limit) == (True, "cancelled by ann", 0, "")


def test_a_kill_ends_a_paused_tree_that_ignores_it(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order('exec "$PYTHON" $PROGRAMS/ignores_term.py'))
    with runner_of(folder) as runner:
        pid = pid_said(folder, "stubborn")
        pause(folder)
        folder.request_kill(KillRequest("enough", "maxTime"))
        assert runner.wait(30) == 0
    assert is_gone(pid)
    record = folder.exit_record()
    assert record is not None
    assert (record.signal, record.limit) == (signal.SIGKILL, "maxTime")


def test_a_kill_that_comes_while_the_tree_is_being_paused_finds_it_awake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order('exec "$PYTHON" $PROGRAMS/cleans_up.py', killGrace=60.0))

    def halt_too_late(*_: object) -> list[int]:
        # The kill comes after the pause has looked for it, and before it stops anything.
        folder.request_kill(KillRequest("cancelled"))
        pids = folder.pids()
        assert pids is not None
        return halt(Listed(process_tree.descendants(pids.runner.pid)), 0.1)

    with runner_of(folder) as runner:
        for word in ("command", "child"):
            pid_said(folder, word)
        monkeypatch.setattr(pausing, "halt", halt_too_late)
        assert pause(folder) == []
        assert runner.wait(30) == 0, "in vain with a grace of a minute, were anything still stopped"
    assert has_line(folder, "goodbye command")


def test_a_run_that_is_to_end_is_not_paused(tmp_path: Path) -> None:
    with a_run(tmp_path, 'exec "$PYTHON" $PROGRAMS/ignores_term.py', "stubborn", killGrace=60.0) as (folder, pids):
        folder.request_kill(KillRequest("cancelled"))
        assert pause(folder) == []
        assert psutil.STATUS_STOPPED not in statuses(pids)
        assert read_pauses(folder).since is None


def test_a_run_that_has_ended_is_not_paused(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order("true"))
    with runner_of(folder) as runner:
        assert runner.wait(30) == 0
    assert pause(folder) == []
    resume(folder)
    assert read_pauses(folder).since is None


def test_a_run_that_its_runner_has_left_for_another_keeps_its_hands_off_that(tmp_path: Path) -> None:
    folders = RunFolders(tmp_path / "runs")
    old = folders.create(an_order())
    with a_run(tmp_path, "echo new $$; exec sleep 600", "new") as (new, pids):
        serving = new.pids()
        assert serving is not None
        lock = old.claim(serving.runner)
        assert lock is not None
        os.close(lock)
        assert pause(old) == []
        assert psutil.STATUS_STOPPED not in statuses(pids)


def test_a_full_disk_does_not_keep_a_run_from_being_paused(tmp_path: Path) -> None:
    with a_run(tmp_path, "echo on $$; exec sleep 600", "on") as (folder, pids):
        (folder.path / "pauses.new").mkdir()
        assert pause(folder) == []
        assert statuses(pids) == {psutil.STATUS_STOPPED}
        resume(folder)
        wait_until(lambda: psutil.STATUS_STOPPED not in statuses(pids), "it goes on")


def test_a_pause_of_which_only_the_note_was_written_ends_like_any(tmp_path: Path) -> None:
    with a_run(tmp_path, "echo on $$; exec sleep 600", "on") as (folder, _):
        note_pause(folder)
        resume(folder)
        assert read_pauses(folder).since is None


def test_halting_gives_up_on_what_does_not_stop_and_says_who() -> None:
    class Unstoppable(psutil.Process):
        def suspend(self) -> None:
            raise psutil.AccessDenied(self.pid)

    with subprocess.Popen(["sleep", "600"]) as other:
        assert halt(Listed([Unstoppable(other.pid)]), 0.05) == [other.pid]
        other.kill()


def test_halting_waits_for_nobody_who_has_just_gone() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        gone = psutil.Process(process.pid)
        process.kill()
        process.wait()
    assert halt(Listed([gone]), 30.0) == []


def test_no_look_counts_during_which_a_process_has_ended() -> None:
    class Dying(Listed):
        looks = 0

        def count_ended(self) -> int:
            self.looks += 1
            return min(self.looks, 5)

    tree = Dying([])
    assert halt(tree, 30.0) == []
    assert tree.looks == 7


def test_a_process_that_has_ended_shows_the_group_of_the_one_it_forked() -> None:
    program = "import os, time\nif os.fork() == 0:\n    time.sleep(600)\nprint(os.getpid(), flush=True)\n"

    class Owned(Listed):
        def owns_group_of(self, process: psutil.Process) -> bool:
            return True

    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True) as parent:
        zombie = psutil.Process(parent.pid)
        wait_until(lambda: zombie.status() == psutil.STATUS_ZOMBIE, "the parent ends")
        (child,) = process_tree.session_numbered(parent.pid)
        halt(Owned([zombie]), 0.0)
        wait_until(lambda: child.status() == psutil.STATUS_STOPPED, "its child is stopped")
        child.kill()


def test_a_parent_that_waits_for_its_stopped_child_to_take_off_counts_as_stopped() -> None:
    # A vfork: the parent cannot stop before its child has begun another program, and the child is stopped.
    program = (
        "import ctypes, os, sys\n"
        "libc = ctypes.PyDLL(None)\n"
        "if libc.vfork() == 0:\n"
        "    libc.kill(libc.getpid(), 19)\n"
        "    libc._exit(0)\n"
    )
    if not sys.platform.startswith("linux"):
        pytest.skip("Linux shows such a parent as one that waits for the disk")
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        process = psutil.Process(parent.pid)
        wait_until(process.children, "the child is there")
        (child,) = process.children()
        # Let go before it stops itself, it would stop after that, and nobody would wake it.
        wait_until(lambda: child.status() == psutil.STATUS_STOPPED, "the child has stopped itself")
        wait_until(lambda: process.status() == psutil.STATUS_DISK_SLEEP, "the parent waits for its child")
        tree = [process, child]
        assert halt(Listed(tree), 5.0) == []
        let_go(lambda: tree)
        assert parent.wait(30) is not None


def test_letting_go_looks_again_for_those_it_did_not_see() -> None:
    with subprocess.Popen(["sleep", "600"]) as first, subprocess.Popen(["sleep", "600"]) as second:
        tree = [psutil.Process(first.pid), psutil.Process(second.pid)]
        halt(Listed(tree), 5.0)
        looks = iter([tree[:1], tree, tree])
        let_go(lambda: next(looks))
        assert psutil.STATUS_STOPPED not in statuses([first.pid, second.pid])
        first.kill()
        second.kill()
