"""What jobs and clients are told through the Python API, over the farm's real methods."""

from __future__ import annotations

import pytest
from farm_kit import TestClient
from hq_over_services import ServicesHq

from hqclient.errors import BadParameters, NotFound, WaitTimedOut
from hqclient.farm import Client, Farm


@pytest.fixture
def api(farm_hq: ServicesHq) -> Farm:
    return farm_hq.farm


def test_a_job_is_paused_resumed_and_rescheduled(api: Farm, client: TestClient) -> None:
    job = api.submit({"name": "x", "command": "x"})
    job.pause()
    assert (job.status, job.finished) == ("paused", False)
    with pytest.raises(WaitTimedOut, match=f"job {job.id} is paused"):
        job.wait(timeout_seconds=0)
    job.resume()
    assert job.status == "runnable"
    client.run_all()
    job.reschedule()
    assert job.status == "runnable"


def test_a_job_is_ejected_and_deleted(api: Farm, client: TestClient) -> None:
    job = api.submit({"name": "x", "command": "x"})
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    job.eject()
    answer = client.beat(client.ended(order["run"], killed=True))
    assert job.status in ("runnable", "running"), answer
    job.cancel()
    client.beat()
    done = api.submit({"name": "nothing"})
    done.delete()
    with pytest.raises(NotFound):
        done.refresh()


def test_a_jobs_priority_is_read_and_set(api: Farm) -> None:
    job = api.submit({"name": "x", "command": "x", "priority": 2})
    job.priority = 8
    assert job.priority == 8
    with pytest.raises(BadParameters):
        job.priority = -1


def test_a_job_permits_clients(api: Farm, farm_hq: ServicesHq) -> None:
    TestClient(farm_hq.services, hostname="beta").register()
    job = api.submit({"name": "x", "command": "x"})
    assert job.permitted_clients == ["alpha", "beta"]
    job.permit("beta")
    assert job.permitted_clients == ["beta"]
    with pytest.raises(BadParameters):
        job.permit()


def test_a_client_is_told_things_by_name(api: Farm) -> None:
    alpha = api.client("alpha")
    alpha.disable()
    alpha.describe("in room 7")
    alpha.set_availability("weekdays 18:00-08:00")
    alpha.note("fan is loud")
    assert (alpha["disabled"], alpha["description"], alpha["latestNote"]) == (True, "in room 7", "fan is loud")
    assert alpha["availabilityRules"][0]["start"] == "18:00"
    alpha.enable()
    alpha.set_availability([{"days": [0]}])
    assert alpha.refresh("disabled", "availabilityRules")["disabled"] is False
    assert alpha["availabilityRules"][0]["days"] == [0]
    with pytest.raises(BadParameters, match="did you mean 'weekdays'"):
        alpha.set_availability("weekdas")


@pytest.mark.parametrize(("verb", "wanted"), [("upgrade", "upgrade"), ("restart", "restart"), ("remove", "end")])
def test_a_client_is_asked_for_something(api: Farm, verb: str, wanted: str) -> None:
    alpha = api.client("alpha")
    getattr(alpha, verb)()
    assert alpha["wanted"] == wanted


def test_a_client_that_does_not_exist_is_not_found_when_it_is_used(api: Farm) -> None:
    nobody = api.client("alhpa")
    for use in (nobody.disable, nobody.restart, lambda: nobody["cpus"], lambda: nobody.attributes):
        with pytest.raises(NotFound, match="did you mean 'alpha'"):
            use()


def test_clients_of_one_name_are_equal(api: Farm) -> None:
    assert api.client("alpha") == Client(api, "alpha") != api.client("beta")
    assert len({api.client("alpha"), api.client("alpha")}) == 1
    assert api.client("alpha").attributes["cpus"] == 2


def test_groups_resources_and_folders_are_dictionaries(api: Farm) -> None:
    api.call("createClientGroup", "GPU")
    assert [group["name"] for group in api.groups()] == ["GPU"]
    assert api.resources()[0]["name"] == "sidefx.license.houdini"
    assert [folder["name"] for folder in api.network_folders()] == ["HQROOT"]
