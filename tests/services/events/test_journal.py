"""The journal of the farm: what is told, how it is read, for how long it is kept (CONTRACT 10, Runs and history)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, open_farm, restarted, submit

from hqserver.domain.errors import BadParameters
from hqserver.domain.event import EventFilter, EventKind, parse_event_filter
from hqserver.domain.lifecycle import WorkEvent
from hqserver.services import resources
from hqserver.services.care import upkeep
from hqserver.services.clients import client_control, groups
from hqserver.services.control import changing, deletion
from hqserver.services.events.events import ALIKE, KEPT_SECONDS, LONGEST_REASON, forget_old, get_events, tell_of_client
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.queries import lookup
from hqserver.services.work import health
from hqserver.services.work.sheet import Sheet
from hqserver.store import events as store
from hqserver.store import work
from hqserver.store.database import Transaction
from hqserver.store.events import SCANNED
from hqserver.store.idfloor import EVENTS_BLOCK


def told(farm: Farm, after: int | None = 0, **filter: Any) -> list[dict[str, Any]]:
    """The events behind a cursor, as callers get them."""
    return list(get_events(farm, after, 10_000, filter)["events"])


def changes(farm: Farm, **filter: Any) -> list[tuple[str, str]]:
    """The status before and after of each event."""
    return [(event["was"], event["now"]) for event in told(farm, **filter)]


def test_a_job_is_told_of_from_its_submission_to_its_end(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    client.run_all()
    found = told(farm, job=job)
    assert [(event["kind"], event["was"], event["now"]) for event in found] == [
        ("job", "", "runnable"),
        ("job", "runnable", "running"),
        ("job", "running", "succeeded"),
    ]
    assert [event["client"] for event in found] == ["", "alpha", "alpha"]
    assert {event["job"] for event in found} == {job}
    assert [event["id"] for event in found] == sorted(event["id"] for event in found)
    assert found[1]["reason"] == "assigned to alpha"
    assert set(found[0]) == {"id", "time", "kind", "job", "work", "client", "was", "now", "reason"}


def test_events_outlive_their_job_and_tell_of_its_removal(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    client.run_all()
    deletion.delete(farm, [job])
    assert changes(farm, job=job)[-2:] == [("running", "succeeded"), ("succeeded", "deleted")]


def test_a_line_of_history_is_an_event_too(farm: Farm) -> None:
    job = submit(farm, command="render", unheardOf="x")
    changing.change_jobs(farm, [job], "block", {"reason": "later"}, "ada")
    lines = told(farm, job=job, kind="history")
    assert [event["now"] for event in lines] == ["unknown property", "blocked"]
    assert lines[1]["reason"] == "later (block by ada)"


def test_pieces_of_an_agenda_are_told_of_one_by_one_and_other_jobs_have_none(farm: Farm, client: TestClient) -> None:
    agenda = submit(farm, command="render", agenda="1-2")
    plain = submit(farm, command="render")
    client.run_all()
    pieces = [(event["work"], event["was"], event["now"]) for event in told(farm, job=agenda, kind="work")]
    assert sorted(pieces) == [
        ("1", "runnable", "running"),
        ("1", "running", "succeeded"),
        ("2", "runnable", "running"),
        ("2", "running", "succeeded"),
    ]
    assert told(farm, job=plain, kind="work") == []


def test_many_pieces_that_change_together_are_one_event(farm: Farm) -> None:
    job = submit(farm, command="render", agenda="1-1000")
    changing.change_jobs(farm, [job], "cancel", None, "ada")
    (event,) = told(farm, job=job, kind="work")
    assert (event["work"], event["was"], event["now"]) == ("", "runnable", "cancelled")
    assert event["reason"] == "1000 pieces: cancel by ada"
    changing.change_jobs(farm, [job], "rerun", None, "ada")
    assert changes(farm, job=job, kind="work")[1:] == [("cancelled", "queued"), ("queued", "runnable")]


@pytest.mark.parametrize(("count", "expected"), [(ALIKE, ALIKE), (ALIKE + 1, 1)])
def test_pieces_moved_one_by_one_are_summed_up_beyond_so_many(farm: Farm, count: int, expected: int) -> None:
    job = submit(farm, command="render", agenda=f"1-{count}")

    def write(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            for item in work.of_job(sheet.connection, job):
                sheet.move_work(item, WorkEvent.BLOCK, "each by itself")

    farm.database.write(write)
    found = told(farm, job=job, kind="work")
    assert len(found) == expected
    assert found[0]["reason"] == ("each by itself" if expected > 1 else f"{count} pieces: each by itself")


def test_what_befalls_a_run_is_told_and_its_usual_course_is_not(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    usual = submit(farm, command="render")
    client.run_all()
    assert told(farm, job=usual, kind="run") == []
    job = submit(farm, command="render", agenda="7")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    clock.advance(1000)
    upkeep.notice_silence(farm)
    client.beat()
    runs = told(farm, job=job, kind="run")
    assert [(event["was"], event["now"]) for event in runs] == [("running", "lost"), ("lost", "running")]
    assert {(event["work"], event["client"]) for event in runs} == {("7", "alpha")}


def test_clients_come_and_go_in_the_journal(farm: Farm, clock: SetClock) -> None:
    client = TestClient(farm)
    client.register()
    client.beat()
    clock.advance(1000)
    upkeep.notice_silence(farm)
    client.beat()
    client_control.set_disabled(farm, "alpha", True)
    client_control.set_disabled(farm, "alpha", True)
    client_control.set_disabled(farm, "alpha", False)
    client_control.remove(farm, [client.id])
    clock.advance(1000)
    client_control.hide_silent(farm)
    words = [event["now"] for event in told(farm, kind="client")]
    assert words == ["registered", "lost", "back", "disabled", "enabled", "removed"]
    assert {event["client"] for event in told(farm, kind="client")} == {"alpha"}, "and keeps the name it had"


def test_a_client_that_is_set_aside_is_told_and_that_it_is_well(farm: Farm, client: TestClient) -> None:
    presence = farm.watch.get(client.id)
    assert presence is not None

    def write(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            for _ in range(farm.policy.max_client_losses):
                presence.heard_at += 1
                health.client_lost(sheet, presence)
            health.recover(sheet, client.id)

    farm.database.write(write)
    assert changes(farm, kind="client")[-2:] == [("", "sick"), ("sick", "well")]


def test_groups_and_resources_are_told(farm: Farm, client: TestClient) -> None:
    group = groups.create_group(farm, "fast")
    groups.add_client(farm, group, client.id)
    groups.remove_client(farm, group, client.id)
    groups.delete_group(farm, group)
    resources.set_resource(farm, "nuke", 3, False)
    resources.delete_resource(farm, "nuke")
    found = [(event["now"], event["client"], event["reason"]) for event in told(farm, kind="group")]
    assert [each[:2] for each in found] == [("created", ""), ("joined", "alpha"), ("left", "alpha"), ("deleted", "")]
    assert {reason for _, _, reason in found} == {"fast"}
    assert [(event["now"], event["reason"]) for event in told(farm, kind="resource")] == [
        ("set", "nuke"),
        ("deleted", "nuke"),
    ]


def test_what_is_taken_back_is_not_told(farm: Farm) -> None:
    with pytest.raises(KeyError):
        farm.database.write(lambda transaction: _fail_after(farm, transaction))
    assert told(farm) == []


def _fail_after(farm: Farm, transaction: Transaction) -> None:
    tell_of_client(farm, transaction, "alpha", "", "registered")
    raise KeyError


def test_a_long_reason_is_cut_in_the_journal_and_whole_in_the_history(farm: Farm) -> None:
    job = submit(farm, command="x")
    changing.change_jobs(farm, [job], "block", {"reason": "y" * 5_000}, "ada")
    (event,) = told(farm, job=job, kind="history")
    assert (len(event["reason"]), event["reason"][-2:]) == (LONGEST_REASON, "y…")
    logs = lookup.job_detail(farm, job, ["logs"])["logs"]
    assert max(len(line["message"]) for line in logs) > 5_000


# Cursors -----------------------------------------------------------------------------------------------------------


def test_a_cursor_goes_on_where_the_last_page_ended(farm: Farm) -> None:
    for number in range(5):
        submit(farm, name=f"job {number}", command="x")
    first = get_events(farm, None, 2, None)
    second = get_events(farm, first["next"], 2, None)
    third = get_events(farm, second["next"], 2, None)
    jobs = [[event["job"] for event in page["events"]] for page in (first, second, third)]
    assert jobs == [[1, 2], [3, 4], [5]]
    assert [page["more"] for page in (first, second, third)] == [True, True, False]
    assert get_events(farm, third["next"], 2, None) == {**third, "events": []}
    assert not any(page["lost"] for page in (first, second, third))


def test_minus_one_is_only_what_comes(farm: Farm) -> None:
    submit(farm, command="x")
    start = get_events(farm, -1, 10, None)
    assert start["events"] == []
    job = submit(farm, command="x")
    assert [event["job"] for event in told(farm, start["next"])] == [job]


def test_a_cursor_behind_what_is_kept_or_of_another_farm_is_told(farm: Farm, clock: SetClock) -> None:
    submit(farm, command="x")
    seen = get_events(farm, 0, 10, None)["next"]
    submit(farm, command="x")
    clock.advance(KEPT_SECONDS + 1)
    submit(farm, command="x")
    forget_old(farm)
    page = get_events(farm, seen, 10, None)
    assert (page["lost"], [event["job"] for event in page["events"]]) == (True, [3])
    assert get_events(farm, 0, 10, None)["lost"] is False, "who asks for the oldest kept gets it"
    assert get_events(farm, page["next"], 10, None)["lost"] is False
    assert get_events(farm, 10**9, 10, None)["lost"] is True


def test_events_are_kept_for_thirty_days_and_the_newest_for_ever(
    farm: Farm, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hqserver.services.events.events._FORGOTTEN_BATCH", 200)
    submission.submit(farm, [{"name": str(number), "command": "x"} for number in range(500)])
    clock.advance(KEPT_SECONDS - 1)
    forget_old(farm)
    assert len(told(farm)) == 500
    clock.advance(2)
    forget_old(farm)
    assert [event["job"] for event in told(farm)] == [500]


def test_the_clock_that_was_set_ahead_forgets_nothing(farm: Farm, clock: SetClock) -> None:
    submit(farm, command="x")
    submit(farm, command="x")
    clock.wall += KEPT_SECONDS * 2
    forget_old(farm)
    assert len(told(farm)) == 2


def test_ids_go_on_after_a_copy_was_put_back(tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy) -> None:
    """A cursor from the time that was lost must not be taken for one of the time that followed (CONTRACT 9.26)."""
    farm = open_farm(tmp_path, clock, asked, policy)
    submit(farm, command="x")
    farm.database.close()
    copy = (tmp_path / "farm.db").read_bytes()
    farm = open_farm(tmp_path, clock, asked, policy)
    for _ in range(3):
        submit(farm, command="x")
    seen = get_events(farm, 0, 100, None)["next"]
    farm.database.close()
    (tmp_path / "farm.db").write_bytes(copy)
    farm = open_farm(tmp_path, clock, asked, policy)
    job = submit(farm, command="x")
    page = get_events(farm, seen, 100, None)
    assert [event["job"] for event in page["events"]] == [job]
    assert page["events"][0]["id"] > seen
    farm.database.close()


@pytest.mark.slow
def test_a_block_of_ids_is_reserved_at_once(farm: Farm) -> None:
    """A file is written and synchronised for each block, and every change takes an id."""
    submit(farm, command="x")
    written = (farm.database.path.parent / "id.floor").stat().st_mtime_ns
    for _ in range(90):
        submit(farm, command="x")
    assert (farm.database.path.parent / "id.floor").stat().st_mtime_ns == written
    assert EVENTS_BLOCK >= 10_000


# Filters -----------------------------------------------------------------------------------------------------------


def test_a_filter_takes_jobs_roots_and_kinds(farm: Farm) -> None:
    root, child = submission.submit(
        farm, {"name": "root", "command": "x", "children": [{"name": "child", "command": "x"}]}
    )
    other = submit(farm, command="x")
    assert {event["job"] for event in told(farm, root=root)} == {root, child}
    assert {event["job"] for event in told(farm, job=[child, other])} == {child, other}
    assert {event["job"] for event in told(farm, job=other, root=[root])} == {root, child, other}
    assert {event["job"] for event in told(farm, job=f"{child}, {other}")} == {child, other}
    assert told(farm, kind="client") == []
    assert told(farm, job=[]) == []


def test_a_filter_that_matches_little_goes_on_page_by_page(farm: Farm) -> None:
    first = submit(farm, command="x")

    def fill(transaction: Transaction) -> None:
        transaction.connection.executemany(
            "INSERT INTO event (at, kind, work, client, was, now, reason) VALUES (?, 'client', '', '', '', '', '')",
            [(1.0,)] * (SCANNED + 10),
        )

    farm.database.write(fill)
    last = submit(farm, command="x")
    page = get_events(farm, 0, 100, {"kind": "job"})
    assert ([event["job"] for event in page["events"]], page["more"]) == ([first], True)
    page = get_events(farm, page["next"], 100, {"kind": "job"})
    assert ([event["job"] for event in page["events"]], page["more"]) == ([last], False)


@pytest.mark.parametrize(
    ("filter", "words"),
    [
        ({"jobs": 1}, "did you mean 'job'"),
        ({"job": "x"}, "not the id of a job"),
        ({"job": {"a": 1}}, "filter.job must be"),
        ({"kind": "jobb"}, "did you mean 'job'"),
        ({"job": list(range(1001))}, "at most 1000"),
    ],
)
def test_a_filter_that_is_wrong_is_refused_by_name(farm: Farm, filter: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        get_events(farm, 0, 10, filter)


@pytest.mark.parametrize(("after", "limit"), [(-2, 10), (0, 0), (0, 10_001)])
def test_a_cursor_or_limit_out_of_range_is_refused(farm: Farm, after: int, limit: int) -> None:
    with pytest.raises(BadParameters):
        get_events(farm, after, limit, None)


def test_reading_the_journal_never_scans_it(farm: Farm) -> None:
    with farm.database.read() as connection:
        plans: list[str] = []
        connection.set_trace_callback(plans.append)
        for wanted in (EventFilter(), parse_event_filter({"job": [1, 2]}), parse_event_filter({"root": 1})):
            store.page(connection, 0, 10, wanted)
            store.page(connection, 5, 10, wanted)
        connection.set_trace_callback(None)
        for statement in [each for each in plans if " FROM event" in each]:
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall():
                detail = row["detail"]
                assert "TEMP B-TREE" not in detail, detail
                assert "SCAN event" not in detail or "ORDER BY id LIMIT 1" in statement, detail


# In memory ---------------------------------------------------------------------------------------------------------


def test_what_was_told_last_is_read_from_memory_as_from_the_database(farm: Farm, client: TestClient) -> None:
    submit(farm, command="x")
    client.run_all()
    submit(farm, command="x", agenda="1-3")
    for wanted in (EventFilter(), EventFilter(jobs=frozenset({1})), EventFilter(kinds=frozenset({EventKind.WORK}))):
        for after in range(6):
            found = farm.journal.recent(after, 100, wanted)
            with farm.database.read() as connection:
                kept = store.page(connection, after, 100, wanted)
            assert found is not None
            assert (list(found.events), found.next, found.more) == (list(kept.events), kept.next, kept.more)
    limited = farm.journal.recent(0, 2, EventFilter())
    assert limited is not None
    assert (len(limited.events), limited.more, limited.next) == (2, True, limited.events[-1].id)


def test_memory_says_when_it_does_not_go_back_so_far(
    farm: Farm, clock: SetClock, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert farm.journal.recent(0, 10, EventFilter()) is None, "nothing was told since the start"
    submit(farm, command="x")
    with restarted(farm, clock, asked) as again:
        submit(again, command="x")
        assert again.journal.recent(0, 10, EventFilter()) is None
        (event,) = told(again)[1:]
        assert again.journal.recent(event["id"] - 1, 10, EventFilter()) is not None
        monkeypatch.setattr("hqserver.services.events.journal._RECENT", 2)
        for _ in range(3):
            submit(again, command="x")
        assert again.journal.recent(event["id"], 10, EventFilter()) is None
        (last,) = told(again)[-1:]
        assert again.journal.recent(last["id"] - 2, 10, EventFilter()) is not None
    object.__setattr__(farm, "database", again.database)


def test_events_are_published_after_the_commit_and_in_order(farm: Farm) -> None:
    heard: list[int] = []

    def listen() -> None:
        with farm.database.read() as connection:
            heard.append(store.last(connection))

    farm.journal.listen(listen)
    ids = [submit(farm, command="x") for _ in range(3)]
    assert heard == ids


def test_the_time_of_an_event_is_that_of_the_server(farm: Farm, clock: SetClock) -> None:
    submit(farm, command="x")
    clock.advance(60)
    submit(farm, command="x")
    first, second = told(farm)
    assert second["time"] - first["time"] == timedelta(minutes=1)
