"""Clients that keep failing are set aside and tried again later (CONTRACT 10, Trouble; PROMISES 3, poison jobs)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, restarted, submit

from hqserver.services import notes
from hqserver.services.care import upkeep
from hqserver.services.clients import client_control
from hqserver.services.control import commands
from hqserver.services.events import errors
from hqserver.services.farm import Farm, Policy
from hqserver.services.queries import lookup
from hqserver.services.work.health_record import LONGEST_WAIT_SECONDS


@pytest.fixture
def policy() -> Policy:
    """No client is blocked for a single job, so that what is seen here is the client's health alone."""
    return Policy(max_failures_per_client=1_000_000)


def work_for(farm: Farm, client: TestClient, user: str, code: int = 1, **how: Any) -> None:
    """Have the client run a job of this user, which ends so."""
    job = submit(farm, command="render", submittedBy=user)
    client.beat()
    (order,) = client.fetch()
    assert order["job"] == job
    client.beat(client.ended(order["run"], code, **how))


def detail(farm: Farm, client: TestClient, name: str) -> Any:
    return lookup.client_detail(farm, client.id, [name])[name]


def is_sick(farm: Farm, client: TestClient) -> bool:
    return bool(detail(farm, client, "sick"))


def make_sick(farm: Farm, client: TestClient) -> None:
    for number in range(farm.policy.sick_failures):
        work_for(farm, client, "ada" if number else "bob")
    assert is_sick(farm, client)


def told(farm: Farm) -> list[str]:
    """What notes about clients say, the oldest first."""
    found = [note for thread in notes.note_threads(farm, None, None, None) for note in thread["notes"]]
    return [note["text"] for note in sorted(found, key=lambda note: note["id"]) if note["clientLabel"]]


def fetched(client: TestClient, spare: int = 0) -> int:
    """How many new runs a client fetches that has just been heard."""
    known = set(client.orders)
    client.spare = spare
    client.beat()
    client.fetch()
    return len(set(client.orders) - known)


# Set aside ---------------------------------------------------------------------------------------------------------


def test_failures_of_one_submitter_alone_say_nothing_of_the_client(farm: Farm, client: TestClient) -> None:
    for _ in range(3 * farm.policy.sick_failures):
        work_for(farm, client, "ada")
    assert not is_sick(farm, client)


def test_failures_in_a_row_of_work_of_several_submitters_set_a_client_aside(farm: Farm, client: TestClient) -> None:
    for number in range(farm.policy.sick_failures - 1):
        work_for(farm, client, f"user{number}")
    assert not is_sick(farm, client)
    work_for(farm, client, "ada")
    assert detail(farm, client, "sick") == "5 commands of 5 submitters in a row failed there"
    submit(farm, command="render")
    assert fetched(client) == 0


def test_a_success_in_between_starts_the_count_anew(farm: Farm, client: TestClient) -> None:
    for _ in range(3):
        for number in range(farm.policy.sick_failures - 1):
            work_for(farm, client, f"user{number}")
        work_for(farm, client, "ada", 0)
    assert not is_sick(farm, client)


def test_news_of_several_runs_in_one_beat_counts_in_its_order(farm: Farm, clock: SetClock) -> None:
    client = TestClient(farm, cpus=10)
    client.register()
    client.beat()
    for user in "abcdefgh":
        submit(farm, command="render", submittedBy=user)
    orders = client.fetch()
    assert len(orders) == 8
    codes = [1, 1, 1, 1, 0, 1, 1, 1]
    client.beat(*(client.ended(order["run"], code) for order, code in zip(orders, codes, strict=True)))
    assert not is_sick(farm, client)
    work_for(farm, client, "i")
    assert not is_sick(farm, client)
    work_for(farm, client, "j")
    assert is_sick(farm, client)


