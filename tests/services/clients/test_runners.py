"""Runners from outside as clients of the farm: what dispatch, people and daemons make of them (CONTRACT 10)."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest
from claims_kit import claim, client_of, finish, nothing, pass_by, renew
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm, submit
from job_kit import status
from scheduling_kit import another, condition, live, passes, waiting_for

from hqserver.domain.errors import BadParameters, Busy, Conflict, NotFound
from hqserver.services.care import upkeep
from hqserver.services.clients import claims, client_control, runners
from hqserver.services.events import events
from hqserver.services.farm import Farm, Policy
from hqserver.services.queries import explaining, lookup, run_records

# What dispatch does about runners -------------------------------------------------------------------------------------


def test_dispatch_gives_a_runner_nothing_unasked_and_says_so(farm: Farm, asked: Asked) -> None:
    finish(farm, claim(farm, ids=[submit(farm, command="x")]))
    job = submit(farm, command="x", conditions=[condition("hostname", "==", "laptop")])
    passes(farm)
    assert live(farm) == {}
    assert explaining.client_order(farm, job) == []
    assert "laptop is a runner that asks for its work itself" in waiting_for(farm, job)
    (found,) = explaining.explain_job(farm, job)["clients"]
    unmet = [reason for reason in found["reasons"] if not reason["holds"]]
    assert [reason["requirement"] for reason in unmet] == ["dispatch"]
    assert unmet[0]["remedy"] == "laptop takes the job when it next asks for such work (claimJob)"
    assert explaining.job_order(farm, client_of(farm)["id"], 100, 0) == [job]
    submit(farm, command="x", conditions=[condition("hostname", "==", "laptop")], onSuccess="y")
    assert explaining.job_order(farm, client_of(farm)["id"], 100, 0) == [job]
    assert client_of(farm)["outside"] is True


def test_a_runner_is_as_good_as_new_however_long_it_said_nothing(farm: Farm, clock: SetClock) -> None:
    finish(farm, claim(farm, ids=[submit(farm, command="x")]))
    clock.advance(farm.policy.lost_seconds * 3)
    upkeep.notice_silence(farm)
    job = submit(farm, command="x")
    (found,) = explaining.explain_job(farm, job)["clients"]
    assert [reason["requirement"] for reason in found["reasons"] if not reason["holds"]] == ["dispatch"]
    assert claim(farm)["job"] == job


def test_a_daemon_and_a_runner_share_a_queue(farm: Farm, client: TestClient) -> None:
    jobs = [submit(farm, command="x") for _ in range(4)]
    orders = client.fetch()
    found = [claim(farm), claim(farm)]
    assert sorted([order["job"] for order in orders] + [each["job"] for each in found]) == jobs
    client.beat(*(client.ended(order["run"]) for order in orders))
    for each in found:
        finish(farm, each)
    assert {status(farm, job) for job in jobs} == {"succeeded"}


# Runners as clients ---------------------------------------------------------------------------------------------------


def test_a_runner_that_is_removed_is_to_stop_and_its_work_goes_back(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    former = client_of(farm)["id"]
    client_control.remove(farm, [former])
    with pytest.raises(NotFound):
        client_of(farm)
    answer = renew(farm, found)
    assert (answer["wanted"], answer["why"]) == (False, "the runner was removed from the farm")
    for _ in range(3):
        pass_by(farm, clock, 21)
        renew(farm, found)
    assert status(farm, job) == "runnable"
    assert claim(farm)["job"] == job
    assert client_of(farm)["id"] != former, "it is a new client"


def test_a_runner_that_is_removed_may_still_say_how_its_work_ended(farm: Farm) -> None:
    job = submit(farm, command="x")
    found = claim(farm)
    client_control.remove(farm, [client_of(farm)["id"]])
    assert finish(farm, found) == "succeeded"
    assert status(farm, job) == "succeeded"


def test_idle_runners_leave_after_a_day_and_may_come_again(farm: Farm, clock: SetClock) -> None:
    job, held = submit(farm, command="x"), submit(farm, command="x")
    finish(farm, claim(farm))
    former = client_of(farm)["id"]
    found = claim(farm, "busy", 7 * 86_400)
    clock.advance(86_399)
    runners.retire_idle(farm)
    assert client_of(farm)["id"] == former
    clock.advance(2)
    runners.retire_idle(farm)
    assert [each["label"] for each in lookup.client_details(farm, None, ["label"])] == ["busy"]
    assert [run["client"] for run in run_records.list_runs(farm, job)] == ["laptop"]
    assert nothing(farm)
    assert client_of(farm)["id"] != former
    assert (finish(farm, found), status(farm, held)) == ("succeeded", "succeeded")


def test_a_daemon_takes_the_name_of_a_runner_and_keeps_it(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x")
    found = claim(farm, "alpha")
    daemon = another(farm, "alpha")
    assert client_of(farm, "alpha")["id"] == daemon.id
    assert client_of(farm, "alpha")["outside"] is False
    with pytest.raises(Conflict, match="alpha is a client with a daemon; call the runner otherwise"):
        claims.claim_job(farm, {}, "alpha", 60)
    assert renew(farm, found)["wanted"]
    assert (finish(farm, found), status(farm, job)) == ("succeeded", "succeeded")


def test_daemons_orders_are_not_for_runners(farm: Farm) -> None:
    finish(farm, claim(farm, ids=[submit(farm, command="x")]))
    runner = client_of(farm)["id"]
    client_control.upgrade(farm, [runner])
    client_control.restart(farm, [runner])
    assert (client_of(farm)["wanted"], client_of(farm)["needsUpgrade"]) == ("", False)


def test_the_farm_knows_so_many_runners_at_a_time(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "MOST_RUNNERS", 3)
    for number in range(3):
        assert nothing(farm, f"laptop{number}")
    with pytest.raises(Busy, match="the farm has 3 runners; those that do nothing for a day leave it"):
        claims.claim_job(farm, {}, "laptop3", 60)
    assert nothing(farm, "laptop0")


def test_what_is_no_claim_is_refused_and_makes_no_client(farm: Farm) -> None:
    submit(farm, command="x")
    for wanted, runner, seconds, words in (
        ({"nmae": "x"}, "laptop", 60, "did you mean 'name'"),
        ({}, "", 60, "name of a runner"),
        ({}, "laptop", 0, "seconds must be from 1 to 604800, not 0"),
        ({}, "laptop", 604_801, "seconds must be from 1 to 604800"),
    ):
        with pytest.raises(BadParameters, match=words):
            claims.claim_job(farm, wanted, runner, seconds)
    assert lookup.client_details(farm, None, ["label"]) == []
    found = claim(farm)
    for seconds, progress in ((0, None), (604_801, None), (None, -0.1), (None, 1.1), (None, float("nan"))):
        with pytest.raises(BadParameters):
            renew(farm, found, seconds, progress)


def test_the_journal_names_the_runner(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x")
    claim(farm)
    pass_by(farm, clock, 61)
    finish(farm, claim(farm), "failed")
    told = events.get_events(farm, 0, 1000, None)["events"]
    assert any((each["kind"], each["now"], each["client"]) == ("client", "registered", "laptop") for each in told)
    of_job = [each for each in told if each["job"] == job]
    moves = [(each["was"], each["now"], each["client"]) for each in of_job if each["kind"] == "job"]
    assert ("runnable", "running", "laptop") in moves
    assert ("running", "failed", "laptop") in moves
    assert any(each["kind"] == "run" and each["client"] == "laptop" for each in of_job)


def test_runners_that_ask_at_the_same_time_get_each_job_once(farm: Farm) -> None:
    jobs = [submit(farm, command="x") for _ in range(40)]
    found: list[int] = []

    def work(runner: str) -> None:
        while (claimed := claims.claim_job(farm, {}, runner, 60)) is not None:
            found.append(claimed["job"])
            finish(farm, claimed)

    threads = [threading.Thread(target=work, args=[f"laptop{number % 3}"]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == jobs
    assert len(lookup.client_details(farm, None, ["label"])) == 3


@pytest.mark.slow
def test_two_first_questions_of_a_runner_make_one_client_that_the_server_watches(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [submit(farm, command="x") for _ in range(2)]
    by_name, get, put = farm.watch.by_name, farm.watch.get, farm.watch.put
    both_unknown, both_registered = threading.Barrier(2), threading.Barrier(2)
    made: list[Any] = []

    def unknown(hostname: str, name: str) -> Any:
        known = by_name(hostname, name)
        both_unknown.wait(30)
        return known

    def unwatched(client_id: int) -> Any:
        known = get(client_id)
        with suppress(threading.BrokenBarrierError):
            if known is None:
                both_registered.wait(1)  # both look before either makes it, where they can
        return known

    def remember(presence: Any) -> None:
        made.append(presence)
        put(presence)

    monkeypatch.setattr(farm.watch, "by_name", unknown)
    monkeypatch.setattr(farm.watch, "get", unwatched)
    monkeypatch.setattr(farm.watch, "put", remember)
    found: list[dict[str, Any]] = []
    sayings = [{"name": "laptop", "cpus": 8}, {"name": "laptop", "cpus": 8}]
    threads = [threading.Thread(target=lambda each=each: found.append(claim(farm, each))) for each in sayings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(each["job"] for each in found) == jobs
    assert len(made) == 1


def test_what_people_set_while_a_runner_tells_of_itself_stays(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nothing(farm)
    write = farm.database.write

    def meanwhile(function: Any, **more: Any) -> Any:
        monkeypatch.setattr(farm.database, "write", write)
        answer = write(function, **more)
        client_control.set_description(farm, client_of(farm)["id"], "on the desk")
        return answer

    monkeypatch.setattr(farm.database, "write", meanwhile)
    assert nothing(farm, {"name": "laptop", "memory": 3 * 2**31})
    assert (client_of(farm)["description"], client_of(farm)["memory"]) == ("on the desk", 3 * 2**31)


def test_a_runner_that_does_not_say_how_many_cpus_it_has_may_have_any_work(farm: Farm) -> None:
    many = submit(farm, command="x", cpus=64, conditions=[condition("cpus", ">=", "48")])
    whole = submit(farm, command="x", cpus=0)
    found = claim(farm, ids=[many])
    assert (found["cpus"], client_of(farm)["cpus"]) == (64, 0)
    assert nothing(farm, ids=[whole])
    (told,) = explaining.explain_job(farm, whole)["clients"]
    room = {reason["requirement"]: reason["found"] for reason in told["reasons"]}
    assert (room["cpus"], room["freeCpus"]) == ("it did not say how many",) * 2
    finish(farm, found)
    assert claim(farm, ids=[whole])["cpus"] == 0, "all that its machine has"
    assert [each["cpus"] for each in lookup.client_details(farm, None, ["cpus"])] == [0]
    claim(farm, {"name": "desk", "cpus": 8}, ids=[submit(farm, command="x", cpus=0)])
    assert client_of(farm, "desk")["cpus"] == 8


def test_what_is_the_matter_with_a_runner_is_said_before_that_it_asks_itself(farm: Farm) -> None:
    for number in range(5):
        finish(farm, claim(farm, ids=[submit(farm, command="x", submittedBy=f"user{number % 2}")]), "failed")
    assert client_of(farm)["unavailableBecause"].startswith("is set aside")


def test_asking_for_nothing_keeps_no_writer_waiting(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nothing(farm)
    submit(farm, command="x", cpus=2, conditions=[condition("hostname", "==", "desk")])

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a write")

    monkeypatch.setattr(type(farm.database), "write", refused)
    assert nothing(farm)


def test_a_farm_opened_anew_counts_what_claims_left(
    tmp_path_factory: pytest.TempPathFactory, clock: SetClock, asked: Asked
) -> None:
    found = open_farm(tmp_path_factory.mktemp("farm"), clock, asked, Policy())
    submit(found, command="x", agenda="1-4", triesLeft=1)
    claims = [claim(found, f"laptop{number}") for number in range(4)]
    finish(found, claims[0])
    finish(found, claims[1], "failed")
    finish(found, claims[2], "returned")
    pass_by(found, clock, 61)
    check_counters(found)
    found.database.close()
