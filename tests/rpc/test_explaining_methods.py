"""`explainJob`, `getClientOrder` and `getJobOrder` over the wire (CONTRACT 10, Why)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import TestClient, submit
from rpc_kit import refused
from scheduling_kit import another

from hqserver.services.clients import client_control
from hqserver.services.farm import Farm


def test_an_explanation_is_a_summary_the_jobs_reasons_and_those_of_every_client(
    hq: Any, farm: Farm, client: TestClient
) -> None:
    beta = another(farm, "beta", cpus=4)
    client_control.set_disabled(farm, "alpha", True)
    job = submit(farm, command="x", cpus=4)
    found = hq.explainJob(job)
    assert set(found) == {"summary", "job", "clients"}
    assert found["summary"] == hq.getJob(job, ["waitingFor"])["waitingFor"] == "its turn"
    assert [(each["requirement"], each["holds"]) for each in found["job"]] == [
        *(("registered", True), ("clients", True), ("freeClients", True), ("order", True)),
    ]
    first, second = found["clients"]
    assert (first["client"], first["id"], first["eligible"]) == ("beta", beta.id, True)
    assert (second["client"], second["id"], second["eligible"]) == ("alpha", client.id, False)
    assert [reason for reason in second["reasons"] if not reason["holds"]] == [
        {
            "requirement": "enabled",
            "wanted": "enabled",
            "found": "disabled",
            "holds": False,
            "remedy": "hq enable alpha (setdisabled)",
        },
        {
            "requirement": "cpus",
            "wanted": "4",
            "found": "2",
            "holds": False,
            "remedy": f"let it ask for 2 or fewer: hq modify {job} --set cpus=2 (modifyJobs)",
        },
    ]
    assert [reason["requirement"] for reason in first["reasons"]] == [
        *("registered", "enabled", "heartbeat", "accepting", "healthy", "ending", "confirmed"),
        *("availability", "trial", "dispatch", "cpus", "freeCpus"),
    ]


def test_the_order_of_clients_names_them_as_jobs_do(hq: Any, farm: Farm, client: TestClient) -> None:
    """9.14"""
    job = submit(farm, command="x")
    assert hq.getClientOrder(str(job)) == [
        {"id": client.id, "hostname": "alpha", "name": "", "label": "alpha", "ip": "127.0.0.1"}
    ]


def test_the_order_of_jobs_comes_page_by_page(hq: Any, farm: Farm, client: TestClient) -> None:
    jobs = [submit(farm, command="x") for _ in range(5)]
    assert hq.getJobOrder(client.id) == jobs
    assert hq.getJobOrder(client.id, 2) == jobs[:2]
    assert hq.getJobOrder(client.id, 2, 4) == jobs[4:]
    assert hq.getJobOrder(client.id, None, "") == jobs, "None and empty text are not given"


@pytest.mark.parametrize(
    ("method", "arguments", "code", "says"),
    [
        ("explainJob", (99,), 404, "there is no job 99"),
        ("getClientOrder", (99,), 404, "there is no job 99"),
        ("getJobOrder", (99,), 404, "there is no client 99"),
        ("getJobOrder", (1, 0), -32602, "limit must be from 1 to 10000, not 0"),
        ("getJobOrder", (1, 5, -1), -32602, "offset must be 0 or more, not -1"),
    ],
)
def test_what_makes_no_sense_is_a_fault(
    hq: Any, client: TestClient, method: str, arguments: tuple[int, ...], code: int, says: str
) -> None:
    fault = refused(getattr(hq, method), *arguments)
    assert (fault.faultCode, says in fault.faultString) == (code, True), fault.faultString