@pytest.mark.parametrize("how", ["returned", "licence", "ejected", "cancelled", "hook"])
def test_what_is_not_the_clients_failure_is_not_held_against_it(farm: Farm, client: TestClient, how: str) -> None:
    for number in range(farm.policy.sick_failures + 1):
        hooks = {"onSuccess": "oops"} if how == "hook" else {}
        job = submit(farm, command="render", submittedBy=f"user{number}", **hooks)
        client.beat()
        run = str(client.fetch()[0]["run"])
        if how == "returned":
            client.beat(client.reached(run, "lease"), accepting=False)
        elif how == "licence":
            client.beat(client.ended(run, 1, failure="licence"))
        elif how == "hook":
            (hook,) = client.beat(client.ended(run)).orders
            client.beat(client.ended(str(hook["run"]), 1))
        else:
            (commands.eject if how == "ejected" else commands.cancel)(farm, [job], "x")
            client.beat(client.ended(run, 143, killed=True), accepting=False)
        commands.cancel(farm, [job], "next")
    assert not is_sick(farm, client)


def test_people_are_told_of_a_client_that_is_set_aside(farm: Farm, client: TestClient) -> None:
    make_sick(farm, client)
    text = "set aside as sick: 5 commands of 2 submitters in a row failed there; tried again in 10 minutes"
    assert told(farm) == [text]
    assert errors.client_errors(farm, client.id)["errors"][0]["message"] == text
    assert detail(farm, client, "available") is False
    why = detail(farm, client, "unavailableBecause")
    assert why == "is set aside: 5 commands of 2 submitters in a row failed there"
    job = submit(farm, command="render")
    assert why in lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"]


def test_what_a_sick_client_still_had_in_hand_is_no_failed_probe(farm: Farm, clock: SetClock) -> None:
    client = TestClient(farm, cpus=20)
    client.register()
    client.beat()
    for number in range(20):
        submit(farm, command="render", submittedBy=f"user{number}")
    orders = client.fetch()
    client.beat(*(client.ended(order["run"], 1) for order in orders[:10]))
    assert is_sick(farm, client)
    for order in orders[10:]:
        client.beat(client.ended(order["run"], 1))
    assert len(told(farm)) == 1
    submit(farm, command="render")
    clock.advance(farm.policy.sick_seconds - 1)
    assert fetched(client) == 0
    clock.advance(1)
    assert fetched(client) == 1


def test_a_client_that_is_set_aside_gets_nothing_with_the_answer_in_which_that_happens(
    farm: Farm, client: TestClient
) -> None:
    for number in range(farm.policy.sick_failures - 1):
        work_for(farm, client, f"user{number}")
    submit(farm, command="render", submittedBy="ada", priority=1)
    submit(farm, command="render", cpus=2)
    client.beat()
    (order,) = client.fetch()
    assert client.beat(client.ended(order["run"], 1)).orders == []


# Tried again -------------------------------------------------------------------------------------------------------


def test_a_sick_client_is_tried_again_with_one_run_at_a_time_however_many_cpus_it_has(
    farm: Farm, clock: SetClock
) -> None:
    client = TestClient(farm, cpus=16)
    client.register()
    make_sick(farm, client)
    jobs = [submit(farm, command="render", submittedBy=f"user{number}") for number in range(10)]
    clock.advance(farm.policy.sick_seconds - 1)
    assert fetched(client, spare=8) == 0
    clock.advance(1)
    assert fetched(client, spare=8) == 1
    assert fetched(client, spare=8) == 0
    why = "is tried with one job, after 5 commands of 2 submitters in a row failed there"
    assert why in lookup.job_detail(farm, jobs[-1], ["waitingFor"])["waitingFor"]


def test_a_success_heals_the_client(farm: Farm, client: TestClient, clock: SetClock, asked: Asked) -> None:
    make_sick(farm, client)
    clock.advance(farm.policy.sick_seconds)
    passes = asked.passes
    work_for(farm, client, "ada", 0)
    assert not is_sick(farm, client)
    assert asked.passes > passes
    assert told(farm)[-1] == "not sick any more"
    submit(farm, command="a")
    submit(farm, command="b")
    assert fetched(client) == 2
    with farm.database.read() as connection:
        assert connection.execute("SELECT sick FROM client").fetchone()[0] == ""


