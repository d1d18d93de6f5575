"""Notes on jobs, on clients and on the farm (CONTRACT 1.2 and 1.3, Notes)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import SetClock, TestClient, submit

from hqserver.domain.errors import BadParameters, NotFound
from hqserver.domain.note import LONGEST_NOTE
from hqserver.services import lookup, notes
from hqserver.services.farm import Farm


def texts(farm: Farm) -> dict[int, list[str]]:
    return {
        thread["id"]: [note["text"] for note in thread["notes"]]
        for thread in notes.note_threads(farm, None, None, None)
    }


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
def test_a_blank_note_is_not_stored(farm: Farm, text: str) -> None:
    notes.add_note(farm, text, None, submit(farm), None)
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


def test_only_the_attributes_asked_for_are_answered(farm: Farm) -> None:
    job = submit(farm)
    notes.add_note(farm, "one", None, job, None)
    (thread,) = texts(farm)
    assert notes.note_threads(farm, [thread], ["jobId"], None) == [{"id": thread, "jobId": job}]
    assert notes.note_threads(farm, [thread], ["notes"], ["text"]) == [{"id": thread, "notes": [{"text": "one"}]}]
    assert notes.latest_notes(farm, None, ["text"]) == [{"text": "one"}]


@pytest.mark.parametrize("given", [(["jobid"], None), (None, ["txt"]), (["id"], ["txt"])])
def test_an_unknown_attribute_is_refused_even_where_there_are_no_notes(farm: Farm, given: tuple[Any, Any]) -> None:
    with pytest.raises(BadParameters, match="there is no attribute"):
        notes.note_threads(farm, None, *given)
    with pytest.raises(BadParameters, match="there is no attribute 'txt'; did you mean 'text'"):
        notes.latest_notes(farm, None, ["txt"])
