"""Wall clocks that are set while the farm works: nothing stops, nothing ends, nobody is lost (PROMISES P11)."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from crash_kit import call_body, post, root_ids
from live_farm import LiveFarm, wait_until

pytestmark = pytest.mark.farm

PROGRAM = Path(__file__).parent / "programs" / "clockshift.c"
STEPS = (-3600, 3600, -30, 7200)
"""Back by an hour and forth again, back a little; and so far ahead that what is done every hour is done at once."""
QUICK_TICKS = ("dispatch", "flush", "silence", "leases", "waits", "calls")
SNAPSHOT_SECONDS = 1.0  # how old a page may be


class WallClock:
    """The wall clock of the processes that are started with `env`; the clocks that nobody sets are the machine's."""

    def __init__(self, library: Path, shift: Path):
        self.env = {"LD_PRELOAD": str(library), "CLOCKSHIFT": str(shift)}
        self._shift = shift
        self._seconds = 0

    def step(self, seconds: int) -> None:
        """Set it ahead by so many seconds; back, where they are negative."""
        self._seconds += seconds
        fresh = self._shift.with_suffix(".new")
        fresh.write_text(f"{self._seconds}\n")
        fresh.replace(self._shift)


@pytest.fixture(scope="module")
def library(need: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("gcc")
    found = tmp_path_factory.mktemp("clock") / "clockshift.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(found), str(PROGRAM), "-ldl"], check=True)
    return found


@pytest.fixture
def wall(library: Path, tmp_path: Path) -> WallClock:
    return WallClock(library, tmp_path / "shift")


def restart_server(live: LiveFarm, env: dict[str, str]) -> None:
    assert live.server is not None
    live.server.end()
    live.start_server(env=env)


def tick_ages(live: LiveFarm) -> dict[str, float]:
    with urlopen(f"{live.url}/metrics") as answer:
        text = answer.read().decode()
    found = re.findall(r'hqserver_tick_age_seconds\{tick="(\w+)"\} (\S+)', text)
    return {name: float(seconds) for name, seconds in found}


def events(live: LiveFarm, job: int) -> list[str]:
    return [entry["event"] for entry in live.job(job, "logs")]


def test_the_clock_of_these_tests_is_set_and_the_others_are_not(wall: WallClock) -> None:
    code = (
        "import time; from datetime import datetime; print(time.time(), datetime.now().timestamp(), time.monotonic())"
    )
    wall.step(-3600)
    said = subprocess.run([sys.executable, "-c", code], env=wall.env, check=True, capture_output=True, text=True).stdout
    shown, dated, steady = map(float, said.split())
    assert time.time() - 3700 < shown <= dated < time.time() - 3500
    assert time.monotonic() - 100 < steady < time.monotonic()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("whose", ["server", "client"])
def test_a_farm_goes_on_whatever_is_done_to_the_clock_of_a_machine(live: LiveFarm, wall: WallClock, whose: str) -> None:
    """T15: jobs flow and every tick comes; no lease and no limit ends, no client is lost, nothing becomes old."""
    days = 1.5 * 3600 / 86400  # a finished job is kept for an hour and a half
    began = time.monotonic()
    restart_server(live, {"HQSERVER_EXPIRE_JOBS_DAYS": f"{days:f}", **(wall.env if whose == "server" else {})})
    live.start_client("alpha", cpus=4, env=wall.env if whose == "client" else None)
    gate, begun = live.folder / "gate", live.folder / "begun"
    waiting = {"command": f"echo begun >> {begun}; until [ -e {gate} ]; do sleep 0.1; done", "maxTime": 1000}
    long_jobs = live.call(
        "newjob", [{"name": "plain", "maxSilence": 1000, **waiting}, {"name": "strict", "lease": 300, **waiting}]
    )
    for job in long_jobs:
        live.wait_for(job, "running")
    short_jobs: list[int] = []
    for seconds in STEPS:
        wall.step(seconds)
        stepped = time.monotonic()
        for _ in range(4):
            short_jobs += live.call("newjob", {"name": "short", "command": "echo done"})
            live.wait_for(short_jobs[-1], "succeeded")

        due = [*QUICK_TICKS, *(["expiry"] if whose == "server" and seconds == STEPS[-1] else [])]

        def all_came(since: float = stepped, names: Sequence[str] = tuple(due)) -> bool:
            ages = tick_ages(live)
            return all(ages[name] + SNAPSHOT_SECONDS < time.monotonic() - since for name in names)

        wait_until(all_came, what=f"all ticks after a step of {seconds} s", show=lambda: tick_ages(live))
    for job in long_jobs:
        assert live.job(job, "status") == "running", live.story(job)
        assert not {"client lost", "lost", "ejected"} & set(events(live, job)), live.story(job)
    gate.touch()
    for job in long_jobs:
        live.wait_for(job, "succeeded")
    assert begun.read_text() == "begun\n" * 2, "each ran once"
    kept = live.call("getJobs", short_jobs, ["status"])
    assert [each["status"] for each in kept] == ["succeeded"] * len(short_jobs)
    (client,) = live.call("getClients", None, ["available", "unavailableBecause"])
    assert client["available"], client
    for path in ("/", "/clients", f"/jobs/view/{long_jobs[0]}"):
        with urlopen(live.url + path) as answer:
            assert answer.status == 200
    if whose == "client":
        took = live.job(long_jobs[0], "commandEndTime") - live.job(long_jobs[0], "commandStartTime")
        assert took.total_seconds() < time.monotonic() - began, "no time of the client's clock reaches the server"


@pytest.mark.parametrize("step", [3600, -3600])
def test_a_call_that_is_repeated_after_the_clock_was_set_is_one_call(
    live: LiveFarm, wall: WallClock, step: int
) -> None:
    """T15 with T3, P2: what is remembered for a minute is remembered for a minute that has passed."""
    restart_server(live, wall.env)
    body = call_body("newjob", {"name": "once"})
    host, port = live.url.removeprefix("http://").split(":")
    head = f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(head.encode() + body)

    first: list[Any] = wait_until(lambda: root_ids(live), what="the job of the call that nobody waited for")
    wall.step(step)
    assert post(live.url, body) == first
    assert root_ids(live) == first
