"""Who comes first: the queue's order, clients that failed a job, the one to avoid (CONTRACT 3.6, 9.12, 10 Trouble)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import Asked, TestClient, submit
from scheduling_kit import (
    another,
    detail,
    end,
    events,
    handed_out,
    live,
    passes,
    run_of,
    several,
    submit_all,
    waiting_for,
)

from hqserver.services import resources
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.intake import submission

# Blocked clients, and the client to avoid (CONTRACT 3.6, 9.12, 10 Trouble) -------------------------------------------


def test_after_a_failure_another_client_comes_first(farm: Farm, client: TestClient, asked: Asked) -> None:
    job = submit(farm, command="x", triesLeft=3)
    assert handed_out(farm) == {job: ["alpha"]}
    beta = another(farm, "beta")
    before = asked.passes
    end(client, job, code=1)
    assert live(farm) == {}  # the beat of the client that failed it leaves it to the pass over all
    assert asked.passes > before
    assert handed_out(farm) == {job: ["beta"]}
    end(beta, job, code=1)
    assert handed_out(farm) == {job: ["alpha"]}


def test_where_nobody_else_is_free_the_same_client_gets_it_again(farm: Farm, client: TestClient, asked: Asked) -> None:
    beta = another(farm, "beta", cpus=1)
    other = submit(farm, command="x", host="beta")
    job = submit(farm, command="x", host="alpha,beta", triesLeft=1)
    assert handed_out(farm) == {other: ["beta"], job: ["alpha"]}
    before = asked.passes
    end(client, job, code=1)
    assert (job in live(farm), asked.passes > before) == (False, True)
    assert handed_out(farm) == {other: ["beta"], job: ["alpha"]}
    beta.beat()


def test_an_ejected_job_goes_elsewhere_first_and_others_take_its_place(
    farm: Farm, client: TestClient, asked: Asked
) -> None:
    """9.12: back to the queue, no try burnt, the same client last in line."""
    job = submit(farm, command="x", cpus=2, host="alpha,beta")
    behind = submit(farm, command="x", cpus=2, host="alpha")
    assert handed_out(farm) == {job: ["alpha"]}
    client.beat(client.started(run_of(farm, job)))
    another(farm, "beta")
    commands.eject(farm, [job], "please")
    before = asked.passes
    client.beat(client.ended(run_of(farm, job), 143, killed=True))
    assert live(farm) == {behind: ["alpha"]}
    assert asked.passes > before
    assert handed_out(farm) == {behind: ["alpha"], job: ["beta"]}
    assert detail(farm, job, "triesLeft") == 0


def test_the_third_failure_blocks_a_client_for_the_root_and_for_no_other(farm: Farm, client: TestClient) -> None:
    """3.6"""
    root, *children = submission.submit(
        farm, {"name": "root", "children": [{"name": f"c{number}", "command": "x", "cpus": 2} for number in range(4)]}
    )
    other = submit(farm, command="x")
    for number, child in enumerate(children[:3], start=1):
        passes(farm)
        end(client, child, code=1)
        assert detail(farm, root, "blockedClients") == (["alpha"] if number == 3 else [])
    assert handed_out(farm) == {other: ["alpha"]}
    text = "alpha is blocked: it failed 3 times"
    assert ("blocked client", text) in events(farm, root)
    assert detail(farm, root, "latestNote") == text
    assert waiting_for(farm, children[3]) == "alpha is blocked for this job: too much of it failed there"
    another(farm, "beta")
    assert handed_out(farm) == {other: ["alpha"], children[3]: ["beta"]}


def test_where_all_are_blocked_a_reschedule_lets_them_try_again(farm: Farm, client: TestClient) -> None:
    """3.6"""
    by_label = {"alpha": client} | {each.hostname: each for each in several(farm, "beta gamma delta epsilon")}
    root, *children = submission.submit(
        farm, {"name": "root", "children": [{"name": f"c{number}", "command": "x", "cpus": 2} for number in range(16)]}
    )
    while found := handed_out(farm):
        for job, (label,) in found.items():
            end(by_label[label], job, code=1)
    assert len(detail(farm, root, "blockedClients")) == 5
    left = [child for child in children if detail(farm, child, "status") == "runnable"]
    assert [waiting_for(farm, child) for child in left] == [
        "5 clients are blocked for this job: too much of it failed there"
    ] * len(left)
    assert len(left) == 1
    commands.reschedule(farm, [children[0]], "again")
    assert detail(farm, root, "blockedClients") == []
    assert set(handed_out(farm)) == {children[0], left[0]}


# The order of the queue ----------------------------------------------------------------------------------------------


def test_priority_and_then_age_decide_whatever_the_jobs_require(farm: Farm, client: TestClient) -> None:
    client.cpus = 1
    client.register()
    requirements: list[dict[str, Any]] = [
        {},
        {"host": "alpha"},
        {"tags": ["single"]},
        {"command": {"linux": "y"}},
        {"resources": {"sidefx.license.render": 1}},
        {"cpus": 0},
    ]
    jobs = submit_all(farm, ({"command": "x", "priority": 5} | each for each in requirements))
    high = submit_all(farm, ({"command": "x", "priority": 6} | each for each in requirements))
    order = []
    for _ in range(12):
        (job,) = handed_out(farm)
        order.append(job)
        commands.cancel(farm, [job], "next")
        client.beat(client.refused(run_of(farm, job)), accepting=False)
        client.beat()
    assert order == [*high, *jobs]


def test_a_thousand_jobs_of_a_barren_root_hide_nobody(farm: Farm, client: TestClient) -> None:
    """3.6: its clients are blocked, those of others are not."""
    _, *children = submission.submit(
        farm,
        {"name": "root", "priority": 9, "children": [{"name": "c", "command": "x"} for _ in range(1000)]},
    )
    for child in children[:3]:
        passes(farm)
        end(client, child, code=1)
    for job in live(farm):
        commands.cancel(farm, [job], "gone")
        client.beat(client.refused(run_of(farm, job)))
    other = submit(farm, command="x")
    assert other in handed_out(farm)


def test_a_thousand_roots_without_a_client_hide_nobody(farm: Farm, client: TestClient) -> None:
    submission.submit(farm, [{"name": "x", "command": "x", "priority": 9, "host": "nowhere"} for _ in range(1000)])
    job = submit(farm, command="x")
    assert handed_out(farm) == {job: ["alpha"]}


def test_a_pass_that_can_hand_out_nothing_writes_nothing(
    farm: Farm, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever waits: nobody who writes is kept waiting by it."""
    resources.set_resource(farm, "plugin", 0, False)
    submit(farm, command="x", host="nowhere")
    submit(farm, command="x", resources={"plugin": 1})
    submit(farm, command="x", minHosts=2)
    monkeypatch.setattr(farm.database, "write", None)
    assert passes(farm) == 1
