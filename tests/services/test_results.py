"""Results: what a job leaves for others, who may leave it, and how long it stays (CONTRACT 10)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, restarted, submit

from hqserver.domain import kept
from hqserver.domain.errors import Conflict, DiskFull, FarmError, NotFound, TooLarge
from hqserver.domain.result import LARGEST_RESULT
from hqserver.services import results
from hqserver.services.care import upkeep
from hqserver.services.control import changing, commands, deletion
from hqserver.services.farm import Farm
from hqserver.services.intake import exports, imports
from hqserver.services.queries import lookup


def rows(farm: Farm) -> int:
    with farm.database.read() as connection:
        return int(connection.execute("SELECT count(*) FROM job_result").fetchone()[0])


def have(farm: Farm, *job_ids: int) -> list[bool]:
    return [each["hasResult"] for each in lookup.job_details(farm, job_ids, ["hasResult"])]


def test_a_result_is_kept_replaced_and_taken_away(farm: Farm, clock: SetClock) -> None:
    job, other = submit(farm, command="x"), submit(farm, command="y")
    assert results.get(farm, job) is None
    clock.advance(5)
    results.put(farm, job, {"frames": [1, 2.5, None, True], "text": "née"}, None)
    assert results.get(farm, job) == {"frames": [1, 2.5, None, True], "text": "née"}
    assert results.get(farm, other) is None
    assert have(farm, job, other) == [True, False]
    changed = lookup.job_details(farm, [job, other], ["updatedTime"])
    assert (changed[0]["updatedTime"] - changed[1]["updatedTime"]).total_seconds() == 5
    results.put(farm, job, "done", None)
    assert results.get(farm, job) == "done"
    results.put(farm, job, None, None)
    assert results.get(farm, job) is None
    assert rows(farm) == 0


@pytest.mark.parametrize("value", [False, 0, "", [], {}])
def test_what_is_nothing_much_is_a_result_too(farm: Farm, value: Any) -> None:
    job = submit(farm, command="x")
    results.put(farm, job, value, None)
    assert results.get(farm, job) == value
    assert have(farm, job) == [True]


def test_a_job_that_does_not_exist_has_none(farm: Farm) -> None:
    for call in (lambda: results.get(farm, 9), lambda: results.put(farm, 9, 1, None)):
        with pytest.raises(NotFound, match="there is no job 9"):
            call()


def test_a_restart_keeps_results(farm: Farm, clock: SetClock, asked: Asked) -> None:
    job = submit(farm, command="x")
    results.put(farm, job, [1], None)
    with restarted(farm, clock, asked) as again:
        assert results.get(again, job) == [1]


def test_a_run_leaves_a_result_as_long_as_it_owns_the_work(farm: Farm, client: TestClient) -> None:
    """P4: only the owner's result counts."""
    job, other = submit(farm, command="x"), submit(farm, command="y")
    run = next(order["run"] for order in client.fetch() if order["job"] == job)
    results.put(farm, job, "of the run", run)
    with pytest.raises(Conflict, match=f"is no run of job {other}"):
        results.put(farm, other, "stray", run)
    with pytest.raises(Conflict, match=r"'nonsense' is no run of job"):
        results.put(farm, job, "stray", "nonsense")
    client.beat(client.ended(run))
    with pytest.raises(Conflict, match=f"run {run} of job {job} is succeeded and owns its work no more"):
        results.put(farm, job, "late", run)
    with pytest.raises(Conflict):
        results.put(farm, job, None, run)
    assert results.get(farm, job) == "of the run"
    results.put(farm, job, "by hand", None)
    assert results.get(farm, job) == "by hand"


