"""Handing out work (CONTRACT 3.4, 9.5, 9.17; DESIGN, Dispatch)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from farm_kit import Asked, SetClock, TestClient, submit
from scheduling_kit import another

from hqserver.domain.placement import Board, Seat, Wanted
from hqserver.domain.requirement import Requirement
from hqserver.services.control import commands
from hqserver.services.dispatch import assignment
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.queries import lookup


def handed(client: TestClient) -> list[int]:
    """The jobs the client is ordered to start now, in the order of the orders."""
    return [int(str(order["job"])) for order in client.fetch()]


def live(farm: Farm) -> list[tuple[int, int]]:
    """(job, client) of every live run, in the order in which they were claimed."""
    with farm.database.read() as connection:
        rows = connection.execute("SELECT job_id, client_id FROM run WHERE ended_at IS NULL ORDER BY rowid")
        return [(row[0], row[1]) for row in rows.fetchall()]


def test_higher_priority_comes_first_and_then_the_order_of_submission(farm: Farm, client: TestClient) -> None:
    client.cpus = 1
    client.register()
    low, first, second, high = (submit(farm, command="x", priority=priority) for priority in (1, 5, 5, 9))
    order = []
    for _ in range(4):
        order += handed(client)
        client.beat(client.ended(next(reversed(client.orders))), accepting=False)
        client.beat()
    assert order == [high, first, second, low]


def test_priority_decides_across_jobs_that_require_different_things(farm: Farm, client: TestClient) -> None:
    small, large = submit(farm, command="x", priority=1), submit(farm, command="y", cpus=2, priority=2)
    anywhere = submit(farm, command={"linux": "z"}, priority=3)
    assert handed(client) == [anywhere, small]
    assert lookup.job_detail(farm, large, ["status"])["status"] == "runnable"


def test_a_client_gets_as_much_as_it_has_cpus(farm: Farm, client: TestClient) -> None:
    jobs = [submit(farm, command="x") for _ in range(3)]
    assert handed(client) == jobs[:2]


def test_a_job_that_needs_more_cpus_than_are_free_lets_others_pass(farm: Farm, client: TestClient) -> None:
    submit(farm, command="x")
    large, small = submit(farm, command="x", cpus=2), submit(farm, command="x")
    assert large not in handed(client)
    assert [job for job, _ in live(farm)][-1] == small


def test_cpus_nought_takes_the_whole_machine(farm: Farm, client: TestClient) -> None:
    submit(farm, command="x")
    (order,) = client.fetch()
    whole = submit(farm, command="x", cpus=0)
    assert client.fetch() == [order]
    answer = client.beat(client.ended(order["run"]))
    assert [(each["job"], each["cpus"]) for each in answer.orders] == [(whole, 2)]
    submit(farm, command="x")
    assert [each["job"] for each in client.fetch()] == [whole]


def test_a_command_for_another_platform_waits_for_such_a_client(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command={"windows": "dir"})
    assert handed(client) == []
    assert lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"] == (
        "alpha is linux-x86_64 and the job has a command for windows only"
    )
    windows = another(farm, "omega", platform="windows-x86_64")
    (order,) = windows.fetch()
    assert (order["job"], order["command"], order["environment"]["HQROOT"]) == (job, "dir", "H:")


def test_each_platform_is_given_its_own_command(farm: Farm, client: TestClient) -> None:
    mac = another(farm, "mac", platform="macos-arm64", cpus=1)
    submission.submit(farm, [{"name": "x", "command": {"linux": "l", "macosx": "m"}}] * 3)
    assert {order["command"] for order in client.fetch()} == {"l"}
    assert [order["command"] for order in mac.fetch()] == ["m"]


def test_an_order_carries_what_the_command_needs(farm: Farm, client: TestClient) -> None:
    ids = submission.submit(
        farm,
        {
            "name": "top",
            "command": "t",
            "children": [
                {
                    "name": "x",
                    "command": "echo",
                    "shell": "zsh",
                    "environment": {"TAKE": "3", "JOBID": "mine"},
                    "progressPattern": r"(\d+)%",
                }
            ],
        },
    )
    (order,) = client.fetch()
    assert (order["job"], order["root"], order["command"], order["shell"]) == (ids[1], ids[0], "echo", "zsh")
    assert order["environment"] == {
        "HQROOT": "/mnt/hq",
        "TAKE": "3",
        "JOBID": str(ids[1]),
        "ROOTJOBID": str(ids[0]),
        "HQHOSTS": "alpha",
    }
    assert order["progressPatterns"] == [r"(\d+)%"]


def test_a_client_queues_a_little_more_where_it_says_so(farm: Farm, client: TestClient) -> None:
    jobs = [submit(farm, command="x") for _ in range(6)]
    client.spare = 2
    client.beat()
    assert handed(client) == jobs[:4]


def test_a_free_cpu_elsewhere_comes_before_a_place_in_a_queue(farm: Farm, client: TestClient) -> None:
    client.spare = 4
    client.beat()
    beta = another(farm, "beta", cpus=2)
    for _ in range(4):
        submit(farm, command="x")
    assert (len(client.fetch()), len(beta.fetch())) == (2, 2)


def test_what_a_client_ends_is_replaced_in_the_same_beat(farm: Farm, client: TestClient) -> None:
    for _ in range(3):
        submit(farm, command="x")
    first, second = client.fetch()
    answer = client.beat(client.ended(first["run"]))
    assert [order["run"] for order in answer.orders if order["run"] not in (first["run"], second["run"])] != []


@pytest.mark.parametrize("reason", ["disabled", "draining", "silent", "unconfirmed"])
def test_a_client_that_takes_nothing_gets_nothing(farm: Farm, client: TestClient, clock: SetClock, reason: str) -> None:
    presence = farm.watch.get(client.id)
    assert presence is not None
    if reason == "disabled":
        presence.row.disabled = 1
    elif reason == "draining":
        client.beat(accepting=False)
    elif reason == "silent":
        clock.advance(farm.policy.suspect_seconds + 1)
    else:
        presence.heard = False
    job = submit(farm, command="x")
    assert not assignment.dispatch_pass(farm)
    assert live(farm) == []
    assert lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"].startswith("alpha ")


def test_a_pass_wakes_each_client_that_got_work_once(farm: Farm, client: TestClient, asked: Asked) -> None:
    another(farm, "beta")
    for _ in range(4):
        submit(farm, command="x")
    assignment.dispatch_pass(farm)
    assert sorted(asked.woken) == [client.id, client.id + 1]


def test_a_pass_with_nothing_to_hand_out_wakes_nobody_and_writes_nothing(
    farm: Farm, client: TestClient, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farm.database, "write", None)
    assert assignment.dispatch_pass(farm) is False
    monkeypatch.undo()
    submit(farm, command="x", cpus=2)
    client.fetch()
    submit(farm, command="x")
    monkeypatch.setattr(farm.database, "write", None)
    assert assignment.dispatch_pass(farm) is False
    monkeypatch.undo()
    assert asked.woken == [client.id]


def test_a_requirement_that_fits_nowhere_costs_one_check_however_many_jobs_have_it(
    farm: Farm, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission.submit(farm, [{"name": "x", "command": "x", "cpus": 64, "priority": 9}] * 500)
    job = submit(farm, command="x")
    checks: list[Requirement] = []
    choose = Board.choose

    def counted(board: Board, wanted: Wanted) -> Seat | None:
        checks.append(wanted.requirement)
        return choose(board, wanted)

    monkeypatch.setattr(Board, "choose", counted)
    assert handed(client) == [job]
    assert sum(each.cpus == 64 for each in checks) < 10


def test_a_full_pass_asks_for_another(farm: Farm) -> None:
    another(farm, "large", cpus=300)
    jobs = submission.submit(farm, [{"name": "x", "command": "x"}] * 300)
    assert assignment.dispatch_pass(farm) is True
    assert assignment.dispatch_pass(farm) is False
    assert [job for job, _ in live(farm)] == jobs


def test_many_passes_at_once_give_each_job_to_one_client(farm: Farm) -> None:
    for number in range(4):
        another(farm, f"node{number}", cpus=16)
    jobs = submission.submit(farm, [{"name": "x", "command": "x"}] * 100)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: assignment.dispatch_pass(farm), range(16)))
    found = live(farm)
    assert len(found) == 64
    assert len({job for job, _ in found}) == 64
    assert {job for job, _ in found} == set(jobs[:64])
    assert all(sum(client == each for _, client in found) == 16 for each in {client for _, client in found})


def test_beats_and_passes_at_once_never_give_a_client_more_than_it_has(farm: Farm) -> None:
    clients = [another(farm, f"node{number}", cpus=2) for number in range(4)]
    submission.submit(farm, [{"name": "x", "command": "x"}] * 60)

    def work(client: TestClient) -> int:
        done = 0
        while orders := client.fetch():
            with farm.database.read() as connection:
                used = connection.execute(
                    "SELECT sum(cpus) FROM run WHERE client_id = ? AND ended_at IS NULL", [client.id]
                ).fetchone()[0]
                assert used <= 2
            client.beat(*(client.ended(str(order["run"])) for order in orders))
            done += len(orders)
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, clients)) == 60


def test_a_job_that_is_cancelled_before_the_pass_is_not_handed_out(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    commands.cancel(farm, [job], "gone")
    assert handed(client) == []
