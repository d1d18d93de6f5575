"""`exportJobs` and `importJobs` over the wire (CONTRACT 10, Keeping)."""

from __future__ import annotations

import json
from typing import Any

from farm_kit import TestClient
from rpc_kit import refused


def test_jobs_go_and_come_back_over_the_wire(hq: Any, client: TestClient) -> None:
    """What XML cannot carry is carried all the same."""
    spec = {"name": "a", "command": "echo \x1b[1m", "properties": {"x": "y"}}
    (job,) = hq.newjob(json.dumps(spec))
    client.run_all()
    document = hq.exportJobs([job])
    hq.deleteJobs([job])
    ((found,),) = [hq.importJobs(document)]
    assert found["was"] == job
    assert json.loads(hq.exportJobs([found["id"]]))["jobs"][0]["specification"]["command"] == "echo \x1b[1m"
    assert hq.getJob(found["id"], ["status", "outcome"]) == {
        "id": found["id"],
        "status": "succeeded",
        "outcome": "imported",
    }


def test_a_document_is_taken_as_a_dictionary_too(hq: Any) -> None:
    (job,) = hq.newjob({"name": "a", "command": "x"})
    document = json.loads(hq.exportJobs([job]))
    fault = refused(hq.importJobs, document)
    assert (fault.faultCode, f"is that of job {job}" in fault.faultString) == (409, True)
    del document["jobs"][0]["specification"]["uuid"]
    (found,) = hq.importJobs(document)
    assert hq.getJob(found["id"], ["held", "status"]) == {"id": found["id"], "held": "block", "status": "paused"}


def test_faults_name_the_place(hq: Any) -> None:
    assert refused(hq.exportJobs, [7]).faultCode == 404
    fault = refused(hq.importJobs, {"version": 1, "jobs": [{"id": 1}]})
    assert (fault.faultCode, fault.faultString.startswith("jobs[0].")) == (400, True)
    assert refused(hq.importJobs, {}).faultCode == 400
    assert refused(hq.importJobs, {"version": 1, "jobs": []}, 5).faultCode == -32602


def test_an_empty_document_stores_nothing(hq: Any) -> None:
    assert hq.importJobs(hq.exportJobs([])) == []
