"""The methods of notes, called over the real XML: results, defaults and each of their faults (CONTRACT 1.2, Notes)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import TestClient
from rpc_kit import refused

from hqserver.domain.note import LONGEST_NOTE
from hqserver.rpc.method import MOST_IDS
from hqserver.services.farm import Farm

OWNER = {"clientHostname", "clientId", "clientLabel", "jobId"}


def add(hq: Any, *texts: str, job: int | None = None) -> list[int]:
    """Add notes to one thread; their ids."""
    thread = None
    for text in texts:
        assert hq.addNote(text, thread, job, None) is True
        thread = hq.getNoteThreadIds()[-1]
    (found,) = hq.getNoteThreads([thread], ["notes"], ["id"])
    return [note["id"] for note in found["notes"]]


def test_threads_and_notes_have_the_attributes_of_the_contract(hq: Any, client: TestClient) -> None:
    """CONTRACT 1.3, and the ids that it does not name (9.3)."""
    assert hq.addNote("hot", None, None, client.id) is True
    (thread,) = hq.getNoteThreads()
    assert set(thread) == {*OWNER, "notes", "id"}
    (note,) = thread["notes"]
    assert set(note) == {*OWNER, "date", "text", "id", "threadId"}
    assert (note["threadId"], note["clientHostname"], note["jobId"]) == (thread["id"], "alpha", None)
    assert hq.getLatestNotes() == [note]
    assert hq.getLatestNotes([thread["id"]], ["date"]) == [{key: note[key] for key in ("id", "threadId", "date")}]
    assert hq.getNoteThreads([thread["id"], 99], ["jobId"]) == [{"id": thread["id"], "jobId": None}]
    assert hq.getNoteThreads("", "", "") == [thread], "9.2: empty text counts as None"


def test_thread_ids_are_listed_and_asked_about(hq: Any) -> None:
    assert hq.getNoteThreadIds() == []
    for _ in range(2):
        hq.addNote("about the farm", None, None, None)
    hq.addNote("more", 1, None, None)
    hq.addNote("into a thread that is not there", 99, None, None)
    assert hq.getNoteThreadIds() == [1, 2, 3]
    assert [hq.threadExists(thread) for thread in (1, "2", 99)] == [True, True, False]


def test_whether_a_thread_exists_is_none_while_the_database_fails(hq: Any, farm: Farm) -> None:
    with farm.database.read():  # the only open reader is taken: the next one must open the file
        moved = farm.database.path.rename(farm.database.path.with_suffix(".away"))
        try:
            assert hq.threadExists(1) is None
        finally:
            moved.rename(farm.database.path)


def test_notes_are_removed_in_the_order_given(hq: Any) -> None:
    """9.26."""
    first, second, third = add(hq, "one", "two", "three")
    assert hq.removeNotes([first, second]) == [first]
    assert hq.removeNotes([99, third, first]) == [99]
    assert hq.getNoteThreadIds() == []
    assert hq.removeNotes([]) == []


def test_a_single_note_says_whether_it_was_removed(hq: Any) -> None:
    first, second = add(hq, "one", "two")
    assert [hq.removeSingleNote(note) for note in (first, str(second), second, first)] == [False, True, False, True]


def test_threads_are_removed_with_their_notes(hq: Any) -> None:
    (job,) = hq.newjob({"name": "a", "command": "true"})
    add(hq, "one", "two", job=job)
    add(hq, "other")
    assert hq.removeThreads([99, 1]) == [99]
    assert hq.getJob(job, ["threadId", "latestNote"]) == {"id": job, "threadId": None, "latestNote": ""}
    assert [hq.removeSingleThread(thread) for thread in (2, 2)] == [True, False]
    assert hq.getNoteThreads() == hq.getLatestNotes() == []


def test_a_note_that_cannot_be_stored_is_a_fault_and_nothing_is(hq: Any, client: TestClient) -> None:
    (job,) = hq.newjob({"name": "a", "command": "true"})
    for params, code, words in [
        (("x", None, job, client.id), -32602, "at most one of job_id and client_id"),
        (("x", None, 99, None), 404, "there is no job 99"),
        (("x", None, None, 99), 404, "there is no client 99"),
        (("x", None, "beauty", None), -32602, "job_id must be an id"),
        (([5], None, None, None), -32602, "note_text must be text"),
        (("x" * (LONGEST_NOTE + 1), None, job, None), -32602, f"more than {LONGEST_NOTE}"),
        (("x",), -32602, "addNote(note_text, thread_id, job_id, client_id)"),
    ]:
        fault = refused(hq.addNote, *params)
        assert (fault.faultCode, words in fault.faultString) == (code, True), fault.faultString
    assert hq.getNoteThreadIds() == []


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("getNoteThreads", [None, ["note"]], "did you mean 'notes'"),
        ("getNoteThreads", [None, None, ["txt"]], "did you mean 'text'"),
        ("getLatestNotes", [None, ["Date"]], "did you mean 'date'"),
    ],
)
def test_an_unknown_attribute_is_a_fault_with_the_near_match(
    hq: Any, method: str, params: list[Any], words: str
) -> None:
    """9.4."""
    fault = refused(getattr(hq, method), *params)
    assert (fault.faultCode, words in fault.faultString) == (-32602, True), fault.faultString


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        *(("removeNotes", 1), ("removeNotes", ["x"]), ("removeThreads", None), ("removeThreads", [1.5])),
        *(("removeSingleNote", "x"), ("removeSingleThread", [1]), ("threadExists", None)),
    ],
)
def test_what_is_no_id_is_a_fault(hq: Any, method: str, wrong: Any) -> None:
    fault = refused(getattr(hq, method), wrong)
    assert (fault.faultCode, method in fault.faultString) == (-32602, True)


@pytest.mark.slow
def test_too_many_threads_are_a_fault(hq: Any) -> None:
    """9.3."""
    many = list(range(1, 10_002))
    assert refused(hq.getNoteThreads, many).faultCode == 413
    assert hq.getNoteThreads(many, ["jobId"]) == []
    assert refused(hq.removeNotes, [1] * (MOST_IDS + 1)).faultCode == 413