def test_a_run_whose_work_another_took_over_leaves_nothing(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """T12: a superseded run cannot overwrite what its successor left."""
    job = submit(farm, command="x")
    (order,) = client.fetch()
    old = order["run"]
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    results.put(farm, job, "of a lost run, which owns the work until another has it", old)
    beta = TestClient(farm, hostname="beta", boot_id="boot-2")
    beta.register()
    beta.beat()
    (order,) = beta.fetch()
    with pytest.raises(Conflict, match="superseded"):
        results.put(farm, job, "late", old)
    results.put(farm, job, "of the owner", order["run"])
    assert results.get(farm, job) == "of the owner"


def test_a_try_finds_what_the_one_before_it_left(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", triesLeft=1)
    (order,) = client.fetch()
    results.put(farm, job, {"reached": 17}, order["run"])
    client.beat(client.ended(order["run"], 1))
    (order,) = client.fetch()
    assert results.get(farm, job) == {"reached": 17}
    client.beat(client.ended(order["run"], 1))
    assert results.get(farm, job) == {"reached": 17}, "a job that failed keeps it for people to look at"


@pytest.mark.parametrize("action", ["rerun", "retry", "requeue", "reschedule"])
def test_a_job_that_somebody_has_done_again_forgets_its_result(farm: Farm, client: TestClient, action: str) -> None:
    job = submit(farm, command="x")
    client.run_all(1)
    results.put(farm, job, 1, None)
    if action == "reschedule":
        commands.reschedule(farm, [job], "test")
    else:
        changing.change_jobs(farm, [job], action, {}, "test")
    assert results.get(farm, job) is None


def test_a_retry_that_keeps_work_keeps_the_result(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", agenda="1-2")
    first, second = client.fetch()
    client.beat(client.ended(first["run"]), client.ended(second["run"], 1))
    results.put(farm, job, {"1": "good"}, None)
    changing.change_jobs(farm, [job], "retry", {}, "test")
    assert results.get(farm, job) == {"1": "good"}
    client.run_all()
    changing.change_jobs(farm, [job], "rerun", {}, "test")
    assert results.get(farm, job) is None


def test_a_result_goes_with_its_job(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    client.run_all()
    results.put(farm, job, 1, None)
    deletion.delete(farm, [job])
    assert rows(farm) == 0


def test_a_full_disk_takes_no_results(farm: Farm) -> None:
    """P12."""
    job = submit(farm, command="x")
    results.put(farm, job, 1, None)
    farm.database.room.full = True
    with pytest.raises(DiskFull):
        results.put(farm, job, 2, None)
    assert results.get(farm, job) == 1
    results.put(farm, job, None, None)
    farm.database.room.full = False
    assert results.get(farm, job) is None


# Exported and imported -----------------------------------------------------------------------------------------------


def test_results_are_exported_and_imported(farm: Farm, client: TestClient) -> None:
    done, plain, waiting = submit(farm, command="x"), submit(farm, command="y"), submit(farm, command="z", cpus=8)
    client.run_all()
    left = {"deep": [{"a": [None, 2**53, -0.5, "\x1b[2J née"]}]}
    results.put(farm, done, left, None)
    results.put(farm, waiting, [], None)
    document = exports.export_jobs(farm, [done, plain, waiting])
    assert [job.get("result", "none") for job in json.loads(document)["jobs"]] == [left, "none", []]
    commands.cancel(farm, [waiting], "test")
    deletion.delete(farm, [done, plain, waiting])
    ids = [pair["id"] for pair in imports.import_jobs(farm, document)]
    assert [results.get(farm, job_id) for job_id in ids] == [left, None, []]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ([[1, {"a": float("nan")}]], r"jobs\[0\]\.result\[0\]\[1\]\.a must be a finite number"),
        ({"a": "\ud800"}, r"jobs\[0\]\.result\.a must not hold half of a surrogate pair"),
        ({"a\0": 1}, r"jobs\[0\]\.result must not hold a NUL"),
        ("x" * LARGEST_RESULT, r"jobs\[0\]\.result has more than 1048576 bytes"),
    ],
)
def test_an_import_refuses_what_is_no_result(farm: Farm, result: Any, words: str) -> None:
    job = {"id": 7, "status": "succeeded", "queueTime": 1.0, "specification": {"name": "x"}, "result": result}
    with pytest.raises(FarmError, match=words):
        imports.import_jobs(farm, json.dumps({"version": 1, "jobs": [job]}))
    assert rows(farm) == 0


def test_results_that_no_document_holds_together_are_exported_in_parts(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [submit(farm, command="x") for _ in range(2)]
    for job in ids:
        results.put(farm, job, "x" * 60, None)
    whole = exports.export_jobs(farm, ids)
    for module in (exports, kept):
        monkeypatch.setattr(module, "MOST_IN_RESULTS", 100)
    with pytest.raises(TooLarge, match="export them in parts"):
        exports.export_jobs(farm, ids)
    with pytest.raises(TooLarge, match="the results in the document"):
        imports.import_jobs(farm, whole)
    assert exports.export_jobs(farm, ids[:1])