def test_after_a_failed_probe_a_client_waits_twice_as_long_each_time_until_it_is_well(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    make_sick(farm, client)
    waits = farm.policy.sick_seconds
    for _ in range(4):
        clock.advance(waits)
        submit(farm, command="more", submittedBy="eve", priority=0)
        work_for_top(farm, client, 1)
        waits *= 2
        clock.advance(waits - 1)
        assert fetched(client) == 0
        clock.advance(1 - waits)
    clock.advance(waits)
    work_for_top(farm, client, 0)
    assert not is_sick(farm, client)
    assert len(told(farm)) == 2
    client.run_all()
    make_sick(farm, client)
    assert told(farm)[-1].endswith("tried again in 10 minutes")


def work_for_top(farm: Farm, client: TestClient, code: int) -> None:
    """Have the client run what comes first, which ends so; nothing comes back with that answer."""
    submit(farm, command="probe", priority=9)
    client.beat()
    (order,) = client.fetch()
    answer = client.beat(client.ended(order["run"], code))
    assert [each["kind"] for each in answer.orders] == [] or code == 0


def test_no_client_waits_longer_than_some_hours_unless_it_was_asked_to(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    make_sick(farm, client)
    for _ in range(10):
        clock.advance(LONGEST_WAIT_SECONDS)
        work_for_top(farm, client, 1)
    clock.advance(LONGEST_WAIT_SECONDS)
    work_for_top(farm, client, 0)
    patient = replace(farm, policy=replace(farm.policy, sick_seconds=86400.0))
    client.farm = patient
    make_sick(patient, client)
    submit(farm, command="render")
    clock.advance(86399)
    assert fetched(client) == 0
    clock.advance(1)
    assert fetched(client) == 1


def test_a_client_that_is_switched_on_by_hand_is_well(farm: Farm, client: TestClient) -> None:
    make_sick(farm, client)
    client_control.set_disabled(farm, "alpha", True)
    assert is_sick(farm, client)
    client_control.set_disabled(farm, "alpha", False)
    assert not is_sick(farm, client)
    assert told(farm)[-1] == "not sick any more"
    submit(farm, command="a")
    submit(farm, command="b")
    assert fetched(client) == 2
    client_control.set_disabled(farm, "alpha", False)
    assert len(told(farm)) == 2


def test_a_sick_client_stays_sick_when_its_daemon_is_started_anew(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    make_sick(farm, client)
    client.session = "s2"
    client.register()
    assert is_sick(farm, client)
    submit(farm, command="a")
    submit(farm, command="b")
    assert fetched(client) == 0
    clock.advance(farm.policy.sick_seconds)
    assert fetched(client) == 1


def test_a_sick_client_stays_sick_when_the_server_is_started_anew_and_is_tried_at_once(
    farm: Farm, client: TestClient, clock: SetClock, asked: Asked
) -> None:
    make_sick(farm, client)
    with restarted(farm, clock, asked, client) as again:
        assert is_sick(again, client)
        submit(again, command="a")
        submit(again, command="b")
        client.beat()
        (order,) = client.fetch()
        client.beat(client.ended(order["run"], 1))
        assert fetched(client) == 0
        clock.advance(again.policy.sick_seconds)
        client.beat()
        (order,) = client.fetch()
        client.beat(client.ended(order["run"]))
        assert not is_sick(again, client)


# Lost with work in hand ----------------------------------------------------------------------------------------------


def fall_silent(farm: Farm, clock: SetClock) -> None:
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)


def test_a_client_that_falls_silent_with_work_in_hand_three_times_in_a_row_is_set_aside(
    farm: Farm, clock: SetClock
) -> None:
    client = TestClient(farm, cpus=8)
    client.register()
    for number in range(3):
        assert not is_sick(farm, client)
        submit(farm, command=f"render {number}")
        assert fetched(client) == 1
        fall_silent(farm, clock)
        upkeep.notice_silence(farm)
    assert detail(farm, client, "sick") == "it was lost with work in hand 3 times in a row"


def test_a_result_in_between_shows_that_the_client_is_there(farm: Farm, client: TestClient, clock: SetClock) -> None:
    for code in (0, 1, 0, 1, 1):
        submit(farm, command="render")
        client.beat()
        (order,) = client.fetch()
        client.beat(client.started(order["run"]))
        fall_silent(farm, clock)
        client.beat(client.ended(order["run"], code))
    assert not is_sick(farm, client)


def test_a_client_that_comes_back_with_its_work_each_time_is_not_set_aside(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """A bad cable and a long render: nothing of the machine's."""
    job = submit(farm, command="render")
    run = str(client.fetch()[0]["run"])
    client.beat(client.started(run))
    for _ in range(farm.policy.max_client_losses):
        fall_silent(farm, clock)
        client.beat()
    assert not is_sick(farm, client)
    client.beat(client.ended(run))
    assert lookup.job_detail(farm, job, ["status"])["status"] == "succeeded"


def test_a_client_that_falls_silent_with_nothing_to_do_is_not_set_aside(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    for _ in range(5):
        client.beat()
        fall_silent(farm, clock)
    assert not is_sick(farm, client)


def test_a_sick_client_that_is_lost_with_its_probe_waits_twice_as_long(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    make_sick(farm, client)
    submit(farm, command="render", triesLeft=1)
    clock.advance(farm.policy.sick_seconds)
    assert fetched(client) == 1
    fall_silent(farm, clock)
    client.session, client.boot_id = "s2", "boot-2"
    client.register()
    clock.advance(2 * farm.policy.sick_seconds - 1)
    assert fetched(client) == 0
    clock.advance(1)
    assert fetched(client) == 1


@pytest.mark.parametrize("reboots", [False, True])
def test_a_poison_job_ends_abandoned_and_the_others_go_on(farm: Farm, clock: SetClock, reboots: bool) -> None:
    """9.10: hqserver.maxClientLosses; PROMISES 3. Also where the machines are up again before they count as lost."""
    victims = [TestClient(farm, hostname=f"victim{number}", cpus=1) for number in range(4)]
    for victim in victims:
        victim.register()
    poison = submit(farm, command="poison", priority=9)
    others = [submit(farm, command="render") for _ in range(8)]
    down: list[TestClient] = []
    for _ in range(100):
        for victim in victims:
            if victim in down:
                continue
            victim.beat()
            for order in victim.fetch():
                if order["job"] == poison:
                    victim.beat(victim.started(order["run"]))
                    down.append(victim)
                else:
                    victim.beat(victim.ended(order["run"]))
        clock.advance(farm.policy.beat_seconds)
        upkeep.notice_silence(farm)
        for victim in down if reboots else ():
            victim.boot_id = victim.session = f"{victim.boot_id}+"
            victim.register()
        if reboots:
            down.clear()
    found = [each["status"] for each in lookup.job_details(farm, [poison, *others], ["status"])]
    assert found == ["abandoned", *["succeeded"] * 8]
    logs = lookup.job_detail(farm, poison, ["logs"])["logs"]
    first, *rest = logs[-1]["message"].split(": ")
    assert first == "its client was lost 3 times"
    assert len(rest[0].split(", ")) == 3


def test_a_machine_that_goes_down_with_each_of_its_jobs_is_set_aside(farm: Farm, client: TestClient) -> None:
    for number in range(3):
        job = submit(farm, command="render")
        client.beat()
        (order,) = client.fetch()
        client.beat(client.started(order["run"]))
        client.farm.clock.advance(1)  # type: ignore[attr-defined]
        client.boot_id = client.session = f"boot-{number + 2}"
        client.register()
        commands.cancel(farm, [job], "next")
    assert is_sick(farm, client)
