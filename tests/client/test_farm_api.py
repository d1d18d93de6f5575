"""`Farm` and `Job`: submitting, reading, watching."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from toy_farm import ToyFarm, connected, toy_connection

from hqclient.errors import (
    AnswerLost,
    BadParameters,
    BadSpecification,
    FarmUnreachable,
    NotFound,
    WaitTimedOut,
)
from hqclient.farm import Farm
from hqclient.finding import JobCount
from hqclient.follow import watch
from hqclient.news import PATIENCE_SECONDS, Pauses
from hqclient.tail import OutputFollower
from hqserver.domain.status import JobStatus


class FakeTime:
    """A clock that goes on only while somebody sleeps by it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pauses(self) -> Pauses:
        return Pauses(clock=self, sleep=self.sleep)


@pytest.fixture
def toy() -> ToyFarm:
    return ToyFarm()


@pytest.fixture
def farm(toy: ToyFarm) -> Farm:
    return connected(toy)


def test_a_farm_answers_who_and_where_it_is(farm: Farm) -> None:
    assert (farm.ping(), farm.version(), farm.url) == (True, "9.8.7", "http://toy:5000")


def test_any_method_can_be_called_by_name(farm: Farm) -> None:
    assert farm.call("getVersion") == "9.8.7"


def test_one_specification_gives_one_job(toy: ToyFarm, farm: Farm) -> None:
    job = farm.submit({"name": "Hello", "command": "printf '\x1b[1m' # no XML"})
    assert (job.id, job.name, job.status) == (1, "Hello", "runnable")
    assert toy.submitted[0]["command"] == "printf '\x1b[1m' # no XML"


def test_several_specifications_give_a_job_each(farm: Farm) -> None:
    assert [job.name for job in farm.submit([{"name": "a"}, {"name": "b"}])] == ["a", "b"]
    assert [job.name for job in farm.submit([{"name": "c"}])] == ["c"]


def test_parent_and_children_are_jobs_or_ids(toy: ToyFarm, farm: Farm) -> None:
    first, second = farm.submit({"name": "first"}), farm.submit({"name": "second"})
    farm.submit({"name": "third"}, parent=first, children=[second, 7])
    assert toy.called("newjob")[-1][1:] == (1, [2, 7])


def test_each_submission_has_a_key_of_its_own_unless_it_brings_one(toy: ToyFarm, farm: Farm) -> None:
    farm.submit({"name": "a"})
    farm.submit([{"name": "a"}, {"name": "b"}])
    farm.submit([{"name": "a"}, {"name": "b", "submitKey": "mine"}])
    first, second, third = toy.submitted
    assert len(first["submitKey"]) == len(second[0]["submitKey"]) == 32
    assert first["submitKey"] != second[0]["submitKey"]
    assert "submitKey" not in second[1]
    assert [each.get("submitKey") for each in third] == [None, "mine"]


def test_a_submission_whose_answer_is_lost_is_repeated_and_makes_one_job(toy: ToyFarm) -> None:
    connection, transport = toy_connection(toy)
    transport.troubles.extend([TimeoutError(), ConnectionResetError()])
    assert Farm(connection=connection).submit({"name": "once"}).id == 1
    assert (len(toy.called("newjob")), len(toy.jobs)) == (3, 1)


def test_a_submission_that_never_gets_an_answer_says_so(toy: ToyFarm) -> None:
    connection, transport = toy_connection(toy)
    transport.troubles.extend([TimeoutError()] * 3)
    with pytest.raises(AnswerLost):
        Farm(connection=connection).submit({"name": "once"})


@pytest.mark.parametrize(
    ("specification", "sentence"),
    [
        ({"name": "x", "prioritty": 1}, "prioritty: no such property of a job; did you mean 'priority'?"),
        ([{"name": "x"}, {"nme": "y"}], "[1].nme: no such property of a job; did you mean 'name'?"),
        (
            {"name": "x", "children": [{"name": "y"}, {"name": "z", "comand": "w"}]},
            "children[1].comand: no such property of a job; did you mean 'command'?",
        ),
        ({"name": "x", "qqq": 1}, "qqq: no such property of a job"),
        ({"name": "x", "children": ["y"]}, "children[0] must be a dictionary, not 'y'"),
        (["x"], "[0] must be a dictionary, not 'x'"),
        ({"name": {1}}, "the specification cannot be written as JSON: Object of type set is not JSON serializable"),
        ({"name": "x", "priority": float("nan")}, "the specification cannot be written as JSON: Out of range"),
    ],
)
def test_a_wrong_specification_is_refused_without_asking_the_server(
    toy: ToyFarm, farm: Farm, specification: Any, sentence: str
) -> None:
    with pytest.raises(BadSpecification) as caught:
        farm.submit(specification)
    assert str(caught.value).startswith(sentence)
    assert toy.calls == []


def test_a_specification_that_holds_itself_is_refused(farm: Farm) -> None:
    circle: dict[str, Any] = {"name": "x"}
    circle["children"] = [circle]
    with pytest.raises(BadSpecification, match="cannot be written as JSON"):
        farm.submit(circle)


