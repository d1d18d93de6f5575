"""Whatever waits for whom: nobody starves, and nothing waits though it is its turn (CONTRACT 9.15, 10)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from farm_kit import Asked, SetClock, check_counters, open_farm, submit
from hypothesis import given, settings
from scheduling_kit import (
    another,
    detail,
    live,
    passes,
    run_of,
    silence,
    waiting_for,
)

from hqserver.services import resources
from hqserver.services.care import upkeep
from hqserver.services.clients import client_control
from hqserver.services.control import commands
from hqserver.services.farm import Policy

HOSTS = ["alpha", "beta", "gamma", "delta"]

specifications = st.builds(
    lambda low, more, cpus, hosts, priority, tags, plugin: {
        "command": "x",
        "minHosts": min(low, len(hosts)),
        "maxHosts": min(low, len(hosts)) + more,
        "cpus": cpus,
        "host": ",".join(sorted(hosts)),
        "priority": priority,
        "tags": tags,
        "resources": {"plugin": 1, "house": 1} if plugin else {},
    },
    st.integers(1, 4),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sets(st.sampled_from(HOSTS), min_size=1),
    st.integers(0, 2),
    st.sampled_from([[], [], ["single"], ["single:1"]]),
    st.booleans(),
)
steps = st.one_of(
    st.tuples(st.just("submit"), specifications),
    st.tuples(st.just("end"), st.integers(0, 7)),
    st.tuples(st.just("eject"), st.integers(0, 7)),
    st.tuples(st.just("disable"), st.sampled_from(HOSTS)),
    st.tuples(st.just("enable"), st.sampled_from(HOSTS)),
    st.tuples(st.just("lose"), st.sampled_from(HOSTS)),
    st.tuples(st.just("wait"), st.sampled_from([5, 700])),
)


class Scene:
    """A farm of four clients, on which anything happens."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock()
        self.farm = open_farm(folder, self.clock, Asked(), Policy())
        resources.set_resource(self.farm, "plugin", 2, False)
        resources.set_resource(self.farm, "house", 4, True)
        self.clients = {hostname: another(self.farm, hostname) for hostname in HOSTS}

    def step(self, what: str, which: Any) -> None:
        running = sorted(live(self.farm))
        match what:
            case "submit":
                submit(self.farm, **which)
            case "end" if running:
                self.end(running[which % len(running)])
            case "eject" if running:
                commands.eject(self.farm, [running[which % len(running)]], "away")
            case "disable":
                client_control.set_disabled(self.farm, which, True)
            case "enable":
                client_control.set_disabled(self.farm, which, False)
            case "lose":
                self.lose(which)
            case "wait":
                silence(self.clock, *self.clients.values(), seconds=which)
        passes(self.farm)
        self.check()

    def lose(self, hostname: str) -> None:
        """A client is silent past its time, while passes give its work to others, and is heard again."""
        others = [client for each, client in self.clients.items() if each != hostname]
        silence(self.clock, *others, seconds=self.farm.policy.lost_seconds + 1)
        upkeep.notice_silence(self.farm)
        passes(self.farm)
        self.check()
        client = self.clients[hostname]
        for order in client.beat().orders:
            if order["kind"] == "kill":
                client.beat(client.ended(str(order["run"]), 143, killed=True))

    def end(self, job: int) -> None:
        client = self.clients[live(self.farm)[job][0]]
        status = detail(self.farm, job, "waitingFor")
        killed = status.startswith("ending")
        client.beat(client.ended(run_of(self.farm, job), 143 if killed else 0, killed=killed))

    def check(self) -> None:
        """Nobody has more than there is, runs where it may not, or waits though it is its turn."""
        held = self.farm.holds.held_for()
        assert len(held) == sum(len(self.farm.holds.clients_of(job)) for job in self.farm.holds.jobs())
        with self.farm.database.read() as connection:
            used = connection.execute("SELECT client_id, sum(cpus) FROM run WHERE ended_at IS NULL GROUP BY 1")
            assert all(cpus <= 2 for _, cpus in used.fetchall())
            waiting = [row[0] for row in connection.execute("SELECT id FROM job WHERE status = 'runnable'")]
        assert all(
            each["inUse"] <= each["total"] or each["total"] < 0 for each in resources.resource_details(self.farm, None)
        )
        for job in waiting:
            assert waiting_for(self.farm, job) not in ("its turn", ""), f"job {job} waits though it is its turn"

    def everything_ends(self) -> None:
        for hostname in HOSTS:
            client_control.set_disabled(self.farm, hostname, False)
        for _ in range(200):
            passes(self.farm)
            running = sorted(live(self.farm))
            if not running:
                break
            self.end(running[0])
        with self.farm.database.read() as connection:
            left = connection.execute("SELECT id FROM job WHERE ended_at IS NULL").fetchall()
        assert not left, [waiting_for(self.farm, job) for (job,) in left]
        assert self.farm.holds.jobs() == []
        check_counters(self.farm)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(steps, max_size=25))
def test_whatever_waits_for_whom_everything_ends(happening: list[tuple[str, Any]]) -> None:
    """9.15: jobs for several clients neither deadlock nor starve; 10 Why: nothing waits though it is its turn."""
    folder = Path(tempfile.mkdtemp(prefix="hq-holds-"))
    scene = Scene(folder)
    try:
        for what, which in happening:
            scene.step(what, which)
        scene.everything_ends()
    finally:
        scene.farm.database.close()
        shutil.rmtree(folder)
