"""`hq` as people run it, against a real server and real clients: what is told to jobs and clients happens."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from live_farm import BIN, LiveFarm, wait_until

pytestmark = pytest.mark.farm


class Hq:
    """The program, called with a farm's address."""

    def __init__(self, farm: LiveFarm):
        self.farm = farm

    def __call__(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(BIN / "hq"), "--server", self.farm.url, *words], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, f"hq {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    def submit(self, command: str, *options: str) -> int:
        return int(self("submit", *options, command))


@pytest.fixture
def hq(live: LiveFarm) -> Hq:
    return Hq(live)


class Counting:
    """A command that appends to a file for as long as it lives, and ends when it is told to."""

    def __init__(self, folder: Path):
        self._file = folder / "progress"
        self._stop = folder / "stop"
        self._size = 0
        self.command = f"until [ -e {self._stop} ]; do echo on >> {self._file}; sleep 0.05; done"

    def goes_on(self) -> bool:
        """Whether it has written since this was last asked."""
        before, self._size = self._size, self._file.stat().st_size if self._file.exists() else 0
        return self._size > before

    def end(self) -> None:
        """Let it end."""
        self._stop.touch()


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


def label(farm: LiveFarm, name: str) -> str:
    """How a client of this machine is called."""
    return next(str(each["label"]) for each in farm.call("getClients") if each["name"] == name)


def test_pause_stops_the_command_and_resume_lets_it_go_on(live: LiveFarm, hq: Hq, counting: Counting) -> None:
    live.start_client("alpha")
    job = hq.submit(counting.command, "--name", "count")
    wait_until(counting.goes_on, what="the command to run", show=lambda: live.story(job))

    assert hq("pause", str(job)).split()[1] in ("pausing", "paused")
    live.wait_for(job, "paused")
    counting.goes_on()  # what it wrote until it stood still
    told = hq("wait", "--timeout", "1", str(job), code=124)
    assert told.startswith(f"hq: job {job} is paused; to let it go on: hq resume {job}\n")
    assert not counting.goes_on()

    hq("resume", str(job))
    wait_until(counting.goes_on, what="the command to go on", show=lambda: live.story(job))
    counting.end()
    assert hq("wait", str(job)).split()[1] == "succeeded"


def test_eject_moves_a_job_to_another_client(live: LiveFarm, hq: Hq, counting: Counting) -> None:
    live.start_client("alpha")
    job = hq.submit(counting.command)
    live.wait_for(job, "running")
    live.start_client("beta")
    hq("eject", str(job))
    wait_until(
        lambda: [client["name"] for client in live.job(job, "clients")] == ["alpha", "beta"],
        what="beta to have the job",
        show=lambda: live.story(job),
    )
    counting.end()
    hq("wait", str(job))


def test_retry_does_a_failed_job_again_and_delete_removes_it(live: LiveFarm, hq: Hq) -> None:
    live.start_client("alpha")
    wanted = live.folder / "wanted"
    job = hq.submit(f"[ -e {wanted} ]")
    hq("wait", str(job), code=1)
    wanted.touch()
    assert hq("retry", "--failed") == "rescheduled 1 job\n"
    assert hq("wait", str(job)).split()[1] == "succeeded"
    assert hq("delete", str(job)).split()[1] == "deleted"
    assert hq("show", str(job), code=3) == f"hq: there is no job {job}\n"


def test_a_client_that_is_disabled_or_not_permitted_gets_no_job(live: LiveFarm, hq: Hq) -> None:
    for name in ("alpha", "beta"):
        live.start_client(name)
    alpha, beta = label(live, "alpha"), label(live, "beta")
    hq("disable", alpha)
    first = hq.submit("true")
    hq("wait", str(first))
    assert [client["name"] for client in live.job(first, "clients")] == ["beta"]

    second = hq.submit("true", "--condition", f"hostname:name == {alpha}")
    assert "is disabled" in wait_until(lambda: live.job(second, "waitingFor"), what="a reason")
    assert hq("permit", str(second), beta) == f"{beta}\n"
    hq("wait", str(second))
    assert [client["name"] for client in live.job(second, "clients")] == ["beta"]


def test_groups_rules_and_resources_decide_where_and_when_a_job_runs(live: LiveFarm, hq: Hq) -> None:
    for name in ("alpha", "beta"):
        live.start_client(name)
    beta = label(live, "beta")
    hq("group", "create", "GPU nodes", beta)
    hq("resource", "set", "db", "0")
    hq("available", beta, "never")
    job = hq.submit("echo done", "--group", "GPU nodes", "--resource", "db", "--on-success", "echo HOOK $HQSTATUS")
    wait_until(lambda: live.job(job, "waitingFor"), what="a reason to wait")
    assert live.job(job, "status") == "runnable"
    hq("resource", "set", "db", "1")
    hq("available", beta, "always")
    hq("wait", str(job))
    assert [client["name"] for client in live.job(job, "clients")] == ["beta"]
    assert "HOOK succeeded" in hq("output", str(job))


def test_a_restarted_client_goes_on_with_its_job_and_a_removed_one_gives_it_back(
    live: LiveFarm, hq: Hq, counting: Counting
) -> None:
    daemon = live.start_client("alpha")
    job = hq.submit(counting.command)
    live.wait_for(job, "running")
    alpha = label(live, "alpha")
    assert hq("restart", alpha) == f"{alpha}  restarting; goes on with job {job}\n"
    wait_until(lambda: live.call("getClients")[0]["wanted"] == "", what="the client to have restarted")
    wait_until(counting.goes_on, what="the command to go on")
    assert "removed" in hq("remove", alpha)
    assert daemon.process.wait(30) == 0, daemon.lines
    live.start_client("beta")
    counting.end()
    hq("wait", str(job))
    assert [client["name"] for client in live.job(job, "clients")] == ["alpha", "beta"]


def test_what_is_told_of_clients_is_kept_when_the_server_starts_again(live: LiveFarm, hq: Hq) -> None:
    live.start_client("alpha")
    alpha = label(live, "alpha")
    hq("describe", alpha, "in", "room 7")
    hq("available", alpha, "weekdays", "18:00-08:00", "or", "idle", "30")
    hq("note", "--client", alpha, "fan is loud")
    hq("folder", "set", "SHOTS", "--linux", "/mnt/shots")
    assert live.server is not None
    live.server.end()
    live.start_server()
    page = hq("client", alpha)
    assert "in room 7" in page
    assert "weekdays 18:00-08:00 or idle 30" in page
    assert "fan is loud" in page
    assert [folder["linux"] for folder in hq.json("folders") if folder["name"] == "SHOTS"] == ["/mnt/shots"]
