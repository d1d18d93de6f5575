"""Pieces of an agenda that were taken off their clients go to others first (CONTRACT 9.12, 10 Control: migrate)."""

from __future__ import annotations

import pytest
from farm_kit import TestClient, submit
from scheduling_kit import another, passes

from hqserver.services.control.changing import change_jobs
from hqserver.services.control.changing_work import change_work
from hqserver.services.dispatch import assignment
from hqserver.services.farm import Farm

Pieces = dict[str, str]


def held_by(farm: Farm, client: TestClient) -> Pieces:
    """The runs that a client holds, by the names of their pieces."""
    with farm.database.read() as connection:
        rows = connection.execute(
            """
            SELECT work.name, run.id FROM run JOIN work ON work.id = work_id
            WHERE client_id = ? AND ended_at IS NULL ORDER BY work.id
            """,
            [client.id],
        ).fetchall()
    return dict(rows)


@pytest.fixture
def beta(farm: Farm, client: TestClient) -> TestClient:
    return another(farm, "beta")


def start_all(farm: Farm, *clients: TestClient) -> None:
    """Hand out what there is, and have it started."""
    passes(farm)
    for client in clients:
        client.beat()
        client.beat(*(client.started(run) for run in held_by(farm, client).values()))


def killed(farm: Farm, client: TestClient, *names: str) -> None:
    """The client says that it killed the runs of these pieces; then come passes."""
    runs = held_by(farm, client)
    client.beat(*(client.ended(runs[name], 143, killed=True) for name in names))
    passes(farm)


def test_a_migrated_agenda_changes_its_clients_though_one_of_them_is_free_first(
    farm: Farm, client: TestClient, beta: TestClient
) -> None:
    job = submit(farm, command="render", agenda="1-4")
    start_all(farm, client, beta)
    on_alpha, on_beta = list(held_by(farm, client)), list(held_by(farm, beta))
    assert len(on_alpha) == len(on_beta) == 2
    assert change_jobs(farm, [job], "migrate", {}, "ada")[0]["changed"]
    killed(farm, client, *on_alpha)
    assert list(held_by(farm, client)) == []  # what runs on beta ends soon
    killed(farm, beta, on_beta[0])
    assert list(held_by(farm, client)) == [on_beta[0]]
    killed(farm, beta, on_beta[1])
    assert (list(held_by(farm, client)), list(held_by(farm, beta))) == (on_beta, on_alpha)


def test_a_client_gets_a_later_piece_rather_than_one_that_was_taken_off_it(
    farm: Farm, client: TestClient, beta: TestClient
) -> None:
    submit(farm, command="other", cpus=2, host="beta")
    passes(farm)
    job = submit(farm, command="render", agenda="1-4", cpus=2)
    start_all(farm, client)
    assert list(held_by(farm, client)) == ["1"]
    assert change_work(farm, job, ["1"], "migrate", {}, "ada")[0]["changed"]
    killed(farm, client, "1")
    assert list(held_by(farm, client)) == ["2"]


def test_a_lone_client_tries_a_piece_again_before_it_goes_on(farm: Farm, client: TestClient) -> None:
    """Its order matters to whoever asked for it, and nobody else would do the piece meanwhile."""
    submit(farm, command="render", agenda="1-4", cpus=2, triesLeft=1)
    start_all(farm, client)
    client.beat(client.ended(held_by(farm, client)["1"], 1))
    passes(farm)
    assert list(held_by(farm, client)) == ["1"]


def test_a_piece_goes_to_another_client_that_is_free(farm: Farm, client: TestClient, beta: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-3")
    start_all(farm, client, beta)
    (moved, *_) = held_by(farm, client)
    assert change_work(farm, job, [moved], "migrate", {}, "ada")[0]["changed"]
    killed(farm, client, moved)
    assert moved in held_by(farm, beta)


def test_a_lone_client_gets_its_pieces_back(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-2")
    start_all(farm, client)
    change_jobs(farm, [job], "migrate", {}, "ada")
    killed(farm, client, "1")
    assert list(held_by(farm, client)) == ["1", "2"]
    killed(farm, client, "2")
    assert list(held_by(farm, client)) == ["1", "2"]


def test_a_client_gets_its_piece_back_where_the_other_one_may_not_have_it(
    farm: Farm, client: TestClient, beta: TestClient
) -> None:
    """Nobody waits for a client that ends a piece of the job and takes no more of it."""
    job = submit(farm, command="render", agenda="1-4")
    start_all(farm, client, beta)
    change_jobs(farm, [job], "migrate", {}, "ada")
    beta.beat(accepting=False)
    on_alpha = list(held_by(farm, client))
    killed(farm, client, *on_alpha)
    assert list(held_by(farm, client)) == on_alpha


def test_other_work_takes_the_place_of_pieces_that_wait_for_another_client(
    farm: Farm, client: TestClient, beta: TestClient
) -> None:
    job = submit(farm, command="render", agenda="1-4")
    start_all(farm, client, beta)
    behind = submit(farm, command="other", host="alpha")
    change_jobs(farm, [job], "migrate", {}, "ada")
    runs = held_by(farm, client)
    client.beat(*(client.ended(run, 143, killed=True) for run in runs.values()))
    assert list(held_by(farm, client)) == [""]
    assert not assignment.dispatch_pass(farm)
    assert list(held_by(farm, client)) == [""]
    assert behind > job
