"""Callbacks: which events fire them, how often, and what goes with what (CONTRACT 10)."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, restarted, submit

from hqserver.domain.errors import Conflict, NotFound
from hqserver.domain.mail import Mail, MailPolicy
from hqserver.services import callbacks, deliveries
from hqserver.services.care import upkeep
from hqserver.services.control import commands, deletion
from hqserver.services.events import events, notices, triggering
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission

HOOK = {"type": "webhook", "url": "http://127.0.0.1:9/"}
TELL = {"type": "command", "command": "tell"}


@pytest.fixture
def policy() -> Policy:
    return Policy(mail=MailPolicy("studio", "http://farm:5000"))


def add(farm: Farm, job_id: int | None, triggers: Any, action: Any = HOOK) -> int:
    return callbacks.add(farm, job_id, triggers, action, "ann")


def told(farm: Farm) -> list[tuple[int, int, str, str]]:
    """What is to be delivered: callback, job, piece, status."""
    found = [each.document for each in deliveries.due_webhooks(farm)]
    return [(each["callback"], each["job"], each["work"], each["now"]) for each in found]


def mails(farm: Farm) -> list[Mail]:
    return notices.due(farm)


def fail(client: TestClient) -> None:
    (order,) = client.fetch()
    client.beat(client.ended(order["run"], 1))


# What fires ----------------------------------------------------------------------------------------------------------


def test_a_callback_of_a_job_fires_on_its_status_and_on_no_other(farm: Farm, client: TestClient) -> None:
    other = submit(farm, command="y")
    fail(client)
    job = submit(farm, command="x")
    number = add(farm, job, "failed")
    commands.reschedule(farm, [other], "")
    (first, second) = client.fetch()
    client.beat(client.started(first["run"]), client.started(second["run"]))
    assert told(farm) == []
    client.beat(client.ended(first["run"], 1), client.ended(second["run"], 1))
    assert told(farm) == [(number, job, "", "failed")]


def test_it_fires_once_an_event_and_again_for_the_next(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    number = add(farm, job, ["failed", "job:failed", "any:failed", "work:failed"])
    fail(client)
    commands.reschedule(farm, [job], "")
    fail(client)
    assert told(farm) == [(number, job, "", "failed")] * 2
    ids = [each.event_id for each in deliveries.due_webhooks(farm)]
    page = events.get_events(farm, ids[0] - 1, 10_000, {"job": job, "kind": "job"})["events"]
    assert [event["id"] for event in page if event["now"] == "failed"] == ids


def test_lines_of_history_fire_too(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    number = add(farm, job, "rescheduled,priority changed")
    commands.set_priority(farm, [job], 4)
    fail(client)
    commands.reschedule(farm, [job], "")
    assert told(farm) == [(number, job, "", "priority changed"), (number, job, "", "rescheduled")]


def test_pieces_of_an_agenda_fire_each_for_itself(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", agenda="1-2")
    number, of_job = add(farm, job, "work:failed"), add(farm, job, "failed")
    first, second = client.fetch()
    client.beat(client.ended(first["run"], 1))
    assert told(farm) == [(number, job, "1", "failed")]
    client.beat(client.ended(second["run"], 1))
    assert told(farm)[1:] == [(number, job, "2", "failed"), (of_job, job, "", "failed")]


def test_the_only_piece_of_a_plain_job_is_told_by_the_job(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    number, every = add(farm, job, "work:failed"), add(farm, None, "work:failed")
    fail(client)
    assert told(farm) == [(number, job, "", "failed"), (every, job, "", "failed")] or told(farm) == [
        (every, job, "", "failed"),
        (number, job, "", "failed"),
    ]


def test_many_pieces_that_change_together_are_one_event(farm: Farm) -> None:
    job = submit(farm, command="x", agenda="1-5000")
    number = add(farm, job, "work:cancelled")
    commands.cancel(farm, [job], "")
    assert told(farm) == [(number, job, "", "cancelled")]
    (delivery,) = deliveries.due_webhooks(farm)
    assert delivery.document["reason"].startswith("5000 pieces: ")


def test_children_and_everything_below(farm: Farm, client: TestClient) -> None:
    grandchild = {"name": "grandchild", "command": "x"}
    top, child, below = submission.submit(
        farm, {"name": "top", "command": "x", "children": [{"name": "child", "command": "x", "children": [grandchild]}]}
    )
    of_children, of_all = add(farm, top, "child:succeeded"), add(farm, top, "any:succeeded")
    while client.run_all():
        pass
    found = told(farm)
    assert {each[1] for each in found if each[0] == of_children} == {child}
    assert [each[1] for each in found if each[0] == of_all] == [below, child, top]


def test_a_second_parent_hears_of_a_child_that_both_have(farm: Farm, client: TestClient) -> None:
    child = submit(farm, command="x")
    first, second = (submission.submit(farm, {"name": name}, None, [child])[0] for name in "ab")
    numbers = [add(farm, parent, "child:succeeded") for parent in (first, second)]
    client.run_all()
    assert sorted(told(farm)) == [(number, child, "", "succeeded") for number in numbers]


def test_without_a_job_it_is_of_every_job_new_ones_too(farm: Farm) -> None:
    number = add(farm, None, "runnable,finished")
    job = submit(farm, command="x")
    commands.cancel(farm, [job], "")
    assert told(farm) == [(number, job, "", "runnable"), (number, job, "", "cancelled")]


def test_what_happened_before_does_not_count(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    fail(client)
    add(farm, job, "failed")
    assert told(farm) == []


# What it costs -------------------------------------------------------------------------------------------------------


def statements(farm: Farm, *, of: Any) -> list[str]:
    found: list[str] = []
    farm.database._writer.set_trace_callback(found.append)
    try:
        of()
    finally:
        farm.database._writer.set_trace_callback(None)
    return [each for each in found if "callback" in each or "delivery" in each]


def test_what_nobody_asked_for_costs_one_look_a_transaction(farm: Farm, client: TestClient) -> None:
    submit(farm, command="x", agenda="1-2000", maxConcurrent=1)
    (order,) = client.fetch()
    found = statements(farm, of=lambda: client.beat(client.ended(order["run"])))
    assert found
    assert set(found) == {"SELECT 1 FROM callback LIMIT 1"}


def test_callbacks_of_other_jobs_are_not_read(farm: Farm, client: TestClient) -> None:
    """Every question is answered by an index, however many callbacks there are."""
    ids = submission.submit(farm, [{"name": "x"}] * 300)
    for each in ids:
        add(farm, each, "any:failed")
    submit(farm, command="x")
    found = statements(farm, of=lambda: fail(client))
    asked = [each for each in found if not each.endswith("LIMIT 1")]  # those look whether there is anything at all
    assert len(found) > len(asked) > 1
    with farm.database.read() as connection:
        plans = [row[3] for each in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {each}")]
    assert [plan for plan in plans if plan.startswith("SCAN") and "json_each" not in plan] == []
    assert [plan for plan in plans if plan.startswith("SEARCH callback USING INDEX")]


def test_what_is_due_is_found_by_an_index(farm: Farm) -> None:
    with farm.database.read() as connection:
        for question in (
            "SELECT id FROM delivery WHERE kind = 'webhook' AND next_at <= 5 ORDER BY next_at, id LIMIT 9",
            "SELECT id FROM delivery WHERE kind = 'webhook' AND next_at > 5 ORDER BY next_at, id LIMIT 9",
            "SELECT id, attempts FROM delivery WHERE target = 'x' AND next_at <= 5",
        ):
            plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {question}"))
            assert plan.startswith("SEARCH delivery USING"), plan
            assert "TEMP B-TREE" not in plan


def test_what_waits_for_a_receiver_is_bounded(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggering, "MOST_WAITING", 3)
    number = add(farm, None, "runnable")
    for _ in range(3):
        submission.submit(farm, [{"name": "x", "command": "x"}] * 2)
    (found,) = callbacks.listed(farm, None)
    assert (found["id"], found["fired"], found["waiting"], found["failed"]) == (number, 6, 3, 3)
    assert found["lastError"] == "3 deliveries wait: further ones are left out"
    assert len(told(farm)) == 3


# Mail ----------------------------------------------------------------------------------------------------------------


def test_mail_is_queued_as_that_of_a_job_is(farm: Farm, client: TestClient) -> None:
    job = submit(farm, name="shot 12", command="x")
    number = add(farm, job, "failed", {"type": "mail", "to": "ann@studio.example,bob@studio.example"})
    fail(client)
    (mail,) = mails(farm)
    assert mail.recipients == ("ann@studio.example", "bob@studio.example")
    assert mail.subject == f'[studio] job {job} "shot 12" failed'
    assert f"Callback {number} asks for this mail on: job:failed." in mail.body
    assert "Where:  alpha" in mail.body
    (found,) = callbacks.listed(farm, job)
    assert (found["fired"], found["waiting"], found["failed"]) == (1, 0, 0)


def test_a_mail_has_its_own_subject_on_one_line(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    add(farm, job, "failed", {"type": "mail", "to": "a@b.example", "subject": "look\nBcc: all@b.example"})
    fail(client)
    assert mails(farm)[0].subject == "[studio] look Bcc: all@b.example"


def test_pieces_that_fail_together_are_one_mail(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", agenda="1-2")
    add(farm, job, "work:failed", {"type": "mail", "to": "a@b.example"})
    client.beat(*(client.ended(order["run"], 1) for order in client.fetch()))
    (mail,) = mails(farm)
    assert "failed (piece 1)" in mail.body
    assert mail.subject.endswith("failed (piece 2)")


def test_a_block_of_pieces_says_so(farm: Farm) -> None:
    job = submit(farm, command="x", agenda="1-9")
    add(farm, job, "work:cancelled", {"type": "mail", "to": "a@b.example"})
    commands.cancel(farm, [job], "")
    assert mails(farm)[0].subject.endswith("was cancelled (several pieces)")
    assert "9 pieces" in mails(farm)[0].body


# Commands ------------------------------------------------------------------------------------------------------------


def test_a_command_is_a_job_of_its_own(farm: Farm, client: TestClient) -> None:
    job = submit(farm, name="shot", command="x", submittedBy="ann")
    add(farm, job, "failed", {**TELL, "environment": {"SHOW": "dragon"}})
    fail(client)
    deliveries.submit_commands(farm)
    deliveries.submit_commands(farm)
    (order,) = client.fetch()
    assert order["command"] == "tell"
    assert order["environment"]["SHOW"] == "dragon"
    assert order["environment"]["HQ_EVENT_JOB"] == str(job)
    assert order["environment"]["HQ_EVENT_NOW"] == "failed"
    with farm.database.read() as connection:
        rows = connection.execute("SELECT name, submitted_by FROM job WHERE id > ?", (job,)).fetchall()
    assert [tuple(row) for row in rows] == [(f"callback 1: job {job} failed", "ann")]
    (found,) = callbacks.listed(farm, job)
    assert (found["fired"], found["waiting"]) == (1, 0)


def test_a_command_for_every_job_is_not_fired_by_what_callbacks_made(farm: Farm, client: TestClient) -> None:
    """Else two of them would go on for ever; mail and webhooks do tell of such jobs."""
    add(farm, None, "succeeded,runnable", TELL)
    add(farm, None, "succeeded", {**TELL, "command": "tell others"})
    hook = add(farm, None, "succeeded")
    submit(farm, command="x")
    for _ in range(6):
        deliveries.submit_commands(farm)
        client.run_all()
    with farm.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchone()[0] == 4
    assert sorted(told(farm)) == [(hook, job, "", "succeeded") for job in (1, 2, 3, 4)]


def test_nor_is_it_by_jobs_that_such_a_job_adds_below_itself(farm: Farm, client: TestClient) -> None:
    add(farm, None, "succeeded", TELL)
    submit(farm, command="x")
    client.run_all()
    deliveries.submit_commands(farm)
    (order,) = client.fetch()
    submission.submit(farm, {"name": "below", "command": "x"}, order["job"])
    client.beat(client.ended(order["run"]))
    client.run_all()
    deliveries.submit_commands(farm)
    with farm.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchone()[0] == 3


def test_a_command_of_one_job_may_follow_a_job_that_a_callback_made(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    add(farm, job, "succeeded", TELL)
    client.run_all()
    deliveries.submit_commands(farm)
    add(farm, job + 1, "succeeded", {**TELL, "command": "then this"})
    client.run_all()
    deliveries.submit_commands(farm)
    assert [order["command"] for order in client.fetch()] == ["then this"]


def test_a_command_that_the_farm_does_not_take_is_tried_again(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job = submit(farm, command="x")
    add(farm, job, "failed", {**TELL, "environment": {"A": "b"}})
    fail(client)
    farm.database.write(
        lambda transaction: transaction.connection.execute(
            """UPDATE delivery SET action = '{"command": "tell", "cpus": -1}'"""
        )
    )
    deliveries.submit_commands(farm)
    (found,) = callbacks.listed(farm, job)
    assert (found["waiting"], found["failed"]) == (1, 0)
    assert "cpus must be from 0" in found["lastError"]
    for _ in range(deliveries.MOST_ATTEMPTS - 1):
        clock.advance(3600)
        deliveries.submit_commands(farm)
    (found,) = callbacks.listed(farm, job)
    assert (found["waiting"], found["failed"]) == (0, 1)


# Coming and going ----------------------------------------------------------------------------------------------------


def test_callbacks_and_what_is_due_outlive_the_server(
    farm: Farm, client: TestClient, clock: SetClock, asked: Asked
) -> None:
    job = submit(farm, command="x")
    number = add(farm, job, "failed")
    fail(client)
    with restarted(farm, clock, asked, client) as later:
        assert told(later) == [(number, job, "", "failed")]
        assert [each["id"] for each in callbacks.listed(later, job)] == [number]


def test_callbacks_go_with_their_job_and_what_happened_is_told_all_the_same(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    number = add(farm, job, "failed")
    fail(client)
    deletion.delete(farm, [job])
    with pytest.raises(NotFound, match=f"there is no job {job}"):
        callbacks.listed(farm, job)
    assert told(farm) == [(number, job, "", "failed")]
    assert callbacks.delete(farm, [number]) == []
    assert told(farm) == []


def test_expiry_takes_them_too(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job = submit(farm, command="x")
    add(farm, job, "failed", TELL)
    fail(client)
    deliveries.submit_commands(farm)
    client.run_all()
    clock.advance(20 * 86400)
    upkeep.expire_jobs(farm)
    with farm.database.read() as connection:
        for table in ("callback", "callback_job", "delivery", "job"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0, table


def test_a_deleted_callback_delivers_nothing_more(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    first, second = add(farm, job, "failed"), add(farm, job, "failed", TELL)
    fail(client)
    assert callbacks.delete(farm, [second, first, 99]) == [first, second]
    deliveries.submit_commands(farm)
    assert told(farm) == []
    assert client.fetch() == []


def test_a_command_whose_callback_is_deleted_meanwhile_is_not_submitted(
    farm: Farm, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(farm, command="x")
    number = add(farm, job, "failed", TELL)
    fail(client)
    due = deliveries._due

    def due_then_deleted(*words: Any) -> Any:
        found = due(*words)
        callbacks.delete(farm, [number])
        return found

    monkeypatch.setattr(deliveries, "_due", due_then_deleted)
    deliveries.submit_commands(farm)
    assert client.fetch() == []


def test_ids_of_callbacks_are_never_given_twice(farm: Farm) -> None:
    job = submit(farm, command="x")
    first = add(farm, job, "failed")
    callbacks.delete(farm, [first])
    assert add(farm, job, "failed") > first


def test_a_job_has_a_hundred_callbacks_and_no_more(farm: Farm) -> None:
    for job in (submit(farm, command="x"), None):
        for _ in range(callbacks.MOST_CALLBACKS):
            add(farm, job, "failed")
        with pytest.raises(Conflict, match="100 callbacks already"):
            add(farm, job, "failed")


def test_a_callback_needs_its_job(farm: Farm) -> None:
    with pytest.raises(NotFound, match="there is no job 99"):
        add(farm, 99, "failed")


def test_the_database_refuses_a_callback_of_a_kind_there_is_not(farm: Farm) -> None:
    add(farm, None, "failed")
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        farm.database._writer.execute("UPDATE callback SET kind = 'carrier pigeon'")


class TestWithoutAMailServer:
    @pytest.fixture
    def policy(self) -> Policy:
        return Policy()

    def test_mail_is_refused(self, farm: Farm) -> None:
        job = submit(farm, command="x")
        with pytest.raises(Conflict, match="no mail server is configured"):
            add(farm, job, "failed", {"type": "mail", "to": "a@b.example"})
