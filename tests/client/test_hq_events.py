"""`hq events` and `hq runs`, over the farm's real methods."""

from __future__ import annotations

import json
import re

import pytest
from farm_kit import TestClient, submit
from hq_over_services import ServicesHq

from hqclient.cli.exits import Exit
from hqserver.domain.run import RunEnd
from hqserver.services.control import changing
from hqserver.services.farm import Farm
from hqserver.services.work.reports import ENDED, Report


def test_events_tells_what_happened_a_line_each(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    job = submit(farm, command="render", agenda="7")
    client.run_all()
    said = farm_hq("events", "--job", str(job))
    assert said.code == Exit.OK
    told = [re.sub(r"^\S+ \S+ +", "", line) for line in said.out.splitlines()]
    assert told[0].split() == ["job", str(job), "runnable", "submitted"]
    assert told[1].split(maxsplit=9)[:8] == ["job", str(job), "work", "7", "runnable", "→", "running", "on"]
    assert told[-1].split()[:5] == ["job", str(job), "running", "→", "succeeded"]
    assert "client alpha" in farm_hq("events").out


def test_events_are_the_newest_unless_told_otherwise(farm: Farm, farm_hq: ServicesHq) -> None:
    jobs = [submit(farm, command="x") for _ in range(5)]
    two = farm_hq("--json", "events", "--last", "2", "--kind", "job").out.splitlines()
    assert [json.loads(line)["job"] for line in two] == jobs[-2:]
    first = json.loads(farm_hq("--json", "events", "--after", "0", "--kind", "job").out.splitlines()[0])
    assert (first["job"], first["time"]) == (jobs[0], "2023-11-14T22:13:20Z")
    after = farm_hq("--json", "events", "--after", str(first["id"]), "--kind", "job").out.splitlines()
    assert [json.loads(line)["job"] for line in after] == jobs[1:]
    assert farm_hq("events", "--last", "0").out == ""


def test_events_of_a_tree_are_had_by_its_root(farm: Farm, farm_hq: ServicesHq) -> None:
    submit(farm, command="x")
    root = submit(farm, command="x", children=[{"name": "child", "command": "x"}])
    lines = farm_hq("--json", "events", "--root", str(root)).out.splitlines()
    assert [json.loads(line)["job"] for line in lines] == [root, root + 1]


def test_events_that_are_not_kept_are_told_beside_the_others(farm: Farm, farm_hq: ServicesHq) -> None:
    job = submit(farm, command="x")
    said = farm_hq("events", "--after", "999")
    assert said.err == "hq: older events are not kept any more\n"
    assert f"job {job}" in said.out


def test_what_strangers_write_does_not_reach_the_terminal(farm: Farm, farm_hq: ServicesHq) -> None:
    job = submit(farm, command="x")
    changing.change_jobs(farm, [job], "block", {"reason": "\x1b[2J"}, "ada")
    assert "\x1b" not in farm_hq("events").out


@pytest.mark.parametrize(
    "words",
    [["--kind", "jobs"], ["--after", "0", "--last", "3"], ["--job", "x"], ["--after", "-3"]],
)
def test_events_that_make_no_sense_are_bad_usage(farm_hq: ServicesHq, words: list[str]) -> None:
    assert farm_hq("events", *words).code == Exit.USAGE


def test_runs_lists_each_try_with_how_it_ended(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    job = submit(farm, command="render", triesLeft=1)
    assert "has not been run" in farm_hq("runs", str(job)).err
    (order,) = client.fetch()
    end = RunEnd(exit_code=3, reason="exit code 3")
    client.beat(Report(f"{order['run']}:ended", order["run"], ENDED, started_ago=60.0, end=end))
    client.run_all()
    head, first, second = farm_hq("runs", str(job)).out.splitlines()
    assert head.split() == ["RUN", "WORK", "STATUS", "CLIENT", "TIME", "HOW"]
    assert order["run"] in first and "failed" in first and "exit code 3" in first
    assert "succeeded" in second and "exit code 0" in second
    (last,) = farm_hq("--json", "runs", str(job), "--last", "1").json
    assert last["status"] == "succeeded"
    assert farm_hq("runs", "999").code == Exit.REFUSED


def test_the_python_api_reads_and_changes_runs(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    (run,) = farm_hq.farm.job(job).runs()
    assert run["id"] == order["run"]
    assert farm_hq.farm.run_output(run["id"])["data"] == b""
    assert farm_hq.farm.change_runs([run["id"]], "suspend")[0]["now"] == "pausing"
