"""Jobs that take down the machines they run on: they come to an end, and the farm goes on (PROMISES 3 and P7)."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from live_farm import LiveFarm, booted_anew, power_off, wait_until

pytestmark = pytest.mark.farm

POISON = shlex.join([sys.executable, str(Path(__file__).parent / "programs" / "power_cut.py")])
FINISHED = ("succeeded", "failed", "cancelled", "abandoned")


class Farm:
    """A live farm whose machines go down and come back; `victims` are those that poison may reach."""

    def __init__(self, live: LiveFarm, victims: str):
        self.live, self.victims, self.went_down = live, victims.split(), 0
        group = live.call("createClientGroup", "victims")
        for name in [*self.victims, "rest"]:
            live.start_client(name, cpus=1, program=booted_anew())
        self.ids = {each["name"]: each["id"] for each in live.call("getClients", None, ["name"])}
        self.labels = {each["label"]: each["name"] for each in live.call("getClients", None, ["name", "label"])}
        for name in self.victims:
            live.call("addClientToGroup", group, self.ids[name])
        rest = live.call("createClientGroup", "rest")
        live.call("addClientToGroup", rest, self.ids["rest"])

    def submit(self, command: str, group: str) -> int:
        (job,) = self.live.call("newjob", {"name": command[:20], "command": command, "hostgroup": group})
        return int(job)

    def down(self) -> list[str]:
        """The victims whose machines are down."""
        return [name for name in self.victims if self.live.clients[name].process.poll() is not None]

    def boot(self) -> None:
        """Bring back the machines that are down."""
        for name in self.down():
            self.went_down += 1
            self.live.clients[name].end()
            self.live.start_client(name, cpus=1, program=booted_anew(), wait=False)

    def lost_with(self, job: int) -> list[str]:
        """The victims that an abandoned job's log says were lost with it, in their order."""
        first, _, labels = self.live.job(job, "logs")[-1]["message"].partition(": ")
        assert first == "its client was lost 3 times", self.live.story(job)
        return [self.labels[label] for label in labels.split(", ")]

    def sick(self, name: str) -> str:
        return str(self.live.call("getClient", self.ids[name], ["sick"])["sick"])


def statuses(live: LiveFarm, jobs: list[int]) -> list[Any]:
    return [each["status"] for each in live.call("getJobs", jobs, ["status"])]


@pytest.mark.timeout(180)
def test_jobs_that_take_their_machines_down_end_abandoned_and_the_machines_are_set_aside(live: LiveFarm) -> None:
    """T24: two such jobs on two machines that boot again each time; three losses end each job, three each machine."""
    farm = Farm(live, "a b")
    poison = [farm.submit(POISON, "victims") for _ in range(2)]
    others: list[int] = []

    def have_gone_down(times: int) -> bool:
        farm.boot()
        others.append(farm.submit("echo done", "rest"))
        live.wait_for(others[-1], "succeeded")  # whatever happens to the machines beside it
        return farm.went_down >= times

    for times in range(1, 7):
        wait_until(lambda times=times: have_gone_down(times), what=f"{times} machines to go down")  # type: ignore[misc]
    wait_until(
        lambda: set(statuses(live, poison)) <= set(FINISHED), what="the end", show=lambda: statuses(live, poison)
    )
    for job in poison:
        assert live.job(job, "status") == "abandoned", live.story(job)
    assert sorted(name for job in poison for name in farm.lost_with(job)) == ["a"] * 3 + ["b"] * 3
    farm.boot()
    for name in ("a", "b"):
        wait_until(lambda name=name: farm.sick(name), what=f"{name} to be set aside")  # type: ignore[misc]
        assert "it was lost with work in hand 3 times in a row" in farm.sick(name)
    held = farm.submit("echo held", "victims")
    others.append(farm.submit("echo done", "rest"))
    live.wait_for(others[-1], "succeeded")
    assert live.job(held, "status") == "runnable"
    assert "set aside" in live.job(held, "waitingFor")
    assert set(statuses(live, others)) == {"succeeded"}
    assert not farm.sick("rest")


@pytest.mark.timeout(180)
def test_a_job_whose_machines_stay_down_ends_abandoned_after_the_third(live: LiveFarm) -> None:
    """T24: nobody comes back to say what happened; silence tells it."""
    assert live.server is not None
    live.server.end()
    live.start_server(env={"HQSERVER_ACTIVE_TIMEOUT": "0.05"})
    farm = Farm(live, "a b c d")
    poison = farm.submit(POISON, "victims")
    for count in (1, 2, 3):
        wait_until(lambda count=count: len(farm.down()) >= count, what=f"{count} to be down")  # type: ignore[misc]
    wait_until(lambda: live.job(poison, "status") in FINISHED, what="the end", show=lambda: live.story(poison))
    assert live.job(poison, "status") == "abandoned", live.story(poison)
    assert sorted(farm.lost_with(poison)) == sorted(farm.down())
    assert len(farm.down()) == 3, "the fourth was spared"
    after = farm.submit("echo done", "victims")
    live.wait_for(after, "succeeded")


def test_a_render_whose_machine_loses_power_is_given_out_again(live: LiveFarm) -> None:
    """P7: it has failed nothing. What it had printed is kept, and the machine comes back with its data."""
    farm = Farm(live, "a")
    begun = live.folder / "begun"
    job = farm.submit(f"echo begun | tee -a {begun}; [ $(wc -l < {begun}) = 2 ] || sleep 100", "victims")
    wait_until(
        lambda: live.call("getJobOutput", job) == "begun\n", what="the first words", show=lambda: live.story(job)
    )
    power_off(live.clients["a"])
    farm.boot()
    live.wait_for(job, "succeeded")
    (label,) = (label for label, name in farm.labels.items() if name == "a")
    assert f"{label} was started anew" in [entry["message"] for entry in live.job(job, "logs")]
    assert begun.read_text() == "begun\n" * 2
