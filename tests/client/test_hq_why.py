"""`hq why`, and the same of the Python API: why a job does not run, for a person (CONTRACT 10, Why)."""

from __future__ import annotations

import json

from farm_kit import TestClient, submit
from hq_over_services import ServicesHq
from scheduling_kit import end, passes, run_of, several

from hqserver.services.clients import client_control
from hqserver.services.farm import Farm


def why(farm_hq: ServicesHq, job: int) -> list[str]:
    said = farm_hq("why", str(job))
    assert (said.code, said.err) == (0, "")
    return said.out.splitlines()


def test_it_prints_the_summary_the_reasons_and_what_would_change_them(
    farm: Farm, client: TestClient, farm_hq: ServicesHq
) -> None:
    job = submit(farm, name="comp", command="x", cpus=8)
    assert why(farm_hq, job) == [
        "Job 1  comp  runnable",
        "  Waiting: alpha has 2 CPUs, the job needs 8",
        "",
        "The job",
        "  ok  registered: a client of the farm wanted, found 1",
        "  no  clients: a client that can run it wanted, found none of 1, as they are set up now",
        "",
        "1 client, of which none would take it now",
        "  1 client  cpus: 8 wanted, found 2",
        "            alpha",
        "",
        "What would change it",
        "  clients: change what keeps clients from it: their own reasons say what it is",
        "  cpus: let it ask for 2 or fewer: hq modify 1 --set cpus=2 (modifyJobs)",
    ]


def test_many_clients_are_put_together_by_what_keeps_them(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    several(farm, " ".join(f"node{number:02}" for number in range(40)), cpus=4)
    several(farm, "big0 big1", cpus=16)
    for number in range(5):
        client_control.set_disabled(farm, f"node{number:02}", True)
    lines = why(farm_hq, submit(farm, command="x", cpus=8))
    assert lines[-len(lines) :][lines.index("43 clients, of which 2 would take it now") :][:10] == [
        "43 clients, of which 2 would take it now",
        "  35 clients  cpus: 8 wanted, found 4",
        "              node05, node06, node07, node08, node09, node10 and 29 more",
        "  5 clients   enabled: enabled wanted, found disabled",
        "              cpus: 8 wanted, found 4",
        "              node00, node01, node02, node03, node04",
        "  2 clients   would take it, in this order",
        "              big0, big1",
        "  1 client    cpus: 8 wanted, found 2",
        "              alpha",
    ]
    assert [line for line in lines if line.startswith("  cpus: ")] == [
        "  cpus: let it ask for 4 or fewer: hq modify 1 --set cpus=4 (modifyJobs)"
    ], "a remedy is told once for each requirement"


def test_of_very_different_clients_the_rest_is_counted(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    for number in range(20):
        several(farm, f"node{number:02}", cpus=number + 3)
    lines = why(farm_hq, submit(farm, command="x", cpus=99))
    assert "  and 9 clients with 9 other sets of reasons: hq --json why" in lines


def test_a_job_that_runs_or_has_ended_says_so(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    job = submit(farm, name="x", command="x")
    passes(farm)
    client.beat(client.started(run_of(farm, job)))
    assert why(farm_hq, job) == ["Job 1  x  running", "  it runs on alpha"]
    end(client, job)
    lines = why(farm_hq, job)
    assert lines[1].startswith("  it has ended: succeeded")
    assert lines[-1] == "  unfinished: hq retry 1 (rescheduleJobs)"


def test_programs_get_the_whole_answer(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    job = submit(farm, command="x", cpus=8)
    found = json.loads(farm_hq("--json", "why", str(job)).out)
    assert found == farm_hq.farm.job(job).explain()
    assert found["summary"] == "alpha has 2 CPUs, the job needs 8"


def test_a_job_that_does_not_exist_is_refused(farm_hq: ServicesHq) -> None:
    said = farm_hq("why", "99")
    assert (said.code, "there is no job 99" in said.err) == (3, True)


def test_what_strangers_wrote_cannot_move_the_cursor(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    job = submit(farm, name="a\x1b[31mb", command="x", resources={"c\x1b[31md": 1})
    assert "\x1b" not in farm_hq("why", str(job)).out


def test_the_python_api_gives_both_orders(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    jobs = [submit(farm, command="x") for _ in range(3)]
    assert [each["label"] for each in farm_hq.farm.job(jobs[0]).client_order] == ["alpha"]
    assert farm_hq.farm.client("alpha").job_order() == jobs
    assert farm_hq.farm.client("alpha").job_order(1, 1) == jobs[1:2]
