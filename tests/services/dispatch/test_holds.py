"""Jobs that need several clients at once, and the clients held for them (CONTRACT 3.4, 9.15)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm, submit
from hypothesis import given, settings
from scheduling_kit import (
    another,
    detail,
    end,
    events,
    handed_out,
    held_for,
    live,
    passes,
    run_of,
    set_rules,
    several,
    silence,
    waiting_for,
)

from hqserver.services import resources
from hqserver.services.care import upkeep
from hqserver.services.clients import client_control
from hqserver.services.control import commands
from hqserver.services.dispatch import assignment
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission


def busy(farm: Farm, *clients: TestClient) -> list[int]:
    """A job on each of these clients that takes all of it."""
    jobs = [submit(farm, command="x", cpus=0, host=client.hostname) for client in clients]
    passes(farm)
    return jobs


# Starting and ending together ----------------------------------------------------------------------------------------


def test_a_job_starts_only_with_as_many_clients_as_it_needs(farm: Farm, client: TestClient) -> None:
    """9.15"""
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    assert job not in handed_out(farm)
    end(beta, other)
    assert handed_out(farm) == {job: ["alpha", "beta"]}
    assert detail(farm, job, "status") == "running"
    assert [each["label"] for each in detail(farm, job, "clients")] == ["alpha", "beta"]


def test_a_job_gets_up_to_as_many_clients_as_it_may_have(farm: Farm, client: TestClient) -> None:
    """9.15: of those free; once started it does not grow."""
    beta, *_ = several(farm, "beta gamma delta epsilon")
    busy(farm, beta)
    job = submit(farm, command="x", minHosts=2, maxHosts=3)
    assert handed_out(farm)[job] == ["alpha", "gamma", "delta"]
    second = submit(farm, command="x", minHosts=1, maxHosts=9, cpus=2)
    assert handed_out(farm)[second] == ["epsilon"]
    end(beta, 1)
    assert handed_out(farm) == {job: ["alpha", "gamma", "delta"], second: ["epsilon"]}


def test_the_command_runs_on_the_first_and_is_told_of_all(farm: Farm, client: TestClient) -> None:
    others = several(farm, "gamma beta")
    job = submit(farm, command="mantra", minHosts=3)
    passes(farm)
    (order,) = client.fetch()
    assert (order["job"], order["environment"]["HQHOSTS"]) == (job, "alpha,gamma,beta")
    assert [other.fetch() for other in others] == [[], []]


def test_further_clients_are_occupied_and_free_again_when_it_ends(farm: Farm, client: TestClient) -> None:
    another(farm, "beta")
    job = submit(farm, command="x", minHosts=2, cpus=2, resources={"sidefx.license.render": 1})
    behind = [submit(farm, command="x", cpus=2) for _ in range(2)]
    assert handed_out(farm) == {job: ["alpha", "beta"]}
    assert {each["name"]: each["inUse"] for each in resources.resource_details(farm, None)}[
        "sidefx.license.render"
    ] == 2
    end(client, job)
    assert detail(farm, job, "status") == "succeeded"
    assert sorted(handed_out(farm)) == behind


def test_amounts_counted_per_job_are_taken_once(farm: Farm, client: TestClient) -> None:
    """CONTRACT 5.6"""
    resources.set_resource(farm, "plugin", 3, False)
    resources.set_resource(farm, "house", 3, True)
    several(farm, "beta gamma delta")
    job = submit(farm, command="x", minHosts=3, resources={"plugin": 2, "house": 1})
    small = submit(farm, command="x", resources={"plugin": 1})
    waits = submit(farm, command="x", resources={"plugin": 1})
    assert sorted(handed_out(farm)) == [job, small]
    assert {each["name"]: each["inUse"] for each in resources.resource_details(farm, None)[3:]} == {
        "plugin": 3,
        "house": 3,
    }
    assert waiting_for(farm, waits) == "resource 'plugin': 3 of 3 are in use"


def test_a_cancelled_job_frees_all_its_clients(farm: Farm, client: TestClient) -> None:
    another(farm, "beta")
    job = submit(farm, command="x", minHosts=2, cpus=2)
    passes(farm)
    client.beat(client.started(run_of(farm, job)))
    commands.cancel(farm, [job], "enough")
    client.beat(client.ended(run_of(farm, job), 143, killed=True))
    assert detail(farm, job, "status") == "cancelled"
    assert live(farm) == {}


@pytest.mark.parametrize("how", ["silent", "removed", "booted anew"])
def test_losing_a_further_client_ends_the_run_on_all_and_burns_no_try(
    farm: Farm, client: TestClient, clock: SetClock, how: str
) -> None:
    """9.15"""
    beta, gamma = several(farm, "beta gamma")
    job = submit(farm, command="x", minHosts=2, cpus=2, triesLeft=1)
    assert handed_out(farm) == {job: ["alpha", "beta"]}
    client.beat(client.started(run_of(farm, job)))
    if how == "booted anew":
        beta.boot_id = "boot-2"
        beta.register()
    else:
        if how == "removed":
            client_control.remove(farm, [beta.id])
        silence(clock, client, gamma, seconds=farm.policy.lost_seconds + 1)
        upkeep.notice_silence(farm)
        client_control.hide_silent(farm)
    assert "kill" in [order["kind"] for order in client.beat().orders]
    assert waiting_for(farm, job) == "ending on alpha"
    client.beat(client.ended(run_of(farm, job), 143, killed=True))
    assert live(farm) == {}
    assert detail(farm, job, "triesLeft") == 1
    assert len(handed_out(farm)[job]) == 2


def test_a_further_client_that_restarts_its_daemon_changes_nothing(farm: Farm, client: TestClient) -> None:
    beta = another(farm, "beta")
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    beta.session = "s2"
    beta.register()
    beta.beat()
    assert live(farm) == {job: ["alpha", "beta"]}


def test_the_work_of_a_lost_first_host_is_taken_over_by_another_set(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """9.15: the run's further clients count as free for it."""
    beta = another(farm, "beta")
    job = submit(farm, command="x", minHosts=2, cpus=0, triesLeft=1)
    assert handed_out(farm) == {job: ["alpha", "beta"]}
    client.beat(client.started(run_of(farm, job)))
    gamma = another(farm, "gamma")
    behind = submit(farm, command="x", cpus=0)
    assert handed_out(farm) == {job: ["alpha", "beta"], behind: ["gamma"]}
    silence(clock, beta, gamma, seconds=farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    passes(farm)
    end(gamma, behind)
    assert sorted(handed_out(farm)[job]) == ["beta", "gamma"]
    assert detail(farm, job, "triesLeft") == 1
    assert "kill" in [order["kind"] for order in client.beat().orders]
    end(beta if live(farm)[job][0] == "beta" else gamma, job)
    assert detail(farm, job, "status") == "succeeded"
    assert live(farm) == {}


# Holding -------------------------------------------------------------------------------------------------------------


def test_held_clients_are_shown_and_take_no_other_work(farm: Farm, client: TestClient) -> None:
    """9.15"""
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    small = submit(farm, command="x")
    assert handed_out(farm) == {other: ["beta"]}
    assert held_for(farm, job) == ["alpha", "beta"]
    assert held_for(farm, small) == []
    assert waiting_for(farm, job) == "2 clients together, of which 1 is free"
    assert waiting_for(farm, small) == f"alpha is held for job {job}; beta is held for job {job}"
    assert ("holding", "alpha, beta, until 2 are free together") in events(farm, job)
    end(beta, other)
    assert handed_out(farm) == {job: ["alpha", "beta"], small: ["alpha"]}
    assert held_for(farm, job) == []


def test_a_held_client_that_ends_a_run_is_given_nothing_in_the_same_beat(farm: Farm, client: TestClient) -> None:
    beta = another(farm, "beta")
    others = busy(farm, client, beta)
    job = submit(farm, command="x", minHosts=2)
    small = submit(farm, command="x", priority=9)
    passes(farm)
    assert held_for(farm, job) == ["alpha", "beta"]
    end(client, others[0])
    assert live(farm) == {others[1]: ["beta"]}
    end(beta, others[1])
    assert handed_out(farm)[job] == ["alpha", "beta"]
    assert small in live(farm)


def test_a_busy_farm_of_small_jobs_does_not_starve_a_job_for_four(farm: Farm, client: TestClient) -> None:
    """9.15"""
    clients = {each.hostname: each for each in [client, *several(farm, "beta gamma delta epsilon")]}
    small = [submit(farm, command="x") for _ in range(60)]
    passes(farm)
    job = submit(farm, command="x", minHosts=4, cpus=2)
    ended = 0
    while job not in handed_out(farm):
        running = [(each, labels[0]) for each, labels in live(farm).items() if each != job]
        assert running, "the small jobs ran out first"
        each, label = running[0]
        end(clients[label], each)
        ended += 1
    assert ended < 12
    assert any(detail(farm, each, "status") == "runnable" for each in small)


def test_a_free_client_takes_the_place_of_a_busy_one_that_is_held(farm: Farm, client: TestClient) -> None:
    beta, gamma = several(farm, "beta gamma")
    busy(farm, beta)
    (other,) = busy(farm, gamma)
    job = submit(farm, command="x", minHosts=3)
    passes(farm)
    assert sorted(held_for(farm, job)) == ["alpha", "beta", "gamma"]
    pair = submit(farm, command="x", minHosts=2)
    passes(farm)
    assert held_for(farm, pair) == []
    another(farm, "delta")
    passes(farm)
    assert sorted(held_for(farm, job)) in (["alpha", "beta", "delta"], ["alpha", "delta", "gamma"])
    end(gamma, other)
    assert handed_out(farm)[job] == ["alpha", "delta", "gamma"]


def test_a_job_that_holds_is_served_though_one_like_it_came_before(farm: Farm, client: TestClient) -> None:
    """9.15: nobody else may hold those clients, so they must not wait for nothing."""
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    holder = submit(farm, command="x", minHosts=2, cpus=2)
    passes(farm)
    urgent = submit(farm, command="x", minHosts=2, cpus=2, priority=9)
    passes(farm)
    assert (held_for(farm, holder), held_for(farm, urgent)) == (["alpha", "beta"], [])
    end(beta, other)
    assert handed_out(farm) == {holder: ["alpha", "beta"]}
    end(client, holder)
    assert handed_out(farm) == {urgent: ["alpha", "beta"]}


def test_jobs_whose_clients_do_not_overlap_hold_at_the_same_time(farm: Farm, client: TestClient) -> None:
    """9.15"""
    clients = [client, *several(farm, "beta gamma delta")]
    busy(farm, clients[1], clients[3])
    first = submit(farm, command="x", minHosts=2, host="alpha,beta")
    second = submit(farm, command="x", minHosts=2, host="gamma,delta")
    overlapping = submit(farm, command="x", minHosts=2, host="beta,gamma")
    passes(farm)
    assert held_for(farm, first) == ["alpha", "beta"]
    assert held_for(farm, second) == ["gamma", "delta"]
    assert held_for(farm, overlapping) == []


def test_a_job_larger_than_the_farm_holds_nothing_and_says_so(farm: Farm, client: TestClient) -> None:
    another(farm, "beta")
    job = submit(farm, command="x", minHosts=3)
    small = submit(farm, command="x", cpus=2)
    assert handed_out(farm) == {small: ["alpha"]}
    assert held_for(farm, job) == []
    assert waiting_for(farm, job) == "3 clients together, but only 2 can run it"
    another(farm, "gamma")
    passes(farm)
    assert sorted(held_for(farm, job)) == ["alpha", "beta", "gamma"]


def test_a_job_holds_nothing_while_its_licences_are_lacking(farm: Farm, client: TestClient) -> None:
    resources.set_resource(farm, "house", 1, True)
    another(farm, "beta")
    job = submit(farm, command="x", minHosts=2, resources={"house": 1})
    passes(farm)
    assert held_for(farm, job) == []
    assert waiting_for(farm, job) == "2 machines that can have 'house' at once"
    resources.set_resource(farm, "house", 2, True)
    assert handed_out(farm) == {job: ["alpha", "beta"]}


@pytest.mark.parametrize("how", ["cancelled", "paused", "blocked by a child", "moved elsewhere"])
def test_a_job_that_does_not_wait_any_more_frees_its_holds(farm: Farm, client: TestClient, how: str) -> None:
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    assert held_for(farm, job) == ["alpha", "beta"]
    match how:
        case "cancelled":
            commands.cancel(farm, [job], "no")
        case "paused":
            commands.pause(farm, [job], "later")
        case "blocked by a child":
            submission.submit(farm, {"name": "child", "command": "x", "host": "zeta"}, parent_id=job)
        case "moved elsewhere":
            commands.permit_clients(farm, job, ["zeta"])
    small = submit(farm, command="x", host="alpha")
    assert handed_out(farm)[small] == ["alpha"]
    assert held_for(farm, job) == []
    assert other in live(farm)


def test_a_hold_of_a_cancelled_job_is_over_even_where_every_client_is_full(farm: Farm, client: TestClient) -> None:
    beta = another(farm, "beta")
    busy(farm, client, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    assert held_for(farm, job) == ["alpha", "beta"]
    commands.cancel(farm, [job], "no")
    passes(farm)
    assert held_for(farm, job) == []


def test_a_rescheduled_job_holds_anew(farm: Farm, client: TestClient) -> None:
    beta = another(farm, "beta")
    busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    commands.cancel(farm, [job], "no")
    passes(farm)
    commands.reschedule(farm, [job], "yes")
    passes(farm)
    assert held_for(farm, job) == ["alpha", "beta"]


def test_a_hold_ends_after_a_time_and_rests_as_long(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """9.15"""
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    small = submit(farm, command="x")
    silence(clock, client, beta, seconds=farm.policy.hold_timeout_seconds + 1)
    assert small in handed_out(farm)
    assert held_for(farm, job) == []
    assert ("hold ended", "its clients did not come together within 10 minutes") in events(farm, job)
    silence(clock, client, beta, seconds=farm.policy.hold_timeout_seconds - 30)
    passes(farm)
    assert held_for(farm, job) == []
    silence(clock, client, beta, seconds=60)
    passes(farm)
    assert held_for(farm, job) == ["alpha", "beta"]
    end(beta, other)
    assert job in handed_out(farm)


def test_while_a_job_rests_another_like_it_may_hold(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """9.15"""
    beta = another(farm, "beta")
    busy(farm, beta)
    first, second = (submit(farm, command="x", minHosts=2) for _ in range(2))
    passes(farm)
    assert held_for(farm, first) == ["alpha", "beta"]
    silence(clock, client, beta, seconds=farm.policy.hold_timeout_seconds + 1)
    passes(farm)
    assert (held_for(farm, first), held_for(farm, second)) == ([], ["alpha", "beta"])


def test_a_resting_job_starts_where_its_clients_are_free(farm: Farm, client: TestClient, clock: SetClock) -> None:
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    silence(clock, client, beta, seconds=farm.policy.hold_timeout_seconds + 1)
    passes(farm)
    end(beta, other)
    assert handed_out(farm) == {job: ["alpha", "beta"]}


@pytest.mark.parametrize("how", ["lost", "disabled", "removed", "out of hours"])
def test_a_held_client_that_goes_is_replaced(farm: Farm, client: TestClient, clock: SetClock, how: str) -> None:
    beta, gamma = several(farm, "beta gamma")
    busy(farm, beta)
    job = submit(farm, command="x", minHosts=3)
    passes(farm)
    assert len(held_for(farm, job)) == 3
    submit(farm, command="x", cpus=0, host="delta", priority=9)
    delta = another(farm, "delta")
    passes(farm)
    match how:
        case "lost":
            silence(clock, client, beta, delta, seconds=farm.policy.lost_seconds + 1)
        case "disabled":
            client_control.set_disabled(farm, "gamma", True)
        case "removed":
            client_control.remove(farm, [gamma.id])
        case "out of hours":
            set_rules(gamma, {"start": "03:00", "end": "04:00"})
    passes(farm)
    assert sorted(held_for(farm, job)) == ["alpha", "beta", "delta"]


def test_where_too_few_clients_are_left_none_is_held(farm: Farm, client: TestClient) -> None:
    beta = another(farm, "beta")
    busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    small = submit(farm, command="x")
    passes(farm)
    client_control.set_disabled(farm, "beta", True)
    assert handed_out(farm)[small] == ["alpha"]
    assert held_for(farm, job) == []
    assert waiting_for(farm, job) == "2 clients together, but only 1 can run it"


def test_a_restart_of_the_server_forgets_holds_and_makes_them_anew(
    farm: Farm, client: TestClient, clock: SetClock, asked: Asked, policy: Policy
) -> None:
    beta = another(farm, "beta")
    (other,) = busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    farm.database.close()
    again = open_farm(farm.database.path.parent, clock, asked, policy)
    try:
        client.farm = beta.farm = again
        assert held_for(again, job) == []
        for each in (client, beta):
            each.sequence = 0
            each.register()
            each.beat()
        passes(again)
        assert held_for(again, job) == ["alpha", "beta"]
        end(beta, other)
        assert handed_out(again) == {job: ["alpha", "beta"]}
        check_counters(again)
    finally:
        again.database.close()


def test_a_job_that_only_waits_is_not_written_by_each_pass(farm: Farm, client: TestClient, clock: SetClock) -> None:
    beta = another(farm, "beta")
    busy(farm, beta)
    job = submit(farm, command="x", minHosts=2)
    passes(farm)
    before = detail(farm, job, "updatedTime")
    silence(clock, client, beta, seconds=60)
    passes(farm)
    assert detail(farm, job, "updatedTime") == before


# Whatever happens, everything ends -----------------------------------------------------------------------------------

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
@settings(max_examples=60, deadline=None)
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


def test_a_pass_of_one_client_starts_no_job_for_several(farm: Farm, client: TestClient) -> None:
    """9.15: it is left to the pass over all, which is asked for."""
    another(farm, "beta")
    small = submit(farm, command="x", host="alpha")
    passes(farm)
    job = submit(farm, command="x", minHosts=1, maxHosts=2)
    end(client, small)
    assert live(farm) == {}
    assert assignment.dispatch_pass(farm) is False
    assert live(farm) == {job: ["alpha", "beta"]}
