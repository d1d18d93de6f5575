"""What can be asked of jobs and clients (CONTRACT 1.3, 9.3, 9.4, 9.14)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from farm_kit import SetClock, TestClient, submit

from hqserver.domain.errors import BadParameters, NotFound, TooLarge
from hqserver.services.attributes import Attribute
from hqserver.services.care import upkeep
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.note_attributes import NOTE_ATTRIBUTES, THREAD_ATTRIBUTES
from hqserver.services.queries import lookup
from hqserver.services.queries.client_attributes import CLIENT_ATTRIBUTES
from hqserver.services.queries.job_attributes import JOB_ATTRIBUTES

JOB_KEYS = (
    "id name status uiStatus progress overallProgress ETA priority children parents clients clientsOnHold conditions "
    "tags cpus queueTime startTime endTime logs resources triesLeft waitingFor showBlockedClientsWarning threadId "
    "latestNote availabilityRules submittedBy description environment command"
)
CLIENT_KEYS = (
    "id hostname name label description ip platform cpus cpuSpeed memory load idleTime available disabled "
    "availabilityRules groups lastHeartbeat runningJobs needsUpgrade version threadId latestNote"
)
KINDS: dict[str, Any] = {
    "id": int,
    "name": str,
    "status": str,
    "uiStatus": str,
    "progress": float,
    "overallProgress": float,
    "ETA": float,
    "priority": int,
    "children": list,
    "parents": list,
    "clients": list,
    "clientsOnHold": list,
    "conditions": list,
    "tags": list,
    "cpus": int,
    "queueTime": datetime,
    "startTime": datetime | None,
    "endTime": datetime | None,
    "logs": list,
    "resources": dict | None,
    "triesLeft": int,
    "waitingFor": str,
    "showBlockedClientsWarning": bool,
    "threadId": int | None,
    "latestNote": str,
    "availabilityRules": list,
    "description": str,
    "submittedBy": str,
    "command": str | dict,
    "environment": dict,
    "properties": dict,
    "shell": str,
    "uuid": str,
    "root": int,
    "tasks": dict,
    "workCounts": dict,
    "outcome": str,
    "hasResult": bool,
    "held": str,
    "unconfirmed": list,
    "runnableTime": datetime | None,
    "commandStartTime": datetime | None,
    "commandEndTime": datetime | None,
    "updatedTime": datetime,
    "hooks": dict,
    "maxTime": int,
    "minTime": int,
    "maxSilence": int,
    "maxMemory": int,
    "failurePatterns": list,
    "lease": int,
    "splitOutput": bool,
    "agenda": str,
    "maxConcurrent": int,
    "emailTo": str,
    "emailReasons": list,
    "hosts": dict,
    "blockedClients": list,
}
CLIENT_KINDS: dict[str, Any] = {
    "id": int,
    "hostname": str,
    "name": str,
    "label": str,
    "description": str,
    "ip": str,
    "platform": str,
    "cpus": int,
    "cpuSpeed": int,
    "memory": int,
    "load": float,
    "idleTime": int,
    "available": bool,
    "disabled": bool,
    "availabilityRules": list,
    "groups": list,
    "lastHeartbeat": datetime,
    "runningJobs": list,
    "outside": bool,
    "needsUpgrade": bool,
    "version": str,
    "threadId": int | None,
    "latestNote": str,
    "memoryFree": int,
    "diskFree": int,
    "port": int,
    "unavailableBecause": str,
    "diskTotal": int,
    "location": str,
    "utcOffset": int,
    "wanted": str,
    "upgradeError": str,
    "sick": str,
}


@pytest.mark.parametrize("key", JOB_KEYS.split())
def test_every_job_attribute_of_the_contract_is_there(key: str) -> None:
    assert key in JOB_ATTRIBUTES


@pytest.mark.parametrize("key", CLIENT_KEYS.split())
def test_every_client_attribute_of_the_contract_is_there(key: str) -> None:
    assert key in CLIENT_ATTRIBUTES


def test_every_note_attribute_of_the_contract_is_there() -> None:
    assert {"clientHostname", "clientId", "clientLabel", "jobId", "notes"} <= set(THREAD_ATTRIBUTES)
    assert {"clientHostname", "clientId", "clientLabel", "date", "jobId", "text"} <= set(NOTE_ATTRIBUTES)


@pytest.mark.parametrize(
    "registry",
    [JOB_ATTRIBUTES, CLIENT_ATTRIBUTES, NOTE_ATTRIBUTES, THREAD_ATTRIBUTES],
    ids=["job", "client", "note", "thread"],
)
def test_every_attribute_says_what_it_is(registry: dict[str, Attribute]) -> None:
    for name, attribute in registry.items():
        assert attribute.name == name
        assert attribute.sentence.endswith(".")
        assert attribute.cost in ("row", "query")


# Jobs in every status ----------------------------------------------------------------------------------------------


def jobs_of_every_kind(farm: Farm, client: TestClient, clock: SetClock) -> dict[str, int]:
    """Job ids by what happened to them; the client runs one and loses none."""
    found = {"succeeded": submit(farm, command="true"), "failed": submit(farm, command="false")}
    one, two = client.fetch()
    client.beat(client.ended(one["run"]), client.ended(two["run"], 1))
    found["empty"] = submit(farm)
    found["cancelled"] = submit(farm, command="x")
    commands.cancel(farm, [found["cancelled"]], "gone")
    found["abandoned"] = submit(farm, command="x")
    for number in range(farm.policy.max_client_losses):
        victim = TestClient(farm, hostname=f"victim{number}", session=f"v{number}")
        victim.register()
        victim.beat()
        client.beat(accepting=False)
        victim.fetch()
        clock.advance(farm.policy.lost_seconds + 1)
        upkeep.notice_silence(farm)
    found["unconfirmed"] = submit(farm, command="x")
    client.beat()
    (order,) = client.fetch()
    commands.cancel(farm, [found["unconfirmed"]], "gone")
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)
    client.beat(client.ended(order["run"], killed=True))
    found["running"] = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    found["ending"] = submit(farm, command="x")
    client.fetch()
    commands.cancel(farm, [found["ending"]], "gone")
    found["runnable"] = submit(farm, command="x", cpus=2)
    found["queued"], _ = submission.submit(
        farm, {"name": "p", "command": {"linux": "x"}, "children": [{"name": "c", "command": "y", "cpus": 2}]}
    )
    return found


def test_every_attribute_can_be_read_of_jobs_in_every_status(farm: Farm, client: TestClient, clock: SetClock) -> None:
    found = jobs_of_every_kind(farm, client, clock)
    details = dict(zip(found, lookup.job_details(farm, list(found.values()), None), strict=True))
    statuses = {kind: each["status"] for kind, each in details.items()}
    assert statuses == {
        **{kind: kind for kind in found},
        "empty": "succeeded",
        "unconfirmed": "cancelled",
        "ending": "running",
    }
    assert {name for each in details.values() for name in each} == set(KINDS) == set(JOB_ATTRIBUTES)
    for kind, each in details.items():
        for name, value in each.items():
            assert isinstance(value, KINDS[name]), (kind, name)
        assert isinstance(value, bool) is (KINDS[name] is bool)
        assert each["endTime"] is None or each["endTime"].utcoffset() is not None
        assert (each["endTime"] is None) is (each["status"] not in ("succeeded", "failed", "cancelled", "abandoned"))
    assert {kind: each["outcome"] for kind, each in details.items() if each["outcome"]} == {
        "succeeded": "exit",
        "empty": "empty",
    }


def test_why_a_job_waits_is_told_by_the_schedulers_own_rules(farm: Farm, client: TestClient, clock: SetClock) -> None:
    found = jobs_of_every_kind(farm, client, clock)
    reasons = {kind: lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"] for kind, job in found.items()}
    waiting = {kind: reason for kind, reason in reasons.items() if reason}
    assert waiting == {
        "ending": "ending on alpha",
        "runnable": "2 free CPUs on alpha",
        "queued": "1 of 1 children to end",
    }


def test_of_a_farm_without_clients_a_job_waits_for_one(farm: Farm) -> None:
    job = submit(farm, command="x")
    assert lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"] == "no client is registered with the farm"


def test_a_job_that_fits_waits_its_turn(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    assert lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"] == "its turn"


def test_the_times_of_a_job_are_those_of_its_command(farm: Farm, client: TestClient, clock: SetClock) -> None:
    parent, child = submission.submit(farm, {"name": "p", "command": "p", "children": [{"name": "c", "command": "c"}]})
    submitted = clock.now()
    clock.advance(10)
    (order,) = client.fetch()
    clock.advance(10)
    client.beat(client.started(order["run"], ago=2.0))
    clock.advance(30)
    client.beat(client.ended(order["run"], seconds=32.0))
    found = lookup.job_detail(farm, child, None)
    assert found["queueTime"].timestamp() == submitted
    assert found["startTime"].timestamp() == found["commandStartTime"].timestamp() == submitted + 18
    assert found["endTime"].timestamp() == found["commandEndTime"].timestamp() == submitted + 50
    above = lookup.job_detail(farm, parent, ["startTime", "commandStartTime", "runnableTime"])
    assert above["startTime"].timestamp() == submitted + 18, "the start of a descendant is its own"
    assert above["commandStartTime"] is None
    assert above["runnableTime"].timestamp() == submitted + 50


# Asking --------------------------------------------------------------------------------------------------------------


def test_only_what_was_asked_for_is_answered_and_always_the_id(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    assert lookup.job_details(farm, [job], ["status"]) == [{"id": job, "status": "runnable"}]
    assert lookup.job_details(farm, [job], []) == [{"id": job}]
    assert lookup.client_details(farm, None, ["cpus"]) == [{"id": client.id, "hostname": "alpha", "cpus": 2}]


def test_what_nobody_asked_for_is_not_computed(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    job = submit(farm)

    def never(*_: object) -> list[object]:
        raise AssertionError("this was not asked for")

    for name, attribute in list(JOB_ATTRIBUTES.items()):
        if name not in ("id", "status"):
            monkeypatch.setitem(JOB_ATTRIBUTES, name, Attribute(name, attribute.sentence, never))
    assert lookup.job_details(farm, [job], ["status"]) == [{"id": job, "status": "succeeded"}]


def test_jobs_come_in_the_order_asked_for_and_unknown_ones_are_left_out(farm: Farm) -> None:
    one, two = submit(farm), submit(farm)
    found = lookup.job_details(farm, [two, 99, one, two], ["name"])
    assert [each["id"] for each in found] == [two, one, two]


def test_a_single_job_or_client_that_is_not_there_is_not_found(farm: Farm) -> None:
    with pytest.raises(NotFound, match="there is no job 99"):
        lookup.job_detail(farm, 99, ["status"])
    with pytest.raises(NotFound, match="there is no client 99"):
        lookup.client_detail(farm, 99, None)


def test_clients_that_are_asked_for_come_in_that_order(farm: Farm, client: TestClient) -> None:
    beta = TestClient(farm, hostname="beta", session="b")
    beta.register()
    found = lookup.client_details(farm, [beta.id, 99, client.id], [])
    assert [each["hostname"] for each in found] == ["beta", "alpha"]


def test_an_unknown_attribute_is_refused_with_the_near_match(farm: Farm, client: TestClient) -> None:
    with pytest.raises(BadParameters, match="there is no attribute 'overalProgress'; did you mean 'overallProgress'"):
        lookup.job_details(farm, [], ["status", "overalProgress"])
    with pytest.raises(BadParameters, match="there is no attribute 'hostName'; did you mean 'hostname'"):
        lookup.client_details(farm, None, ["hostName"])


def test_a_thousand_jobs_cost_as_many_queries_as_one(farm: Farm, client: TestClient) -> None:
    ids = submission.submit(farm, [{"name": "x", "command": "x"}] * 200)

    def statements(job_ids: list[int]) -> int:
        seen: list[str] = []
        with farm.database.read() as connection:
            connection.set_trace_callback(seen.append)
        lookup.job_details(farm, job_ids, None)
        with farm.database.read() as again:
            assert again is connection
            connection.set_trace_callback(None)
        return len(seen)

    assert statements(ids) == statements(ids[:1])


def test_too_many_jobs_are_too_large_where_attributes_are_computed(farm: Farm) -> None:
    many = list(range(lookup.MOST_JOBS_COMPUTED + 1))
    with pytest.raises(TooLarge, match="at most 10000 a call"):
        lookup.job_details(farm, many, ["logs"])
    assert lookup.job_details(farm, many, ["status"]) == []


def test_waiting_means_runnable_and_a_wrong_status_is_refused(farm: Farm, client: TestClient) -> None:
    one, two = submit(farm, command="x"), submit(farm)
    assert lookup.ids_by_status(farm, ["waiting"]) == lookup.ids_by_status(farm, ["runnable", "waiting"]) == [one]
    assert lookup.ids_by_status(farm, ["succeeded", "runnable"]) == [one, two]
    assert lookup.ids_by_status(farm, []) == []
    with pytest.raises(BadParameters, match="'runable' is not a status of a job; did you mean 'runnable'"):
        lookup.ids_by_status(farm, ["runable"])


def test_roots_are_jobs_without_a_parent(farm: Farm) -> None:
    open_, *_ = submission.submit(farm, {"name": "p", "command": "x", "children": [{"name": "c", "command": "x"}]})
    done = submit(farm)
    assert lookup.root_ids(farm, finished=False) == [open_]
    assert lookup.root_ids(farm, finished=True) == [done]


# Clients -------------------------------------------------------------------------------------------------------------


def test_every_attribute_of_a_client_can_be_read(farm: Farm, client: TestClient) -> None:
    submit(farm, command="x")
    client.fetch()
    found = lookup.client_detail(farm, client.id, None)
    assert set(found) == set(CLIENT_KINDS)
    for name, value in found.items():
        assert isinstance(value, CLIENT_KINDS[name]), name
    assert (found["runningJobs"], found["label"], found["load"]) == ([1], "alpha", 0.5)


def test_a_client_that_is_not_available_says_why(farm: Farm, client: TestClient, clock: SetClock) -> None:
    def asked() -> tuple[bool, str]:
        found = lookup.client_detail(farm, client.id, ["available", "unavailableBecause"])
        return found["available"], found["unavailableBecause"]

    assert asked() == (True, "")
    client.beat(accepting=False)
    assert asked() == (False, "takes no new work (it is draining or its disk is nearly full)")
    client.beat(accepting=False, declining="disk")
    assert asked() == (False, "takes no new work: its disk is nearly full")
    clock.advance(farm.policy.suspect_seconds + 1)
    assert asked() == (False, "has been silent for 31 s")


def test_load_is_never_more_than_there_are_cpus(farm: Farm, client: TestClient) -> None:
    presence = farm.watch.get(client.id)
    assert presence is not None
    assert 0.0 <= presence.row.load <= client.cpus
