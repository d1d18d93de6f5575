"""Jobs that are deleted, by somebody or because they are old, and what stays of them in others (CONTRACT 3.5, 7.3)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from farm_kit import SetClock, TestClient, check_counters, submit
from job_kit import read, status

from hqserver.services import notes
from hqserver.services.care import upkeep
from hqserver.services.clients.beats import Piece
from hqserver.services.control import commands, deletion
from hqserver.services.control.changing import change_jobs
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.work.sheet import Sheet
from hqserver.store.database import Transaction


def left(farm: Farm) -> list[int]:
    with farm.database.read() as connection:
        return [row[0] for row in connection.execute("SELECT id FROM job ORDER BY id")]


def rows(farm: Farm, table: str) -> int:
    with farm.database.read() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def tree(farm: Farm, *children: dict[str, Any], **specification: Any) -> list[int]:
    return submission.submit(farm, {"name": "parent", "command": "p", **specification, "children": list(children)})


def leaf(**specification: Any) -> dict[str, Any]:
    return {"name": "child", "command": "c", **specification}


def run_one(client: TestClient, code: int = 0) -> int:
    """Run the first job that is handed out; its id."""
    order = client.fetch()[0]
    client.beat(client.ended(order["run"], code), accepting=False)
    return int(order["job"])


def test_a_finished_job_is_gone_with_its_children_and_everything_of_it(
    farm: Farm, client: TestClient, tmp_path: Path
) -> None:
    ids = tree(farm, leaf(), leaf(children=[leaf()]), onSuccess="h", cleanup="h")
    notes.add_note(farm, "remember", None, ids[0], None)
    while orders := client.fetch():
        for order in orders:
            client.beat(
                client.ended(order["run"], log_size=2), output=(Piece(order["run"], 0, b"hi"),), accepting=False
            )
        client.beat()
    assert status(farm, ids[0]) == "succeeded"
    assert len(list((tmp_path / "output").rglob("*"))) > 4
    deletion.delete(farm, [ids[0], 99])
    for table in ("job", "work", "run", "family", "history", "presence", "note", "note_thread", "client_failure"):
        assert rows(farm, table) == 0, table
    assert [path for path in (tmp_path / "output").rglob("*") if path.is_file()] == []


def test_an_unfinished_job_is_ignored_and_so_are_its_finished_children(farm: Farm, client: TestClient) -> None:
    """9.3; 9.8: its parent, which stays, needs them."""
    ids = tree(farm, leaf(), leaf(cpus=2))
    run_one(client)
    deletion.delete(farm, [ids[0]])
    assert left(farm) == ids


def test_a_child_that_another_job_has_stays_whatever_that_ones_status(farm: Farm, client: TestClient) -> None:
    """9.8: delete spares a child that any other parent has."""
    shared = submit(farm, command="shared")
    one, two = (submission.submit(farm, {"name": name, "command": "x"}, None, [shared])[0] for name in ("one", "two"))
    assert client.run_all() == 3
    deletion.delete(farm, [one])
    assert left(farm) == [shared, two]
    assert read(farm, shared, "parents") == [[two]]
    commands.reschedule(farm, [shared], "once more")
    assert client.run_all() == 2
    assert status(farm, two) == "succeeded"
    deletion.delete(farm, [two])
    assert left(farm) == []


def test_a_child_of_which_every_parent_is_deleted_goes_with_them(farm: Farm, client: TestClient) -> None:
    shared = submit(farm, command="shared")
    ids = [submission.submit(farm, {"name": "p", "command": "x"}, None, [shared])[0] for _ in range(2)]
    client.run_all()
    deletion.delete(farm, ids)
    assert left(farm) == []


def test_a_child_that_stays_has_lost_its_first_parent_and_can_go_on(farm: Farm, client: TestClient) -> None:
    """Its root and what it inherited were fixed when it was submitted (9.8)."""
    parent, child = tree(farm, leaf(triesLeft=9), priority=5, submittedBy="ada")
    other = submission.submit(farm, {"name": "other", "command": "o", "cpus": 2}, None, [child])[0]
    client.run_all()
    deletion.delete(farm, [parent])
    assert read(farm, child, "root", "priority", "submittedBy", "parents") == [parent, 5, "ada", [other]]
    commands.reschedule(farm, [child], "once more")
    grandchild = submission.submit(farm, leaf(triesLeft=9), child)[0]
    assert read(farm, grandchild, "root", "priority", "submittedBy") == [parent, 5, "ada"]
    assert client.run_all(code=1) == farm.policy.max_failures_per_client
    assert read(farm, grandchild, "status", "blockedClients") == ["runnable", ["alpha"]], "the root's id is enough"


def test_rows_that_a_transaction_had_read_before_it_deleted_their_parent_know_of_it(
    farm: Farm, client: TestClient
) -> None:
    parent, child = tree(farm, leaf())
    client.run_all()

    def write(transaction: Transaction) -> set[int]:
        with Sheet(farm, transaction) as sheet:
            sheet.read([parent, child])
            return deletion.delete_in(sheet, [parent])

    assert farm.database.write(write) == {parent}
    assert read(farm, child, "parents") == [[]]


def test_a_parent_keeps_its_status_though_the_child_that_failed_it_is_gone(farm: Farm, client: TestClient) -> None:
    parent, bad, good = tree(farm, leaf(priority=1), leaf(), command="")
    run_one(client, code=1)
    client.beat()
    assert run_one(client) == good
    assert read(farm, parent, "status", "tasks") == ["failed", {"total": 2, "finished": 2, "failed": 1}]
    deletion.delete(farm, [bad])
    assert read(farm, parent, "status", "tasks", "children") == [
        *("failed", {"total": 1, "finished": 1, "failed": 0}, [good]),
    ]
    commands.reschedule(farm, [parent], "without it")
    assert status(farm, parent) == "succeeded"


@pytest.mark.parametrize("hooks", [{}, {"onChildError": "child error"}])
def test_a_parent_that_waits_fails_though_the_child_that_failed_is_gone(
    farm: Farm, client: TestClient, hooks: dict[str, str]
) -> None:
    """9.8: a child that ended failed fails the parent; that it was deleted since changes nothing."""
    parent, bad, _good = tree(farm, leaf(priority=1), leaf(), **hooks)
    assert run_one(client, code=1) == bad
    deletion.delete(farm, [bad])
    assert status(farm, parent) == "queued"
    client.beat()
    run_one(client)
    client.beat()
    assert [(order["command"], order["environment"]["HQSTATUS"]) for order in client.fetch()] == [
        (command, "failed") for command in hooks.values()
    ]
    if hooks:
        client.beat(*(client.ended(run) for run, order in client.orders.items() if order["hook"]))
    assert status(farm, parent) == "failed"
    lines = [line["message"] for line in read(farm, parent, "logs")[0]]
    assert "1 of 2 children did not succeed" in lines[-1]


def test_a_job_of_which_something_may_be_alive_is_left_for_later(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """9.11: its client still has to be told to end it."""
    parent, child = tree(farm, leaf())
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    commands.cancel(farm, [parent], "gone")
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)
    assert read(farm, child, "status", "unconfirmed") == ["cancelled", ["alpha"]]
    deletion.delete(farm, [parent])
    assert left(farm) == [child]
    client.beat(client.ended(order["run"], killed=True))
    deletion.delete(farm, [child])
    assert left(farm) == []


def test_counters_forget_what_is_gone(farm: Farm, client: TestClient) -> None:
    top, middle, first, _second, last = tree(farm, leaf(command="m", children=[leaf(), leaf()]), leaf(cpus=2))
    while status(farm, middle) != "succeeded":
        run_one(client)
        client.beat()
    deletion.delete(farm, [first])
    check_counters(farm)
    assert read(farm, top, "tasks") == [{"total": 3, "finished": 2, "failed": 0}]
    deletion.delete(farm, [middle])
    check_counters(farm)
    assert read(farm, top, "tasks", "children") == [{"total": 1, "finished": 0, "failed": 0}, [last]]
    client.run_all()
    assert status(farm, top) == "succeeded"


def test_ids_of_deleted_jobs_are_never_given_again(farm: Farm) -> None:
    """9.26."""
    job = submit(farm)
    deletion.delete(farm, [job])
    assert submit(farm) == job + 1


@pytest.mark.slow
def test_a_large_family_is_deleted_in_parts(farm: Farm, client: TestClient) -> None:
    ids = tree(farm, *[leaf(cpus=2) for _ in range(1100)])
    above = submission.submit(farm, {"name": "above", "command": "x"}, None, [ids[0]])[0]
    commands.cancel(farm, [above], "gone")
    assert read(farm, above, "tasks") == [{"total": 1101, "finished": 1101, "failed": 1101}]
    deletion.delete(farm, [ids[0]])
    assert left(farm) == [above]
    assert read(farm, above, "status", "tasks") == ["cancelled", {"total": 0, "finished": 0, "failed": 0}]


# Age ---------------------------------------------------------------------------------------------------------------


def test_jobs_are_deleted_days_after_they_ended(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """CONTRACT 7.3, `hqserver.expireJobsDays`; 9.26: 14 by default."""
    old = tree(farm, leaf())
    client.run_all()
    clock.advance(13.9 * 86400)
    young = submit(farm)
    client.beat()
    waiting = submit(farm, command="x", host="nowhere")
    upkeep.expire_jobs(farm)
    assert left(farm) == [*old, young, waiting]
    clock.advance(0.2 * 86400)
    upkeep.expire_jobs(farm)
    assert left(farm) == [young, waiting]


def test_a_clock_that_is_set_ahead_makes_no_job_old(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """T15, P11: what goes by its age goes by time that has passed."""
    job = submit(farm)
    clock.wall += 100 * 86400
    upkeep.expire_jobs(farm)
    clock.advance(13.9 * 86400)
    upkeep.expire_jobs(farm)
    assert left(farm) == [job]
    clock.wall -= 100 * 86400
    clock.advance(0.2 * 86400)
    upkeep.expire_jobs(farm)
    assert left(farm) == []


def test_a_job_that_was_run_again_is_as_old_as_its_last_end(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job = submit(farm, command="x")
    client.run_all()
    clock.advance(10 * 86400)
    commands.reschedule(farm, [job], "once more")
    clock.advance(10 * 86400)
    upkeep.expire_jobs(farm)
    client.beat()
    assert client.run_all() == 1
    clock.advance(10 * 86400)
    upkeep.expire_jobs(farm)
    assert left(farm) == [job]
    clock.advance(10 * 86400)
    upkeep.expire_jobs(farm)
    assert left(farm) == []


def test_more_jobs_than_a_batch_holds_expire_and_one_that_cannot_go_is_in_nobodys_way(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="x")
    client.beat(client.started(client.fetch()[0]["run"]))
    commands.cancel(farm, [job], "gone")
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)
    submission.submit(farm, [{"name": "x"}] * 250)
    clock.advance(15 * 86400)
    upkeep.expire_jobs(farm)
    assert left(farm) == [job]


def test_with_no_days_nothing_ever_expires(farm: Farm, clock: SetClock) -> None:
    submit(farm)
    clock.advance(1000 * 86400)
    upkeep.expire_jobs(replace(farm, policy=replace(farm.policy, expire_jobs_days=0.0)))
    assert len(left(farm)) == 1


def test_a_cancelled_family_is_not_deleted_while_a_client_kills_some_of_it(farm: Farm, client: TestClient) -> None:
    """3.5: together with its children; deleted before them it would leave them behind, as roots."""
    ids = tree(farm, leaf(children=[leaf()]), leaf())
    top, middle, running = ids[0], *ids[1:3]
    orders = {int(order["job"]): order["run"] for order in client.fetch()}
    client.beat(client.started(orders[running]))
    commands.cancel(farm, [top], "enough")
    assert (status(farm, top), status(farm, middle), status(farm, running)) == ("queued", "queued", "running")
    for dry in (True, False):
        found = change_jobs(farm, [top], "delete", {"dryRun": dry}, "ada")
        assert (found[0]["changed"], found[0]["why"]) == (False, "it is queued, not finished")
    deletion.delete(farm, [top])
    assert {top, middle, running} <= set(left(farm))
    client.beat(client.ended(orders[running], killed=True))
    for run in set(orders.values()) - {orders[running]}:
        client.beat(client.ended(run, killed=True))
    deletion.delete(farm, [top])
    assert left(farm) == []


def test_a_cancelled_job_is_deleted_though_another_one_has_its_child_run(farm: Farm, client: TestClient) -> None:
    """9.8: the child is spared."""
    shared = submit(farm, command="c")
    first, second = (submit(farm, name=name, command="p", childrenIds=[shared]) for name in ("first", "second"))
    client.fetch()
    commands.cancel(farm, [first], "enough")
    deletion.delete(farm, [first])
    assert left(farm) == [shared, second]