def test_ten_thousand_nested_children_are_one_call(toy: ToyFarm, farm: Farm) -> None:
    farm.submit({"name": "root", "children": [{"name": f"frame {n}"} for n in range(10_000)]})
    assert len(toy.called("newjob")) == 1


def test_jobs_are_found_by_status_newest_first(toy: ToyFarm, farm: Farm) -> None:
    for name, status in (("a", "failed"), ("b", "running"), ("c", "failed")):
        toy.add(name, status)
    toy.jobs[1]["parents"] = [9]
    assert [job.id for job in farm.jobs("failed")] == [3, 1]
    assert [job.id for job in farm.jobs("failed", roots_only=True)] == [3]
    assert [job.id for job in farm.jobs(["running", "failed"], limit=2)] == [3, 2]
    assert [job.id for job in farm.jobs(roots_only=True)] == [3, 2]
    assert farm.job_ids("waiting") == []
    assert farm.jobs("failed", attribs=["name"])[0].attributes == {"id": 3, "name": "c"}


def test_jobs_are_found_page_by_page_as_they_are_taken(toy: ToyFarm, farm: Farm) -> None:
    for number in range(5):
        toy.add(f"job {number}")
    toy.jobs_a_page = 2
    found = farm.find_jobs({"rootsOnly": True, "status": (JobStatus.RUNNABLE,)}, attribs=["name"])
    assert toy.called("findJobs") == []
    assert [next(found).id, next(found)["name"]] == [5, "job 3"]
    assert len(toy.called("findJobs")) == 1
    assert [job.id for job in found] == [3, 2, 1]
    assert [job.id for job in farm.find_jobs(limit=3)] == [5, 4, 3]
    assert farm.count_jobs({"status": "runnable"}) == JobCount(5, more=False)


def test_times_of_a_filter_are_sent_as_utc(toy: ToyFarm, farm: Farm) -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))
    assert list(farm.find_jobs({"since": at})) == []
    assert toy.called("findJobs")[0][0] == {"since": datetime(2026, 1, 31, 10)}  # noqa: DTZ001  # naive UTC


def test_a_status_that_does_not_exist_is_refused_with_the_near_one(farm: Farm) -> None:
    with pytest.raises(BadParameters, match="'runing' is none; did you mean 'running'"):
        farm.jobs("runing")


def test_many_jobs_are_read_in_several_calls_in_order(toy: ToyFarm, farm: Farm) -> None:
    ids = [toy.add(f"job {n}") for n in range(1500)]
    assert [job["id"] for job in farm.read_jobs(ids[::-1], ["name"])] == ids[::-1]
    assert len(toy.called("getJobs")) == 2


def test_attributes_are_read_once_and_statuses_each_time(toy: ToyFarm, farm: Farm) -> None:
    job = farm.job(toy.add("one", "running"))
    assert (job["name"], job["name"], job.name) == ("one", "one", "one")
    assert len(toy.called("getJob")) == 1
    assert (job.status, job.finished) == ("running", False)
    toy.end(1, "succeeded")
    assert (job.status, job.finished, job.progress) == ("succeeded", True, 1.0)
    toy.jobs[1]["name"] = "two"
    assert job["name"] == "one"
    assert job.refresh()["name"] == job["name"] == "two"
    assert farm.job(1).attributes["name"] == "two"


def test_relatives_are_jobs(toy: ToyFarm, farm: Farm) -> None:
    toy.add("child")
    toy.add("parent", children=[1])
    toy.jobs[1]["parents"] = [2]
    assert farm.job(2).children == [farm.job(1)]
    assert farm.job(1).parents == [farm.job(2)]


def test_a_job_that_does_not_exist_is_not_found_when_it_is_used(farm: Farm) -> None:
    job = farm.job(99)
    for use in (lambda: job.status, lambda: job["name"], job.output, job.wait, lambda: list(job.follow())):
        with pytest.raises(NotFound, match="no job 99"):
            use()


def test_a_job_is_cancelled_and_noted(toy: ToyFarm, farm: Farm) -> None:
    job = farm.submit({"name": "x"})
    job.note("look here")
    job.cancel()
    assert toy.notes == [("look here", None, 1, None)]
    assert job.status == "cancelled"


def test_output_is_all_of_it_or_its_end(toy: ToyFarm, farm: Farm) -> None:
    toy.outputs[toy.add("x")] = "one\ntwo\n"
    assert (farm.job(1).output(), farm.job(1).output(4)) == ("one\ntwo\n", "two\n")


def test_clients_are_dictionaries(toy: ToyFarm, farm: Farm) -> None:
    toy.clients = [{"id": 1, "hostname": "node1"}]
    assert farm.clients() == [{"id": 1, "hostname": "node1"}]
    farm.clients(["hostname"])
    assert toy.called("getClients")[-1] == (None, ["hostname"])


def test_wait_gives_the_final_status(toy: ToyFarm, farm: Farm) -> None:
    job = farm.submit({"name": "x"})
    toy.steps.extend([lambda: None, lambda: toy.end(1, "failed")])
    assert job.wait(poll_seconds=0.001) == "failed"
    assert len(toy.called("getJobs")) == 3


