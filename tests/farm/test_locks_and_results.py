"""Locks and results on a real farm: kill -9 of the server, `hq lock` as people run it, a command's own result."""

from __future__ import annotations

import shlex
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from live_farm import BIN, LiveFarm, Program, wait_until

from hqclient import locks
from hqclient.farm import Farm

pytestmark = pytest.mark.farm


def kill_server(live: LiveFarm) -> None:
    assert live.server is not None
    live.server.end(signal.SIGKILL)


def owners(live: LiveFarm) -> dict[str, str]:
    return {each["name"]: each["owner"] for each in live.call("getLocks")}


def test_a_lock_outlives_a_server_that_is_killed(live: LiveFarm) -> None:
    """T1: what was answered is on disk. PROMISES 2.2: the lease begins anew, and ends."""
    held = live.call("acquireLock", "nightly", 3600, "ana")
    short = live.call("acquireLock", "short", 2, "ben")
    job = live.call("newjob", {"name": "x", "command": "x"})[0]
    live.call("setJobResult", job, {"frames": 240})
    kill_server(live)
    live.start_server()
    assert live.call("acquireLock", "nightly", 3600, "ben") is None
    assert live.call("acquireLock", "nightly", 3600, "ana")["token"] == held["token"]
    assert live.call("renewLock", "nightly", held["token"])["token"] == held["token"]
    wait_until(lambda: live.call("acquireLock", "short", 2, "eve"), what="the end of the short lease")
    assert live.call("renewLock", "short", short["token"]) is None
    assert live.call("releaseLock", "nightly", held["token"]) is True
    assert live.call("getJobResult", job) == {"frames": 240}


def test_of_many_callers_one_at_a_time_is_within(live: LiveFarm) -> None:
    within, rounds = [0], [0]
    count = 6

    def enter(_: int) -> None:
        with Farm(live.url) as farm:
            for _ in range(3):
                with farm.lock("counter", wait_seconds=60) as lock:
                    within[0] += 1
                    assert within[0] == 1
                    rounds[0] += 1
                    lock.check()
                    within[0] -= 1

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(enter, range(count)))
    assert (rounds[0], owners(live)) == (3 * count, {})


def test_a_holder_that_is_killed_holds_no_longer_than_its_lease(live: LiveFarm, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = f"import pathlib, time; pathlib.Path({str(ready)!r}).touch(); time.sleep(600)"
    words = [str(BIN / "hq"), "--server", live.url, "lock", "--lease", "3", "nightly", sys.executable, "-c", code]
    holder = Program(words)
    wait_until(ready.exists, what="the command", show=lambda: holder.lines)
    command = psutil.Process(holder.process.pid).children()[0]
    assert list(owners(live)) == ["nightly"]
    command.suspend()  # it holds the pipe, and is ended by the test
    holder.process.kill()
    wait_until(lambda: live.call("acquireLock", "nightly", 60, "ana"), what="the end of its lease")
    command.kill()
    holder.end()


def test_hq_lock_waits_for_its_turn_and_outlives_a_restart_of_the_server(live: LiveFarm, tmp_path: Path) -> None:
    held = live.call("acquireLock", "nightly", 600, "ana")
    done = tmp_path / "done"
    words = [str(BIN / "hq"), "--server", live.url, "lock", "--lease", "60", "nightly", "touch", str(done)]
    waiter = Program(words)
    waiter.said("waiting for ana")
    kill_server(live)
    live.start_server()
    assert not done.exists()
    live.call("releaseLock", "nightly", held["token"])
    assert waiter.process.wait(60) == 0
    waiter.end()
    assert done.exists()
    assert owners(live) == {}


def test_a_lock_is_renewed_across_a_restart_of_the_server(live: LiveFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5's spirit: an outage shorter than the lease is nobody's loss."""
    monkeypatch.setattr(locks, "_RENEWED_AT", 0.01)
    with Farm(live.url) as farm, farm.lock("nightly", lease_seconds=90) as lock:
        kill_server(live)
        live.start_server()
        before = live.call("getLocks")[0]["until"]
        wait_until(lambda: lock.lost or live.call("getLocks")[0]["until"] > before, what="a renewal")
        assert lock.lost is False
        assert owners(live) == {"nightly": lock.owner}


def test_a_command_leaves_the_result_of_its_job(farm_of_one: LiveFarm) -> None:
    """A command finds its job, its run and the server in its environment."""
    hq = shlex.quote(str(BIN / "hq"))
    job = farm_of_one.call("newjob", {"name": "x", "command": f"""{hq} set-result '{{"job": "'$JOBID'"}}'"""})[0]
    assert farm_of_one.wait_for(job, "succeeded")
    assert farm_of_one.call("getJobResult", job) == {"job": str(job)}
    assert farm_of_one.job(job, "hasResult") is True


def test_a_run_whose_work_is_another_runs_leaves_no_result(farm_of_one: LiveFarm, tmp_path: Path) -> None:
    """T12: what a superseded command says changes nothing."""
    hq = shlex.quote(str(BIN / "hq"))
    token = tmp_path / "token"
    job = farm_of_one.call("newjob", {"name": "x", "command": f"echo $HQ_RUN_TOKEN > {token}; {hq} set-result 1"})[0]
    assert farm_of_one.wait_for(job, "succeeded")
    command = f"HQ_RUN_TOKEN=$(cat {token}) {hq} --json set-result 2 2>&1"
    farm_of_one.call("rescheduleJobs", [job])
    assert farm_of_one.wait_for(job, "succeeded")
    late = farm_of_one.call("newjob", {"name": "late", "command": f"JOBID={job} {command}; echo code $?"})[0]
    assert farm_of_one.wait_for(late, "succeeded")
    answers = farm_of_one.call("getJobOutput", late).splitlines()
    assert "owns its work no more" in answers[0]
    assert answers[-1] == "code 3"
    assert farm_of_one.call("getJobResult", job) == 1
