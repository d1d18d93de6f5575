import os
import secrets
import signal
import subprocess
from collections.abc import Iterator

import pytest
from run_kit import wait_until

from hqclient.daemon.runs.process_tree import (
    RUN_TOKEN,
    ProcessId,
    carriers,
    descendants,
    session_of,
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
