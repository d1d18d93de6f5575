"""`hq result`, `hq set-result` and results in the Python API over the farm's real methods (CONTRACT 10)."""

from __future__ import annotations

import io
from datetime import datetime

import pytest
from farm_kit import TestClient, submit
from hq_over_services import ServicesHq

from hqclient.errors import BadParameters, BadSpecification, Conflict, NotFound, TooLarge
from hqserver.services import results
from hqserver.services.farm import Farm


@pytest.fixture
def hq(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> ServicesHq:
    for name in ("JOBID", "HQ_RUN_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return ServicesHq(farm)


def test_a_result_is_left_and_printed(hq: ServicesHq, farm: Farm) -> None:
    job = submit(farm, command="x")
    assert hq("result", str(job)).json is None
    said = hq("set-result", "--job", str(job), '{"frames": [1, 2.5, null], "text": "née"}')
    assert (said.code, said.out, said.err) == (0, "", "")
    assert hq("result", str(job)).json == {"frames": [1, 2.5, None], "text": "née"}
    assert hq("--json", "result", str(job)).out == hq("result", str(job)).out
    assert hq("set-result", "--job", str(job), "null").code == 0
    assert hq("result", str(job)).json is None


@pytest.mark.parametrize("words", [[], ["-"]])
def test_a_result_is_read_from_standard_input(
    hq: ServicesHq, farm: Farm, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    job = submit(farm, command="x")
    monkeypatch.setattr("sys.stdin", io.StringIO("[1]\n"))
    assert hq("set-result", "--job", str(job), *words).code == 0
    assert results.get(farm, job) == [1]


def test_a_command_leaves_the_result_of_its_own_job_as_its_own_run(
    hq: ServicesHq, farm: Farm, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, other = submit(farm, command="x"), submit(farm, command="y")
    run = next(order["run"] for order in client.fetch() if order["job"] == job)
    monkeypatch.setenv("JOBID", str(job))
    monkeypatch.setenv("HQ_RUN_TOKEN", run)
    assert hq("set-result", "1").code == 0
    assert hq("set-result", "--job", str(other), "2").code == 0
    client.beat(client.ended(run))
    for words in (["set-result", "3"], ["set-result", "--job", str(job), "3"]):
        said = hq(*words)
        assert (said.code, "owns its work no more" in said.err) == (3, True)
    assert [results.get(farm, each) for each in (job, other)] == [1, 2]
    monkeypatch.delenv("HQ_RUN_TOKEN")
    assert hq("set-result", "4").code == 0
    assert results.get(farm, job) == 4


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["result"], 2, "required: JOB"),
        (["result", "9"], 3, "there is no job 9"),
        (["set-result", "1"], 2, "name the job with --job"),
        (["set-result", "--job", "1", "{a: 1}"], 2, "not JSON: Expecting property name"),
        (["set-result", "--job", "1", "[NaN]"], 2, "not JSON: NaN is no number of JSON"),
        (["set-result", "--job", "1", "[" * 20_000], 2, "not JSON"),
        (["set-result", "--job", "9", "1"], 3, "there is no job 9"),
        (["set-result", "--job", "1", "[99999999999999999]"], 3, "cannot travel by XML-RPC"),
        (["set-result", "--job", "1", '{"a": "\\u0000"}'], 3, "U+0000"),
        (["set-result", "--job", "1", "[" * 51 + "]" * 51], 3, "nested deeper than 50 levels"),
    ],
)
def test_a_wrong_word_is_one_sentence(hq: ServicesHq, farm: Farm, argv: list[str], code: int, words: str) -> None:
    submit(farm, command="x")
    said = hq(*argv)
    assert words in said.err
    assert (said.code, said.out, said.err.count("\n")) == (code, "", 1)


def test_a_jobid_that_is_none_is_said(hq: ServicesHq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBID", "x\x1b")
    said = hq("set-result", "1")
    assert (said.code, "$JOBID is 'x\\x1b', which is not an id" in said.err) == (2, True)


def test_the_python_api_leaves_and_reads_results(hq: ServicesHq, farm: Farm, client: TestClient) -> None:
    job = hq.farm.job(submit(farm, command="x"))
    assert job.result is None
    left = {"bytes": 12_345_678_901, "range": (1, 2), "least": -(2**31), "ok": True, "nothing": None}
    job.set_result(left)
    assert job.result == left | {"range": [1, 2]}
    assert job.refresh("hasResult")["hasResult"] is True
    (order,) = client.fetch()
    job.set_result("of the run", order["run"])
    client.beat(client.ended(order["run"]))
    with pytest.raises(Conflict):
        job.set_result("late", order["run"])
    with pytest.raises(BadSpecification, match=r"result\[0\] is a time"):
        job.set_result([datetime(2026, 1, 1)])  # noqa: DTZ001  # what a script would send
    with pytest.raises(BadParameters, match="cannot travel"):
        job.set_result({1: 2})
    with pytest.raises(TooLarge):
        job.set_result("x" * 2**20)
    assert job.result == "of the run"
    with pytest.raises(NotFound):
        _ = hq.farm.job(99).result