def test_wait_gives_up_after_its_timeout(farm: Farm) -> None:
    job = farm.submit({"name": "x"})
    with pytest.raises(WaitTimedOut, match="not finished within 0 seconds: job 1 is runnable") as caught:
        job.wait(timeout_seconds=0)
    assert caught.value.statuses == {1: "runnable"}


def test_pauses_grow_to_a_second_and_start_short_again_after_news(toy: ToyFarm, farm: Farm) -> None:
    time = FakeTime()
    toy.add("x")
    toy.steps.extend(
        [*[lambda: None] * 9, lambda: toy.jobs[1].update(status="running"), lambda: toy.end(1, "succeeded")]
    )
    list(watch(farm, [1], pauses=time.pauses()))
    assert time.slept[0] == pytest.approx(0.2)
    assert time.slept[:9] == sorted(time.slept[:9])
    assert max(time.slept) == 1.0
    assert time.slept[-1] == pytest.approx(0.2)


def test_waiting_never_sleeps_past_its_timeout(toy: ToyFarm, farm: Farm) -> None:
    time = FakeTime()
    toy.add("x")
    with pytest.raises(WaitTimedOut):
        list(watch(farm, [1], timeout_seconds=5.0, pauses=time.pauses()))
    assert sum(time.slept) == pytest.approx(5.0)


def test_many_jobs_that_do_not_end_are_told_in_one_sentence(toy: ToyFarm, farm: Farm) -> None:
    ids = [toy.add("x") for _ in range(5)]
    toy.end(1, "succeeded")
    with pytest.raises(WaitTimedOut, match=r"job 2 is runnable, 3 is runnable, 4 is runnable and 1 more$"):
        list(watch(farm, ids, timeout_seconds=0))


def test_waiting_outlives_a_server_that_is_away_for_a_while(toy: ToyFarm) -> None:
    connection, transport = toy_connection(toy)
    time = FakeTime()
    toy.add("x", "running")

    def go_away() -> None:
        transport.troubles.extend([ConnectionRefusedError()] * 20)

    toy.steps.extend([lambda: None, go_away, *[lambda: None] * 20, lambda: toy.end(1, "succeeded")])
    seen = list(watch(Farm(connection=connection), [1], pauses=time.pauses()))
    assert seen[-1] == [{"id": 1, "status": "succeeded"}]


def test_waiting_gives_up_a_server_that_stays_away(toy: ToyFarm) -> None:
    connection, transport = toy_connection(toy)
    time = FakeTime()
    toy.add("x", "running")
    watching = watch(Farm(connection=connection), [1], pauses=time.pauses())
    next(watching)
    transport.troubles.extend([ConnectionRefusedError()] * 1000)
    with pytest.raises(FarmUnreachable):
        list(watching)
    assert PATIENCE_SECONDS <= sum(time.slept) < PATIENCE_SECONDS + 3


def test_a_server_that_is_away_at_first_is_given_up_at_once(toy: ToyFarm) -> None:
    connection, transport = toy_connection(toy)
    toy.add("x", "running")
    transport.troubles.append(ConnectionRefusedError())
    with pytest.raises(FarmUnreachable):
        next(watch(Farm(connection=connection), [1], pauses=FakeTime().pauses()))


def test_following_gives_each_piece_once_and_the_last_one_too(toy: ToyFarm, farm: Farm) -> None:
    toy.add("x", "running")
    toy.outputs[1] = "one\n"

    def write(text: str) -> None:
        toy.outputs[1] += text

    def write_and_end() -> None:
        write("three\n")
        toy.end(1, "succeeded")

    toy.steps.extend([lambda: None, lambda: write("two\n"), lambda: None, write_and_end])
    pieces = list(OutputFollower(farm, 1, FakeTime().pauses()))
    assert pieces == ["one\n", "two\n", "three\n"]


def test_following_starts_again_where_a_job_runs_afresh(toy: ToyFarm, farm: Farm) -> None:
    toy.add("x", "running")
    toy.outputs[1] = "a long first try\n"

    def rerun() -> None:
        toy.outputs[1] = "second\n"

    toy.steps.extend([lambda: None, rerun, lambda: toy.end(1, "succeeded")])
    assert list(OutputFollower(farm, 1, FakeTime().pauses())) == ["a long first try\n", "second\n"]


def test_following_outlives_a_server_that_is_away(toy: ToyFarm) -> None:
    connection, transport = toy_connection(toy)
    toy.add("x", "running")
    toy.outputs[1] = "text"

    def end_and_go_away() -> None:
        toy.end(1, "succeeded")
        transport.troubles.extend([ConnectionRefusedError(), ConnectionRefusedError()])

    toy.steps.extend([lambda: None, end_and_go_away])
    assert list(OutputFollower(Farm(connection=connection), 1, FakeTime().pauses())) == ["text"]


def test_a_specification_travels_as_json_that_any_server_reads(toy: ToyFarm, farm: Farm) -> None:
    farm.submit({"name": "Überblick", "environment": {"A": "b"}})
    text = toy.called("newjob")[0][0]
    assert json.loads(text)["name"] == "Überblick"
    assert text.isascii()
