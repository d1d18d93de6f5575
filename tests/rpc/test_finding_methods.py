"""`findJobs`, `countJobs` and `findClients` over the real XML (CONTRACT 10, Finding)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from farm_kit import SetClock, TestClient
from rpc_kit import refused

from hqserver.services.clients import groups
from hqserver.services.control import commands
from hqserver.services.farm import Farm


def ids(hq: Any, wanted: dict[str, Any], *further: Any) -> list[int]:
    return [job["id"] for job in hq.findJobs(wanted, ["id"], *further)["jobs"]]


@pytest.fixture
def jobs(hq: Any, client: TestClient, clock: SetClock) -> list[int]:
    """A job that succeeded, one that failed, and two unfinished ones of which the second is the first's child."""
    first = hq.newjob({"name": "Shot 1", "command": "true", "submittedBy": "ana", "tags": ["wip"]})
    client.run_all()
    clock.advance(60)
    client.beat()
    second = hq.newjob({"name": "shot 2", "command": "x", "properties": {"film": "Ape"}, "description": "of the ape"})
    client.run_all(1)
    clock.advance(60)
    client.beat()
    child = {"name": "reel", "command": "x", "uuid": "4c1d", "priority": 9}
    return [*first, *second, *hq.newjob({"name": "film", "command": "x", "children": [child]})]


def test_jobs_come_as_getjobs_gives_them_newest_first(hq: Any, jobs: list[int]) -> None:
    found = hq.findJobs()
    assert [job["id"] for job in found["jobs"]] == jobs[::-1]
    assert found["jobs"] == hq.getJobs(jobs[::-1])
    assert (found["next"], found["total"]) == (None, 4)
    assert hq.findJobs({}, ["name"], ["name"])["jobs"][0] == {"id": jobs[0], "name": "Shot 1"}


def test_every_kind_of_value_is_taken_as_scripts_send_it(hq: Any, jobs: list[int], client: TestClient) -> None:
    first, second, film, reel = jobs
    assert ids(hq, {"status": "failed, cancelled"}) == ids(hq, {"status": ["failed"]}) == [second]
    assert ids(hq, {"ids": str(first)}) == ids(hq, {"ids": [str(first), ""]}) == [first]
    assert ids(hq, {"priority": "9"}) == ids(hq, {"uuids": "4c1d"}) == ids(hq, {"parent": film}) == [reel]
    assert ids(hq, {"root": film, "rootsOnly": 1}) == [film]
    assert ids(hq, {"tags": "wip"}) == ids(hq, {"submittedBy": "ana"}) == [first]
    assert ids(hq, {"properties": {"film": "Ape"}}) == ids(hq, {"text": "THE APE"}) == [second]
    assert ids(hq, {"client": client.hostname}) == ids(hq, {"client": client.id}) == [second, first]
    assert ids(hq, {"name": "?hot *", "status": None, "text": ""}) == [second, first]
    assert ids(hq, {"ids": []}) == ids(hq, {"status": []}) == []


def test_times_are_datetimes_or_text(hq: Any, jobs: list[int]) -> None:
    at = datetime(2023, 11, 14, 22, 14, 20)  # noqa: DTZ001  # naive UTC, as on the wire
    assert ids(hq, {"since": at}) == ids(hq, {"since": "20231114T22:14:20"}) == jobs[:0:-1]
    assert ids(hq, {"before": "2023-11-14T23:14:20+01:00"}) == jobs[:1]
    assert ids(hq, {"activeSince": at}) == jobs[:0:-1]
    assert ids(hq, {"endedSince": at}) == jobs[1:2]


def test_pages_follow_each_other_though_jobs_are_submitted_meanwhile(hq: Any, jobs: list[int]) -> None:
    first = hq.findJobs({}, ["id"], [], 3)
    hq.newjob({"name": "later", "command": "x"})
    second = hq.findJobs({}, ["id"], [], 3, first["next"])
    assert [job["id"] for page in (first, second) for job in page["jobs"]] == jobs[::-1]
    assert (first["total"], second["next"]) == (4, None)


