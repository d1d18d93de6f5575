"""Ending processes by force: whole groups, the young first, and nobody who is not meant (PROMISES 5, T13, T14)."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_kit import PROGRAMS, an_order, is_gone, pid_said, runner_of, wait_until

from hqclient.daemon.runs.killing import clean_up, force_kill
from hqclient.daemon.runs.process_tree import RUN_TOKEN, ProcessId, carriers
from hqclient.daemon.runs.runfolder import RunFolder
from hqclient.daemon.runs.runfolders import RunFolders
from hqclient.daemon.runs.striking import Catch, kill_run_tree, strike_until_gone

pytestmark = pytest.mark.slow

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX's")
CHAINS = 12


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    return tmp_path / "marks"


@pytest.fixture
def chains(tmp_path: Path, marks: Path) -> RunFolder:
    """A run of chains of fork and exit."""
    return RunFolders(tmp_path / "runs").create(an_order(f'"$PYTHON" $PROGRAMS/chains.py {marks} {CHAINS}'))


def goes_on(marks: Path) -> bool:
    """Whether a link was added in the fifth of a second that this takes: in that time each chain adds a hundred."""
    before = marks.stat().st_size
    time.sleep(0.2)
    return marks.stat().st_size != before


def test_a_tree_that_forks_and_ignores_is_struck_until_it_is_gone() -> None:
    run_id = secrets.token_hex(16)
    arguments = [sys.executable, str(PROGRAMS / "forks_fifty.py")]
    with subprocess.Popen(arguments, env={**os.environ, RUN_TOKEN: run_id}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        struck, left = kill_run_tree(run_id)
        assert struck >= 51
        assert left == []
    assert carriers(run_id) == []


@posix_only
def test_t13_chains_of_fork_and_exit_end_though_their_runner_is_dead(chains: RunFolder, marks: Path) -> None:
    with runner_of(chains) as runner:
        pid_said(chains, "chains")
        runner.kill()
        runner.wait()
        assert goes_on(marks)
        # Once more, as the daemon does: on a machine that is busy enough, chains outrun the patience of one call.
        wait_until(lambda: clean_up(chains)[1] == [], "the chains have ended")
    assert not goes_on(marks)
    assert carriers(chains.run_id) == []


@posix_only
def test_t13_chains_of_fork_and_exit_end_with_a_deaf_runner(chains: RunFolder, marks: Path) -> None:
    with runner_of(chains) as runner:
        pid_said(chains, "chains")
        runner.send_signal(signal.SIGSTOP)
        force_kill(chains)
        assert runner.wait(10) == -signal.SIGKILL
        wait_until(lambda: clean_up(chains)[1] == [], "the chains have ended")
    assert not goes_on(marks)


@posix_only
def test_members_of_a_group_go_with_the_one_that_is_seen(sleeper: subprocess.Popen[bytes]) -> None:
    """The other has neither the token nor a parent of the run: only the group tells."""
    run_id = secrets.token_hex(16)
    script = f"env -i sleep 600 & echo $!; exec env {RUN_TOKEN}={run_id} sleep 601"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout is not None
        other = int(leader.stdout.readline())
        wait_until(lambda: carriers(run_id), "the leader bears the token")
        _, left = kill_run_tree(run_id)
        assert leader.wait(10) == -signal.SIGKILL
    assert left == []
    wait_until(lambda: is_gone(other), "the other has gone too")
    assert sleeper.poll() is None


@posix_only
def test_t14_a_group_that_a_stranger_leads_is_left_alone() -> None:
    run_id = secrets.token_hex(16)
    script = f"env {RUN_TOKEN}={run_id} sleep 600 & echo $!; wait; exec sleep 601"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as stranger:
        assert stranger.stdout is not None
        member = int(stranger.stdout.readline())
        wait_until(lambda: carriers(run_id), "the member bears the token")
        assert kill_run_tree(run_id) == (1, [])
        wait_until(lambda: is_gone(member), "the member has gone")
        assert stranger.poll() is None
        stranger.kill()


def test_t14_a_command_whose_pid_is_a_strangers_by_now_costs_nobody_his_life(
    sleeper: subprocess.Popen[bytes],
) -> None:
    assert kill_run_tree(secrets.token_hex(16), ProcessId(sleeper.pid, "some other start")) == (0, [])
    assert sleeper.poll() is None


def test_our_own_group_is_never_signalled() -> None:
    run_id = secrets.token_hex(16)
    with subprocess.Popen(["sleep", "600"], env={**os.environ, RUN_TOKEN: run_id}) as child:
        wait_until(lambda: carriers(run_id), "the child bears the token")
        assert kill_run_tree(run_id) == (1, [])
        child.wait(10)


def test_what_cannot_be_ended_is_named_when_patience_ends() -> None:
    def sweep(catch: Catch) -> None:
        catch.pids.add(4711)

    assert strike_until_gone(sweep, patience_seconds=0.02) == (1, [4711])


def test_a_machine_on_which_strangers_come_and_go_does_not_hold_a_sweep_up_for_long() -> None:
    def sweep(catch: Catch) -> None:
        catch.missed = True

    before = time.monotonic()
    assert strike_until_gone(sweep, patience_seconds=600.0) == (0, [])
    assert time.monotonic() - before < 300.0
