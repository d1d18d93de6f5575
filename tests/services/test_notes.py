"""Notes on jobs, on clients and on the farm (CONTRACT 1.2 and 1.3, Notes)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from farm_kit import SetClock, TestClient, submit

from hqserver.domain.errors import BadParameters, Busy, NotFound, TooLarge
from hqserver.domain.note import LONGEST_NOTE
from hqserver.services import notes
from hqserver.services.farm import Farm
from hqserver.services.queries import lookup
from hqserver.store import notes as stored
from hqserver.store.database import Transaction


def texts(farm: Farm) -> dict[int, list[str]]:
    return {
        thread["id"]: [note["text"] for note in thread["notes"]]
        for thread in notes.note_threads(farm, None, None, None)
    }


@contextmanager
def unreadable(farm: Farm) -> Iterator[None]:
    """While the database cannot be read."""
    with farm.database.read():  # the only open reader is taken: the next one must open the file
        moved = farm.database.path.rename(farm.database.path.with_suffix(".away"))
        try:
            yield
        finally:
            moved.rename(farm.database.path)


def test_a_note_on_a_job_begins_its_thread_and_the_next_one_joins_it(farm: Farm, clock: SetClock) -> None:
    job = submit(farm)
    assert lookup.job_detail(farm, job, ["threadId", "latestNote"]) == {"id": job, "threadId": None, "latestNote": ""}
    notes.add_note(farm, "first", None, job, None)
    clock.advance(10)
    notes.add_note(farm, "second", None, job, None)
    (thread,) = notes.note_threads(farm, None, None, None)
    assert {key: thread[key] for key in ("jobId", "clientId", "clientHostname", "clientLabel")} == {
        "jobId": job,
        "clientId": None,
        "clientHostname": "",
        "clientLabel": "",
    }
    assert [(note["text"], note["jobId"]) for note in thread["notes"]] == [("first", job), ("second", job)]
    assert (thread["notes"][1]["date"] - thread["notes"][0]["date"]).total_seconds() == 10
    found = lookup.job_detail(farm, job, ["threadId", "latestNote"])
    assert (found["threadId"], found["latestNote"]) == (thread["id"], "second")


def test_a_note_on_a_client_names_it(farm: Farm, client: TestClient) -> None:
    named = TestClient(farm, name="gpu", session="s2")
    named.register()
    notes.add_note(farm, "hot", None, None, named.id)
    (thread,) = notes.note_threads(farm, None, None, None)
    assert (thread["clientHostname"], thread["clientLabel"], thread["clientId"]) == ("alpha", "alpha:gpu", named.id)
    assert thread["notes"][0]["clientLabel"] == "alpha:gpu"
    assert lookup.client_detail(farm, named.id, ["latestNote"])["latestNote"] == "hot"
    assert lookup.client_detail(farm, client.id, ["threadId"])["threadId"] is None


def test_a_note_goes_to_the_thread_that_is_named(farm: Farm) -> None:
    notes.add_note(farm, "one", None, None, None)
    notes.add_note(farm, "two", None, None, None)
    first, second = texts(farm)
    notes.add_note(farm, "more", first, None, None)
    assert texts(farm) == {first: ["one", "more"], second: ["two"]}


def test_a_thread_that_does_not_exist_gives_a_new_one(farm: Farm) -> None:
    notes.add_note(farm, "one", 99, None, None)
    assert list(texts(farm).values()) == [["one"]]


def test_a_job_comes_before_the_thread_that_is_named_too(farm: Farm) -> None:
    job = submit(farm)
    notes.add_note(farm, "farm", None, None, None)
    (thread,) = texts(farm)
    notes.add_note(farm, "job", thread, job, None)
    assert sorted(texts(farm).values()) == [["farm"], ["job"]]


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_a_blank_note_is_not_stored_whatever_it_is_about(farm: Farm, text: str) -> None:
    for about in [(None, submit(farm), None), (None, None, None), (None, 99, None), (None, None, 99)]:
        notes.add_note(farm, text, *about)
    assert texts(farm) == {}


def test_what_is_wrong_is_refused_and_nothing_stored(farm: Farm, client: TestClient) -> None:
    job = submit(farm)
    with pytest.raises(BadParameters, match="at most one of job_id and client_id"):
        notes.add_note(farm, "x", None, job, client.id)
    with pytest.raises(NotFound, match="there is no job 99"):
        notes.add_note(farm, "x", None, 99, None)
    with pytest.raises(NotFound, match="there is no client 99"):
        notes.add_note(farm, "x", None, None, 99)
    with pytest.raises(BadParameters, match=f"more than {LONGEST_NOTE}"):
        notes.add_note(farm, "x" * (LONGEST_NOTE + 1), None, job, None)
    assert texts(farm) == {}


def test_the_newest_note_of_each_thread(farm: Farm) -> None:
    job = submit(farm)
    for text in ("one", "two"):
        notes.add_note(farm, text, None, job, None)
    notes.add_note(farm, "three", None, None, None)
    found = notes.latest_notes(farm, None, None)
    assert [(note["text"], note["jobId"]) for note in found] == [("two", job), ("three", None)]
    first, second = texts(farm)
    assert [note["text"] for note in notes.latest_notes(farm, [second, 99, first], ["text"])] == ["three", "two"]
    assert [note["text"] for note in notes.latest_notes(farm, [first, first], ["text"])] == ["two", "two"]


def test_only_the_attributes_asked_for_are_answered(farm: Farm) -> None:
    job = submit(farm)
    notes.add_note(farm, "one", None, job, None)
    (thread,) = texts(farm)
    assert notes.note_threads(farm, [thread], ["jobId"], None) == [{"id": thread, "jobId": job}]
    # A note always says its id and its thread's, without which nobody could remove it or reply to it (9.3).
    note = {"id": 1, "threadId": thread, "text": "one"}
    assert notes.note_threads(farm, [thread], ["notes"], ["text"]) == [{"id": thread, "notes": [note]}]
    assert notes.latest_notes(farm, None, ["text"]) == [note]


@pytest.mark.parametrize("given", [(["jobid"], None), (None, ["txt"]), (["id"], ["txt"])])
def test_an_unknown_attribute_is_refused_even_where_there_are_no_notes(farm: Farm, given: tuple[Any, Any]) -> None:
    with pytest.raises(BadParameters, match="there is no attribute"):
        notes.note_threads(farm, None, *given)
    with pytest.raises(BadParameters, match="there is no attribute 'txt'; did you mean 'text'"):
        notes.latest_notes(farm, None, ["txt"])


def test_the_notes_of_too_many_threads_are_refused(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """9.3."""
    monkeypatch.setattr(notes, "MOST_THREADS_COMPUTED", 2)
    with pytest.raises(TooLarge, match="3 threads with their notes; at most 2 a call"):
        notes.note_threads(farm, [1, 2, 3], None, None)
    assert notes.note_threads(farm, [1, 2, 3], ["jobId"], None) == []


def test_whether_a_thread_exists_is_none_while_the_database_cannot_tell(
    farm: Farm, caplog: pytest.LogCaptureFixture
) -> None:
    notes.add_note(farm, "one", None, None, None)
    assert (notes.thread_ids(farm), notes.thread_exists(farm, 1), notes.thread_exists(farm, 2)) == ([1], True, False)
    with caplog.at_level(logging.ERROR), unreadable(farm):
        assert notes.thread_exists(farm, 1) is None
    assert "thread 1 cannot be read" in caplog.text


# Removing ------------------------------------------------------------------------------------------------------------


def ids(farm: Farm) -> dict[int, list[int]]:
    return {
        thread["id"]: [note["id"] for note in thread["notes"]] for thread in notes.note_threads(farm, None, None, [])
    }


def test_the_first_note_stays_while_others_are_left(farm: Farm) -> None:
    """9.26."""
    job = submit(farm)
    for text in ("one", "two", "three"):
        notes.add_note(farm, text, None, job, None)
    assert notes.remove_notes(farm, [1, 2, 99]) == [1, 99]
    assert ids(farm) == {1: [1, 3]}
    assert notes.remove_notes(farm, [3, 1]) == []
    assert ids(farm) == {}, "with its first note, removed last, the thread goes"
    assert lookup.job_detail(farm, job, ["threadId", "latestNote"]) == {"id": job, "threadId": None, "latestNote": ""}


def test_ids_of_notes_and_threads_are_never_given_again(farm: Farm) -> None:
    """9.26."""
    notes.add_note(farm, "one", None, None, None)
    assert notes.remove_notes(farm, [1]) == []
    notes.add_note(farm, "two", None, None, None)
    assert ids(farm) == {2: [2]}
    assert notes.remove_notes(farm, [1]) == [1], "a call that is repeated removes nothing else"


def test_a_thread_is_removed_with_its_notes(farm: Farm) -> None:
    for text in ("one", "two"):
        notes.add_note(farm, text, 1, None, None)
    notes.add_note(farm, "other", None, None, None)
    assert notes.remove_threads(farm, [1, 99, 1]) == [99]
    assert ids(farm) == {2: [3]}
    assert notes.remove_notes(farm, [2]) == [2]


# The farm's own notes, and the newest ones ----------------------------------------------------------------------------


def test_an_automatic_note_joins_the_thread_of_its_job_or_client(farm: Farm, client: TestClient) -> None:
    """9.26."""
    job = submit(farm)
    notes.add_note(farm, "by hand", None, job, None)

    def write(transaction: Transaction) -> None:
        stored.add_automatic(transaction.connection, job, None, "failed: exit code 1 on alpha", 5.0)
        stored.add_automatic(transaction.connection, None, client.id, "x" * (LONGEST_NOTE + 1), 6.0)
        stored.add_automatic(transaction.connection, None, None, "about the farm", 7.0)

    farm.database.write(write)
    assert texts(farm) == {
        1: ["by hand", "failed: exit code 1 on alpha"],
        2: ["x" * LONGEST_NOTE],
        3: ["about the farm"],
    }


def test_the_newest_notes_say_what_they_are_about(farm: Farm, client: TestClient) -> None:
    job = submit(farm, name="beauty")
    notes.add_note(farm, "one", None, job, None)
    notes.add_note(farm, "two", None, None, client.id)
    notes.add_note(farm, "three", None, None, None)
    found = notes.recent_notes(farm, 2)
    assert [(note.text, note.job_id, note.client_id, note.client) for note in found] == [
        ("three", None, None, ""),
        ("two", None, client.id, "alpha"),
    ]
    last = notes.recent_notes(farm, 9)[-1]
    assert (last.id, last.job_id, last.job_name, last.client) == (1, job, "beauty", "")
    with unreadable(farm), pytest.raises(Busy, match="cannot be read"):
        notes.recent_notes(farm, 2)
