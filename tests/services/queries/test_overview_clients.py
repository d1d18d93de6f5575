"""Clients as the page and the metrics show them (CONTRACT 6.3)."""

from __future__ import annotations

import pytest
from farm_kit import Asked, SetClock, TestClient, restarted, submit

from hqserver.domain.errors import NotFound
from hqserver.domain.status import JobStatus
from hqserver.services.care import upkeep
from hqserver.services.clients import claims, client_control, groups
from hqserver.services.farm import Farm
from hqserver.services.queries import overview, overview_clients, overview_jobs
from hqserver.services.queries.overview_clients import Availability
from hqserver.store import errors


def test_a_client_is_in_the_first_of_the_four_ways_that_holds(farm: Farm, clock: SetClock) -> None:
    clients = {name: TestClient(farm, hostname=name) for name in ("free", "busy", "draining", "gone", "back")}
    for client in clients.values():
        client.register()
        client.beat()
    clients["draining"].beat(accepting=False)
    clock.advance(farm.policy.lost_seconds + 1)
    for name, client in clients.items():
        if name != "gone":
            client.beat(accepting=name != "draining")
    clients["free"].beat(accepting=False)
    clients["back"].beat(accepting=False)
    submit(farm, command="true")
    assert len(clients["busy"].fetch()) == 1
    clients["free"].beat()
    clients["back"].beat()
    found = {client.client["label"]: client for client in overview_clients.clients_overview(farm).clients}
    assert {label: client.availability for label, client in found.items()} == {
        "free": Availability.AVAILABLE,
        "back": Availability.AVAILABLE,
        "busy": Availability.RUNNING,
        "draining": Availability.UNAVAILABLE,
        "gone": Availability.OFFLINE,
    }
    assert list(found) == sorted(found)
    assert found["busy"].jobs == [(1, "a job")]
    assert found["gone"].silence_seconds == farm.policy.lost_seconds + 1


def test_a_runner_from_outside_is_in_a_count_of_its_own(farm: Farm, clock: SetClock, asked: Asked) -> None:
    """CONTRACT 10: it asks for its work itself, so that it is neither available nor not."""
    submit(farm, command="x")
    assert claims.claim_job(farm, {}, "busy", 3600) is not None
    for name in ("idle", "disabled"):
        assert claims.claim_job(farm, {}, name, 60) is None
    client_control.set_disabled(farm, "disabled", True)
    clock.advance(farm.policy.lost_seconds * 3)
    found = {each.client["label"]: each for each in overview_clients.clients_overview(farm).clients}
    told = {label: (each.availability, each.runs, each.kept_by) for label, each in found.items()}
    assert told == {
        "busy": (Availability.RUNNER, 1, ""),
        "idle": (Availability.RUNNER, 0, ""),
        "disabled": (Availability.UNAVAILABLE, 0, "is disabled"),
    }
    counts = overview_clients.farm_counts(farm).clients
    assert counts == {**dict.fromkeys(Availability, 0), Availability.RUNNER: 2, Availability.UNAVAILABLE: 1}
    upkeep.flush(farm)
    with restarted(farm, clock, asked) as again:
        clock.advance(60)
        shown = {each.client["label"]: each for each in overview_clients.clients_overview(again).clients}
        assert shown["idle"].availability is Availability.RUNNER
        assert shown["idle"].silence_seconds == farm.policy.lost_seconds * 3 + 60, "also after the server was restarted"


def test_a_client_tells_what_runs_there_and_what_ran_there_last(farm: Farm, client: TestClient) -> None:
    done = submit(farm, command="true")
    client.run_all()
    now = submit(farm, command="true")
    client.fetch()
    found = overview_clients.client_overview(farm, client.id)
    assert [run.job_id for run in found.live] == [now]
    assert [run.job_id for run in found.ended] == [done]


def test_metrics_name_every_status_and_count_what_there_is(farm: Farm, client: TestClient) -> None:
    submit(farm, children=[{"name": "child", "command": "true", "cpus": 2}])
    assert len(client.fetch()) == 1
    submit(farm, command="true", cpus=2)
    counts = overview_clients.farm_counts(farm)
    assert {status: count for status, count in counts.jobs.items() if count} == dict.fromkeys(
        ("queued", "running", "runnable"), 1
    )
    assert set(counts.jobs) == set(JobStatus)
    assert counts.clients == {**dict.fromkeys(Availability, 0), Availability.RUNNING: 1}
    assert (counts.runs["offered"], counts.runs["lost"]) == (1, 0)


def test_a_client_comes_with_its_groups_and_errors(farm: Farm, client: TestClient) -> None:
    group = groups.create_group(farm, "racks")
    groups.add_client(farm, group, client.id)
    most = overview_clients.MOST_ERRORS
    farm.database.write(
        lambda transaction: [
            errors.add_of_client(transaction.connection, client.id, 5.0, f"error {n}") for n in range(most + 1)
        ]
    )
    found = overview_clients.client_overview(farm, client.id)
    assert found.overview.groups == [(group, "racks")]
    assert (len(found.errors), found.errors_total) == (most, most + 1)
    assert found.errors[0].message == f"error {most}"


def test_a_page_holds_no_more_clients_than_it_may(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview_clients, "CLIENTS_A_PAGE", 2)
    for name in "cab":
        TestClient(farm, hostname=name).register()
    first, second = overview_clients.clients_overview(farm), overview_clients.clients_overview(farm, 99)
    assert [client.client["label"] for client in (*first.clients, *second.clients)] == ["a", "b", "c"]
    assert (first.page, first.pages, second.page) == (1, 2, 2)
    assert sum(second.counts.values()) == 3


@pytest.fixture
def removed(farm: Farm, client: TestClient, clock: SetClock) -> TestClient:
    """A client that ran a job and was removed, silent as it was, while it held another."""
    submit(farm, command="true")
    client.run_all()
    submit(farm, command="true")
    assert client.fetch()
    clock.advance(farm.policy.lost_seconds + 1)
    client_control.remove(farm, [client.id])
    return client


def test_a_removed_client_is_in_no_list_and_no_count(farm: Farm, removed: TestClient) -> None:
    found = overview_clients.clients_overview(farm)
    assert found.clients == [] and sum(found.counts.values()) == 0
    assert sum(overview_clients.farm_counts(farm).clients.values()) == 0
    counters = overview_jobs.jobs_overview(farm, []).counters
    assert (counters.clients, counters.clients_running) == (0, 0)


def test_the_jobs_of_a_removed_client_go_on_naming_it_without_a_page(farm: Farm, removed: TestClient) -> None:
    (run,) = overview.job_overview(farm, 1).runs
    assert (run.client, run.listed) == ("alpha", False)
    with pytest.raises(NotFound, match="client alpha was removed"):
        overview_clients.client_overview(farm, removed.id)
    with pytest.raises(NotFound, match="no client 7"):
        overview_clients.client_overview(farm, 7)
