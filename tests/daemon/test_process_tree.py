import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from run_kit import PROGRAMS, is_gone, wait_until

from hqclient.daemon.runs.process_tree import (
    RUN_TOKEN,
    ProcessId,
    carriers,
    descendants,
    kill_run_tree,
    session_of,
    strike_until_gone,
)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def test_a_signal_reaches_the_very_process(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessId.of(sleeper.pid)
    assert identity is not None
    assert identity.send(signal.SIGTERM)
    assert sleeper.wait(10) == -signal.SIGTERM
    assert not identity.exists()
    assert not identity.send(signal.SIGTERM)


def test_t14_a_process_with_another_start_is_a_stranger(sleeper: subprocess.Popen[bytes]) -> None:
    forged = ProcessId(sleeper.pid, "some other start")
    assert not forged.exists()
    assert forged.process() is None
    assert not forged.send(signal.SIGKILL)
    assert session_of(forged) == []
    assert kill_run_tree(secrets.token_hex(16), forged) == (0, [])
    assert sleeper.poll() is None


def test_a_session_is_found_by_its_leader(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessId.of(sleeper.pid)
    assert identity is not None
    assert [process.pid for process in session_of(identity)] == [sleeper.pid]


def test_processes_are_found_by_the_token_in_their_environment() -> None:
    run_id = secrets.token_hex(16)
    with subprocess.Popen(["sleep", "600"], env={**os.environ, RUN_TOKEN: run_id}) as process:
        wait_until(lambda: [found.pid for found in carriers(run_id)] == [process.pid], "the token is found")
        assert carriers(secrets.token_hex(16)) == []
        process.kill()
        process.wait()
    assert carriers(run_id) == []


def test_a_dead_process_nobody_has_reaped_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    assert sleeper.pid in [process.pid for process in descendants(os.getpid())]
    os.kill(sleeper.pid, signal.SIGKILL)
    wait_until(lambda: sleeper.pid not in [process.pid for process in descendants(os.getpid())], "it is dead")


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


def test_what_cannot_be_ended_is_named_when_patience_ends(sleeper: subprocess.Popen[bytes]) -> None:
    class Undying:
        pid = 4711

        def suspend(self) -> None: ...

        def kill(self) -> None: ...

    struck, left = strike_until_gone(lambda: [Undying()], patience_seconds=0.02)  # type: ignore[list-item]
    assert (struck, left) == (1, [4711])
    assert not is_gone(sleeper.pid)