def test_counts_by_status_are_exact_and_follow_every_change(hq: Any, farm: Farm, jobs: list[int]) -> None:
    assert hq.countJobs() == {"count": 4, "more": False}
    assert hq.countJobs({"status": ["queued", "runnable"], "rootsOnly": True}) == {"count": 1, "more": False}
    commands.cancel(farm, jobs[2:], "no")
    assert hq.countJobs({"status": "cancelled"})["count"] == 2
    hq.deleteJobs(jobs)
    assert hq.countJobs()["count"] == 0
    assert hq.findJobs({"text": "shot"})["jobs"] == []


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (({"statsu": "failed"},), "filter: there is no key 'statsu'; did you mean 'status'?"),
        (
            ({"status": ["fialed"]},),
            "filter.status must name statuses of jobs ('fialed' is none; did you mean 'failed'?)",
        ),
        (({"since": "yesterday"},), "filter.since must be a time such as 2026-01-31T23:59:59"),
        (({"ids": "x"},), "filter.ids must be a list of job ids"),
        (({"properties": "x"},), "filter.properties must be a dictionary of texts"),
        (({"rootsOnly": 2},), "filter.rootsOnly must be true or false"),
        (({}, ["nmae"]), "attribs: there is no attribute 'nmae'; did you mean 'name'?"),
        (({}, [], ["-ednTime"]), "sort: jobs cannot be sorted by 'ednTime'; did you mean 'endTime'?"),
        (({}, [], [], 0), "limit must be from 1 to 1000, not 0"),
        (({}, [], [], 1001), "limit must be from 1 to 1000, not 1001"),
        (({}, [], [], 10, "x"), "after: this is not what `next` of an earlier page said"),
        (({}, [], [], 10, "W10"), "after: this is not what `next` of an earlier page said"),
        (({}, [], [], 10, "W1tb" * 1000), "after: this is not what `next` of an earlier page said"),
        (({}, [], [], 10, "bnVsbA"), "after: this is not what `next` of an earlier page said"),
    ],
)
def test_what_means_nothing_is_a_fault_that_names_the_place(
    hq: Any, jobs: list[int], parameters: tuple[Any, ...], sentence: str
) -> None:
    fault = refused(hq.findJobs, *parameters)
    assert fault.faultCode == -32602
    assert sentence in fault.faultString


def test_a_page_of_one_order_does_not_go_on_in_another(hq: Any, jobs: list[int]) -> None:
    following = hq.findJobs({}, ["id"], ["name"], 2)["next"]
    assert "was sorted by name, id" in refused(hq.findJobs, {}, ["id"], ["-name"], 2, following).faultString
    assert len(ids(hq, {}, ["name"], 2, following)) == 2


def test_clients_are_found_by_what_they_are(hq: Any, farm: Farm, client: TestClient) -> None:
    other = TestClient(farm, hostname="Beta", name="gpu", cpus=8, platform="windows-x86_64")
    other.register()
    other.beat()
    groups.add_client(farm, groups.create_group(farm, "farm"), other.id)
    hq.setClientDescription(other.id, "the fast one")
    hq.setdisabled("Beta:gpu", True)
    for wanted in (
        *({"name": "beta:*"}, {"name": "BETA"}, {"group": ["farm", "none"]}, {"platform": "win*"}, {"minCpus": 8}),
        *({"text": "FAST"}, {"disabled": True}, {"available": False}, {"ids": [other.id]}, {"ids": str(other.id)}),
    ):
        assert [found["id"] for found in hq.findClients(wanted, ["id"])] == [other.id], wanted
    assert hq.findClients({"available": True}, ["cpus"]) == [{"id": client.id, "hostname": "alpha", "cpus": 2}]
    assert [found["id"] for found in hq.findClients()] == [client.id, other.id]
    assert hq.findClients({"running": True}) == hq.findClients({"job": 1}) == []
    hq.newjob({"name": "x", "command": "x"})
    client.fetch()
    assert [found["id"] for found in hq.findClients({"job": [1], "running": True}, ["id"])] == [client.id]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"platfrom": "x"}, "filter: there is no key 'platfrom'; did you mean 'platform'?"),
        ({"available": "maybe"}, "filter.available must be true or false"),
    ],
)
def test_a_filter_of_clients_that_means_nothing_is_a_fault(hq: Any, wanted: dict[str, Any], sentence: str) -> None:
    fault = refused(hq.findClients, wanted)
    assert (fault.faultCode, sentence in fault.faultString) == (-32602, True)
