"""What is easily forgotten when clients fall silent, drain, or try again (PROMISES P7)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from farm_kit import SetClock, TestClient, check_counters, submit
from job_kit import read, status

from hqserver.services.care import upkeep
from hqserver.services.clients.beats import Piece
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.intake import submission


def silence(farm: Farm, clock: SetClock) -> None:
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)


def test_an_order_that_was_lost_with_its_client_is_given_again_when_it_is_heard(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()  # the answer never reaches the client
    silence(farm, clock)
    assert [each["run"] for each in client.beat().orders] == [order["run"]]
    assert read(farm, job, "waitingFor") == [""]
    client.beat(client.ended(order["run"]))
    assert read(farm, job, "status") == ["succeeded"]


def test_a_client_that_started_a_lost_order_says_so_and_goes_on(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    submit(farm, command="render")
    (order,) = client.fetch()
    silence(farm, clock)
    assert client.beat(client.started(order["run"])).orders == []
    assert client.beat().orders == []


def test_an_offer_that_a_draining_client_never_got_goes_to_another(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    client.fetch()
    client.beat(accepting=False)
    assert read(farm, job, "status") == ["runnable"]
    other = TestClient(farm, hostname="beta")
    other.register()
    other.beat()
    assert [order["job"] for order in other.fetch()] == [job]


def test_an_offer_that_a_draining_client_has_is_left_to_it(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(accepting=False, queued=(order["run"],))
    assert read(farm, job, "status") == ["running"]
    client.beat(client.ended(order["run"]), accepting=False)
    assert read(farm, job, "status") == ["succeeded"]


def test_a_command_that_added_children_and_is_tried_again_waits_for_them(farm: Farm, client: TestClient) -> None:
    parent = submit(farm, command="fan out", triesLeft=1)
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    (child,) = submission.submit(farm, {"name": "child", "command": "render"}, parent)
    client.beat(client.ended(order["run"], 1), accepting=False)
    assert read(farm, parent, "status", "waitingFor") == ["queued", "1 of 1 children to end"]
    client.beat()
    orders = client.fetch()
    assert [each["job"] for each in orders] == [child]
    client.beat(client.ended(str(orders[0]["run"])))
    assert client.run_all() == 1
    assert read(farm, parent, "status") == ["succeeded"]


@pytest.mark.parametrize("hooks", [{}, {"onError": "oops"}])
def test_a_command_that_added_children_is_not_tried_again_once_one_of_them_has_failed(
    farm: Farm, client: TestClient, hooks: dict[str, str]
) -> None:
    """CONTRACT 2.2, 9.8: nothing it does could make its job succeed any more."""
    parent = submit(farm, command="fan out", triesLeft=2, **hooks)
    first = str(client.fetch()[0]["run"])
    client.beat(client.started(first))
    submission.submit(farm, {"name": "child", "command": "render"}, parent)
    (order,) = client.fetch()[-1:]
    client.beat(client.ended(order["run"], 1), queued=(first,))
    assert read(farm, parent, "status") == ["running"]
    client.beat(client.ended(first, 1))
    assert [order["hook"] for order in client.fetch()] == list(hooks)
    client.run_all()
    assert read(farm, parent, "status", "triesLeft") == ["failed", 1]


def test_work_that_another_client_takes_over_starts_from_nought(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]), progress={order["run"]: 0.75})
    upkeep.flush(farm)
    assert read(farm, job, "progress") == [0.75]
    silence(farm, clock)
    other = TestClient(farm, hostname="beta")
    other.register()
    other.beat()
    other.fetch()
    assert read(farm, job, "progress", "overallProgress") == [0.0, 0.0]


def test_without_rescheduling_the_work_of_a_lost_client_ends_abandoned(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    strict = replace(farm, policy=replace(farm.policy, reschedule_abandoned=False))
    job = submit(farm, command="render")
    (order,) = client.fetch()
    silence(strict, clock)
    assert read(farm, job, "status", "outcome", "waitingFor") == ["abandoned", "", ""]
    late = client.beat(client.ended(order["run"]))
    assert late.results == {f"{order['run']}:ended": "applied"}
    assert status(farm, job) == "succeeded"
    check_counters(farm)


def test_an_abandoned_job_goes_on_when_its_client_is_back_and_nothing_had_followed(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """9.10: it returns to `running` only if the owner comes back and no parent has moved because of it."""
    strict = replace(farm, policy=replace(farm.policy, reschedule_abandoned=False))
    parent, job, _ = submission.submit(
        farm, {"name": "p", "children": [{"name": "a", "command": "x"}, {"name": "b", "command": "y", "cpus": 0}]}
    )
    (order,) = [each for each in client.fetch() if each["job"] == job]
    client.beat(client.started(order["run"]))
    silence(strict, clock)
    assert [status(farm, each) for each in (parent, job)] == ["queued", "abandoned"]
    client.beat()
    assert [status(farm, each) for each in (parent, job)] == ["queued", "running"]
    client.beat(client.ended(order["run"]))
    assert status(farm, job) == "succeeded"
    check_counters(farm)


def test_an_abandoned_job_whose_parent_has_failed_of_it_is_over(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """9.10, the other way round: the command is ended."""
    strict = replace(farm, policy=replace(farm.policy, reschedule_abandoned=False))
    parent, job = submission.submit(farm, {"name": "p", "children": [{"name": "a", "command": "x"}]})
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    silence(strict, clock)
    assert [status(farm, each) for each in (parent, job)] == ["failed", "abandoned"]
    assert [each["kind"] for each in client.beat().orders] == ["kill"]
    client.beat(client.ended(order["run"], killed=True))
    assert [status(farm, each) for each in (parent, job)] == ["failed", "abandoned"]
    commands.reschedule(farm, [job], "again")
    assert client.run_all() == 1
    assert [status(farm, each) for each in (parent, job)] == ["succeeded", "succeeded"]
    check_counters(farm)


def test_an_abandoned_job_that_is_rescheduled_meanwhile_begins_anew(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    strict = replace(farm, policy=replace(farm.policy, reschedule_abandoned=False))
    job = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    silence(strict, clock)
    commands.reschedule(farm, [job], "again")
    assert status(farm, job) == "runnable"
    assert [each["kind"] for each in client.beat().orders] == ["kill"]
    check_counters(farm)


def test_a_client_heard_while_its_loss_waits_for_its_turn_is_not_lost(
    farm: Farm, client: TestClient, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    clock.advance(farm.policy.lost_seconds + 1)
    write = farm.database.write

    def late(function: object) -> object:
        monkeypatch.setattr(farm.database, "write", write)
        client.beat()
        return write(function)  # type: ignore[arg-type]

    monkeypatch.setattr(farm.database, "write", late)
    upkeep.notice_silence(farm)
    assert read(farm, job, "waitingFor") == [""]


def test_a_child_whose_other_parent_was_cancelled_too_is_not_spared(farm: Farm, client: TestClient) -> None:
    """That parent still runs until its client confirms the kill; it needs nothing any more."""
    first = submit(farm, command="first")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    (child,) = submission.submit(farm, {"name": "child", "command": "shared", "priority": 0}, first)
    (second,) = submission.submit(farm, {"name": "second", "command": "x"}, None, [child])
    commands.cancel(farm, [first], "gone")
    assert read(farm, child, "status") == ["runnable"]
    commands.cancel(farm, [second], "gone")
    assert read(farm, child, "status") == ["cancelled"]


def test_a_disk_that_takes_no_log_keeps_no_other_news_from_arriving(
    farm: Farm, client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    submit(farm, command="a")
    job = submit(farm, command="b")
    first, second = client.fetch()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(farm.output, "append", full)
    answer = client.beat(client.ended(second["run"]), output=(Piece(first["run"], 0, b"hello"),))
    assert answer.output == {first["run"]: 0}
    assert read(farm, job, "status") == ["succeeded"]
    assert "No space left" in caplog.text


def test_a_beat_that_comes_late_changes_nothing(farm: Farm, client: TestClient) -> None:
    client.spare = 2
    client.beat()
    client.sequence = 0
    client.spare = 0
    client.beat(accepting=False)
    presence = farm.watch.get(client.id)
    assert presence is not None
    assert (presence.spare, presence.accepting, presence.sequence) == (2, True, 2)


def test_a_beat_with_nothing_new_touches_no_disk(farm: Farm, client: TestClient, tmp_path: Path) -> None:
    client.beat()
    size = (tmp_path / "farm.db-wal").stat().st_size
    for _ in range(20):
        client.beat()
    assert (tmp_path / "farm.db-wal").stat().st_size == size
    upkeep.flush(farm)
    assert (tmp_path / "farm.db-wal").stat().st_size > size


def test_a_job_that_has_nothing_to_do_ends_below_a_paused_parent_too(farm: Farm) -> None:
    parent = submit(farm, command="render")
    commands.pause(farm, [parent], "not now")
    (child,) = submission.submit(farm, {"name": "a container"}, parent)
    assert read(farm, child, "status", "held") == ["succeeded", ""]


def test_progress_that_was_told_before_the_work_was_abandoned_counts_no_more(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    strict = replace(farm, policy=replace(farm.policy, reschedule_abandoned=False))
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]), progress={order["run"]: 0.5})
    silence(strict, clock)
    upkeep.flush(farm)
    assert read(farm, job, "status") == ["abandoned"]
