"""`hq pause`, `resume`, `retry`, `eject`, `delete`, `priority` and `permit` over the farm's real methods."""

from __future__ import annotations

import pytest
from farm_kit import SetClock, TestClient, submit
from hq_over_services import ServicesHq
from hq_over_toys import Said

from hqclient.cli.exits import Exit
from hqserver.services.care import upkeep
from hqserver.services.control import commands
from hqserver.services.farm import Farm


def test_pause_and_resume_tell_what_became_of_each_job(farm: Farm, farm_hq: ServicesHq) -> None:
    first, second = submit(farm, name="one", command="x"), submit(farm, name="two", command="x")
    commands.cancel(farm, [second], "")
    assert farm_hq("pause", str(first), str(second)) == Said(0, "1  paused  one\n2  had ended: cancelled  two\n", "")
    assert farm_hq("pause", str(first)).out == "1  paused  one\n"
    said = farm_hq("resume", str(first))
    assert (said.code, said.out.startswith("1  waiting for resources")) == (Exit.OK, True)
    assert farm_hq.farm.job(first)["held"] == ""


def test_a_running_job_is_pausing_until_its_client_confirms(
    farm: Farm, client: TestClient, farm_hq: ServicesHq
) -> None:
    job_id = submit(farm, name="render", command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    assert farm_hq("pause", str(job_id)).out == f"{job_id}  pausing  render\n"
    said = farm_hq("pause", "--json", str(job_id))
    news = {"id": job_id, "was": "pausing", "now": "pausing", "why": "", "priority": 0}
    assert said.json == [news]


def test_eject_says_where_a_job_is_being_ended(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    job_id = submit(farm, name="render", command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    assert farm_hq("eject", str(job_id)).out == f"{job_id}  running: ending on alpha  render\n"


def test_orders_for_jobs_that_do_not_exist_reach_the_others(farm: Farm, farm_hq: ServicesHq) -> None:
    submit(farm, command="x")
    assert farm_hq("pause", "99", "1", "98") == Said(3, "1  paused  a job\n", "hq: no job 99, 98\n")
    assert farm_hq("pause", "99").code == Exit.REFUSED
    assert "pauseJobs" not in farm_hq.transport.calls[-2:]


def test_retry_puts_ended_jobs_back_and_says_of_others_that_they_have_not_ended(
    farm: Farm, client: TestClient, farm_hq: ServicesHq
) -> None:
    job_id = submit(farm, name="render", command="x")
    client.run_all(code=1)
    said = farm_hq("retry", str(job_id))
    assert (said.code, said.out.startswith("1  waiting for resources")) == (Exit.OK, True)
    assert farm_hq("reschedule", str(job_id)).out.startswith("1  has not ended: waiting for resources")
    client.run_all()
    assert farm_hq.farm.job(job_id).status == "succeeded"


def test_retry_failed_is_the_pages_button(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    submit(farm, name="good", command="x")
    client.run_all()
    failed = [submit(farm, name="bad", command="x") for _ in range(3)]
    client.run_all(code=1)
    commands.cancel(farm, [submit(farm, name="unwanted", command="x")], "")
    assert farm_hq("retry", "--failed") == Said(0, "rescheduled 4 jobs\n", "")
    assert farm_hq.farm.job(1).status == "succeeded"
    assert all(not farm_hq.farm.job(job_id).finished for job_id in failed)
    assert farm_hq("retry", "--failed").out == "rescheduled 0 jobs\n"


def test_delete_removes_what_has_ended_and_complains_of_the_rest(
    farm: Farm, client: TestClient, farm_hq: ServicesHq
) -> None:
    submit(farm, name="done", command="x")
    client.run_all()
    submit(farm, name="waiting", command="x")
    said = farm_hq("delete", "1", "2")
    assert (said.code, said.err) == (Exit.REFUSED, "hq: not deleted: job 2\n")
    first, second = said.out.splitlines()
    assert first == "1  deleted  done"
    assert second.startswith("2  not deleted: has not ended (waiting for resources")
    assert farm_hq("show", "1").code == Exit.REFUSED


@pytest.mark.parametrize(
    ("option", "left", "out"), [("--failed", [1], "deleted 2 jobs\n"), ("--finished", [], "deleted 3 jobs\n")]
)
def test_delete_of_all_of_a_kind_is_the_pages_button(
    farm: Farm, client: TestClient, farm_hq: ServicesHq, option: str, left: list[int], out: str
) -> None:
    submit(farm, command="x")
    client.run_all()
    for _ in range(2):
        submit(farm, command="x")
    client.run_all(code=1)
    waiting = submit(farm, command="x")
    assert farm_hq("delete", option) == Said(0, out, "")
    assert farm_hq.farm.job_ids() == [waiting, *left]
    if not left:
        assert farm_hq("delete", "--json", option).json == []


def test_many_jobs_are_deleted_in_several_calls(
    farm: Farm, client: TestClient, farm_hq: ServicesHq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hqclient.cli.control.JOBS_A_CALL", 2)
    for _ in range(5):
        submit(farm, command="x")
    client.run_all()
    assert len(farm_hq("delete", "--finished", "--json").json) == 5
    assert farm_hq.transport.calls.count("deleteJobs") == 3
    assert farm_hq.farm.job_ids() == []


@pytest.fixture
def unconfirmed(farm: Farm, client: TestClient, clock: SetClock) -> int:
    """A cancelled job whose client never confirmed that it ended what it ran (CONTRACT 9.11)."""
    job_id = submit(farm, name="render", command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    commands.cancel(farm, [job_id], "")
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)
    return job_id


def test_a_job_of_which_something_may_still_run_is_not_deleted(unconfirmed: int, farm_hq: ServicesHq) -> None:
    one = farm_hq("delete", str(unconfirmed))
    assert (one.code, one.out) == (3, f"{unconfirmed}  not deleted: a client may still run some of it  render\n")
    every = farm_hq("delete", "--failed")
    complaint = f"hq: not deleted: job {unconfirmed}; a client may still run some of it\n"
    assert every == Said(0, "deleted 0 jobs\n", complaint)


@pytest.mark.parametrize(
    "argv",
    [
        *(["retry"], ["delete"], ["delete", "--failed", "--finished"], ["delete", "--failed", "1"]),
        *(["retry", "--failed", "1"], ["pause"], ["priority", "1"], ["priority", "1", "-4"], ["priority", "1", "x"]),
    ],
)
def test_orders_need_jobs_or_all_of_a_kind_and_not_both(farm_hq: ServicesHq, argv: list[str]) -> None:
    said = farm_hq(*argv)
    assert (said.code, said.out, said.err.count("\n")) == (Exit.USAGE, "", 1)
    assert farm_hq.transport.calls == []


def test_priority_tells_the_old_and_the_new_one(farm: Farm, farm_hq: ServicesHq) -> None:
    submit(farm, name="one", command="x", priority=3)
    submit(farm, name="two", command="x")
    assert farm_hq("priority", "1", "2", "7").out == "1  priority 7, was 3  one\n2  priority 7, was 0  two\n"
    assert farm_hq.farm.job(2).priority == 7


def test_permit_shows_and_says_which_clients_may_run_a_job(farm: Farm, farm_hq: ServicesHq) -> None:
    TestClient(farm, hostname="beta", name="gpu").register()
    job_id = str(submit(farm, command="x"))
    assert farm_hq("permit", job_id) == Said(0, "alpha\nbeta:gpu\n", "")
    assert farm_hq("permit", job_id, "beta") == Said(0, "beta:gpu\n", "")
    assert farm_hq("permit", "--json", job_id, "alpha", "beta:gpu").json == ["alpha", "beta:gpu"]
    said = farm_hq("permit", job_id, "alhpa")
    assert said == Said(
        0, "", "hq: no client is called 'alhpa' yet; did you mean 'alpha'?\nhq: no client of the farm may run it\n"
    )
    assert farm_hq("permit", job_id, "al pha").code == Exit.REFUSED
    assert farm_hq("permit", "99").code == Exit.REFUSED


def test_show_tells_what_a_job_asks_for(farm: Farm, farm_hq: ServicesHq) -> None:
    job_id = submit(
        farm,
        command="x",
        conditions=[{"type": "client", "name": "memory", "op": ">=", "value": "1000"}],
        host="alpha,beta",
        tags=["single"],
        resources={"db": 2},
        minHosts=2,
        maxHosts=4,
        maxTime=90,
        triesLeft=3,
        onError="echo sorry",
        emailTo="ada@example.org",
        emailReasons="failed",
    )
    commands.pause(farm, [job_id], "")
    shown = [" ".join(line.split()) for line in farm_hq("show", str(job_id)).out.splitlines()]
    for line in (
        *("status paused", "held pause", "hosts 2 to 4", "only where memory >= 1000", "hostname in alpha,beta"),
        *("tags single", "resources db 2", "longest time 1 m 30 s", "tries left 3", "onError echo sorry"),
        "mail ada@example.org on failed",
    ):
        assert line in shown
