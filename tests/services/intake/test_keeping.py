"""Jobs as documents: exported, deleted, imported again; and what is refused (CONTRACT 10, Keeping)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm, submit
from scheduling_kit import condition, detail, events, passes

from hqserver.domain import kept
from hqserver.domain.errors import BadSpecification, Conflict, NotFound, TooLarge
from hqserver.domain.family import fails_its_parent
from hqserver.domain.status import FINISHED_JOB
from hqserver.services import notes, resources
from hqserver.services.care import upkeep
from hqserver.services.control import changing, commands, deletion
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import exports, imports, submission
from hqserver.services.intake.agenda import list_work
from hqserver.services.queries import finding, lookup

ANOTHER_FARM = ("id", "parents", "children", "root", "threadId", "outcome", "updatedTime", "logs", "clients")
"""What differs after an import: ids, that it was imported, and what runs told."""


def document_of(farm: Farm, *job_ids: int) -> dict[str, Any]:
    return dict(json.loads(exports.export_jobs(farm, job_ids)))


def moved(farm: Farm, *job_ids: int) -> dict[int, int]:
    """Export the jobs, delete them, import them; new ids by old ones."""
    document = exports.export_jobs(farm, job_ids)
    deletion.delete(farm, job_ids)
    return {pair["was"]: pair["id"] for pair in imports.import_jobs(farm, document)}


def attributes(farm: Farm, job_id: int) -> dict[str, Any]:
    """All that stays of a job, with the history before its import."""
    found = lookup.job_detail(farm, job_id, None)
    kept = {name: value for name, value in found.items() if name not in ANOTHER_FARM}
    return kept | {"history": [line for line in found["logs"] if line["event"] != "imported"]}


def a_tree(farm: Farm) -> list[int]:
    """A tree of all sorts: a root with hooks, an agenda with a piece that failed, a child shared by two."""
    rich = {
        "name": "rich \x1b[2J",
        "command": {"linux": "render", "windows": "render.exe"},
        "description": "née",
        "environment": {"A": "b\x07"},
        "conditions": [condition("cpus", ">=", "1")],
        "tags": ["nightly"],
        "resources": {"db": 1},
        "triesLeft": 2,
        "maxTime": 600,
        "maxMemory": 2**40,
        "failurePatterns": {"^ERR": "retry"},
        "onError": "mail",
        "cleanup": "rm",
        "emailTo": "a@example.com",
        "emailReasons": "failed",
        "properties": {"shot": "010"},
        "priority": 3,
        "submittedBy": "ana",
        "houseRule": {"deep": [1, None]},
    }
    frames = {"name": "frames", "command": "f {frame}", "agenda": "1-6", "chunk": 2, "order": "binary", "stubId": "f"}
    resources.set_resource(farm, "db", 5, False)
    return submission.submit(
        farm,
        [
            {**rich, "children": [{"name": "both", "childStubIds": ["f"]}, frames]},
            {"name": "other root", "command": "o", "childStubIds": ["f"]},
        ],
    )


def finish(farm: Farm, client: TestClient, failing: str = "") -> None:
    """Run all there is; the piece of this name fails."""
    while orders := client.fetch():
        client.beat(*(client.ended(each["run"], int(bool(failing) and failing in str(each))) for each in orders))


def test_finished_jobs_come_back_with_all_their_attributes(farm: Farm, client: TestClient, clock: SetClock) -> None:
    ids = a_tree(farm)
    finish(farm, client, failing="3-4")
    notes.add_note(farm, "look here", None, ids[0], None)
    clock.advance(60)
    before = {job_id: attributes(farm, job_id) for job_id in ids}
    pieces = [list_work(farm, job_id) for job_id in ids]
    assert {row["status"] for row in before.values()} == {"failed"}
    new = moved(farm, *ids[:2])
    assert list(new) == ids and not set(new.values()) & set(ids)
    assert {was: attributes(farm, job_id) for was, job_id in new.items()} == before
    for job_id, was in zip(new.values(), pieces, strict=True):
        for one, other in zip(list_work(farm, job_id), was, strict=True):
            assert {k: one[k] for k in ("name", "first", "last", "status", "package")} == {
                k: other[k] for k in ("name", "first", "last", "status", "package")
            }
    for was, job_id in new.items():
        assert events(farm, job_id)[-1] == ("imported", f"from job {was}")
    child = new[ids[3]]
    assert sorted(detail(farm, child, "parents")) == sorted([new[ids[0]], new[ids[1]], new[ids[2]]])
    assert detail(farm, child, "root") == detail(farm, new[ids[0]], "root") == new[ids[0]]
    exported = document_of(farm, new[ids[0]])
    assert exported["jobs"][0]["specification"]["houseRule"] == {"deep": [1, None]}


def test_the_same_document_comes_out_of_an_import(farm: Farm, client: TestClient) -> None:
    ids = a_tree(farm)
    finish(farm, client)
    before = document_of(farm, *ids)
    new = moved(farm, *ids[:2])
    after = document_of(farm, *new.values())
    for one, other in zip(before["jobs"], after["jobs"], strict=True):
        assert one["specification"] == other["specification"]
        assert one["work"] == other["work"]
        assert one["logs"] == other["logs"][:-1]
        assert new[one["id"]] == other["id"]


def test_a_succeeded_job_says_that_it_was_imported(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    client.run_all()
    (new,) = moved(farm, job).values()
    assert (detail(farm, new, "status"), detail(farm, new, "outcome")) == ("succeeded", "imported")
    assert client.run_all() == 0


def test_an_imported_job_can_be_found_and_done_again(farm: Farm, client: TestClient) -> None:
    job = submit(farm, name="needle", command="x", tags=["blue"])
    client.run_all()
    (new,) = moved(farm, job).values()
    for wanted in ({"text": "needle"}, {"tags": ["blue"]}, {"status": ["succeeded"]}):
        assert [each["id"] for each in finding.find_jobs(farm, wanted, ["id"], None, None, None)["jobs"]] == [new]
    commands.reschedule(farm, [new], "again")
    assert client.run_all() == 1
    assert detail(farm, new, "outcome") == "exit"


def test_what_had_not_ended_comes_in_blocked_and_keeps_what_was_done(farm: Farm, client: TestClient) -> None:
    """A running agenda keeps its results; the piece that ran begins anew; nothing runs before it is unblocked."""
    job = submit(farm, command="f", agenda="1-4", maxConcurrent=1)
    parent = submit(farm, name="parent", command="p", childrenIds=[job])
    (order,) = client.fetch()
    (order,) = [each for each in client.beat(client.ended(order["run"])).orders if each["kind"] == "start"]
    client.beat(client.started(order["run"]), progress={order["run"]: 0.5})
    upkeep.flush(farm)
    document = document_of(farm, parent)
    for each in document["jobs"]:
        each["specification"].pop("uuid")
    new = {pair["was"]: pair["id"] for pair in imports.import_jobs(farm, document)}
    frames, top = new[job], new[parent]
    assert detail(farm, frames, "workCounts") == {"succeeded": 1, "runnable": 3}
    assert [detail(farm, each, "held") for each in (frames, top)] == ["block", "block"]
    assert (detail(farm, frames, "status"), detail(farm, top, "status")) == ("paused", "queued")
    assert events(farm, frames)[-1] == (
        "imported",
        f"from job {job}, which was running: blocked until somebody unblocks it",
    )
    client.beat(client.ended(order["run"]))
    client.run_all()
    assert detail(farm, frames, "workCounts") == {"succeeded": 1, "runnable": 3}
    changing.change_jobs(farm, [top], "unblock", None, "test")
    assert client.run_all() == 4
    assert [detail(farm, each, "status") for each in (frames, top)] == ["succeeded", "succeeded"]
    check_counters(farm)


def test_a_job_that_was_being_cancelled_comes_in_cancelled(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    commands.cancel(farm, [job], "stop")
    document = document_of(farm, job)
    assert document["jobs"][0]["status"] == "running"
    document["jobs"][0]["specification"].pop("uuid")
    ((_, new),) = [each.values() for each in imports.import_jobs(farm, document)]
    assert (detail(farm, new, "status"), detail(farm, new, "workCounts")) == ("cancelled", {"cancelled": 1})


def test_a_job_marked_as_done_while_it_ran_comes_in_done(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    changing.change_jobs(farm, [job], "complete", None, "test")
    document = document_of(farm, job)
    document["jobs"][0]["specification"].pop("uuid")
    ((_, new),) = [each.values() for each in imports.import_jobs(farm, document)]
    assert (detail(farm, new, "status"), detail(farm, new, "outcome")) == ("succeeded", "imported")


def test_a_parent_that_waits_for_a_child_that_failed_meanwhile_fails_by_the_farms_rules(
    farm: Farm, client: TestClient
) -> None:
    parent = submission.submit(farm, {"name": "p", "command": "p", "children": [{"name": "c", "command": "c"}]})[0]
    document = document_of(farm, parent)
    child = document["jobs"][1]
    child["status"], child["endTime"] = "failed", 5.0
    child["work"][0]["status"] = "failed"
    for each in document["jobs"]:
        each["specification"].pop("uuid")
    new = [pair["id"] for pair in imports.import_jobs(farm, document)]
    assert [detail(farm, each, "status") for each in new] == ["failed", "failed"]


def test_a_document_goes_to_another_farm(farm: Farm, client: TestClient, tmp_path: Any, clock: SetClock) -> None:
    """A client that is none of that farm's is told in words; the uuid is kept."""
    job = submit(farm, command="x")
    client.run_all(code=1)
    document, uuid = exports.export_jobs(farm, [job]), detail(farm, job, "uuid")
    (tmp_path / "other").mkdir()
    other = open_farm(tmp_path / "other", clock, Asked(), Policy())
    try:
        ((_, new),) = [each.values() for each in imports.import_jobs(other, document)]
        assert (detail(other, new, "uuid"), detail(other, new, "status")) == (uuid, "failed")
        assert any("(on alpha)" in message for _, message in events(other, new))
        check_counters(other)
    finally:
        other.database.close()


def test_a_uuid_that_is_taken_is_refused_and_nothing_is_stored(farm: Farm, client: TestClient) -> None:
    """A document sent twice makes no second set of jobs; without their uuid they are new ones."""
    one, two = submit(farm, name="one"), submit(farm, name="two")
    document = document_of(farm, one, two)
    document["jobs"][0]["specification"].pop("uuid")
    with pytest.raises(Conflict, match=rf"jobs\[1\].specification.uuid .* is that of job {two}"):
        imports.import_jobs(farm, document)
    assert finding.count_jobs(farm, None)["count"] == 2
    document["jobs"][1]["specification"].pop("uuid")
    assert len(imports.import_jobs(farm, document)) == 2


def test_imported_jobs_expire_counted_from_their_import(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """An archive must not be gone an hour after it was brought back."""
    job = submit(farm, command="x")
    client.run_all()
    document = exports.export_jobs(farm, [job])
    clock.advance(15 * 86400)
    upkeep.expire_jobs(farm)
    assert finding.count_jobs(farm, None)["count"] == 0
    imports.import_jobs(farm, document)
    upkeep.expire_jobs(farm)
    assert finding.count_jobs(farm, None)["count"] == 1
    clock.advance(15 * 86400)
    upkeep.expire_jobs(farm)
    assert finding.count_jobs(farm, None)["count"] == 0


def test_jobs_that_do_not_exist_are_named(farm: Farm) -> None:
    job = submit(farm)
    with pytest.raises(NotFound, match="there is no job 7, 8, 9, 10, 11 and 2 more"):
        exports.export_jobs(farm, [job, *range(7, 14)])


def test_more_than_a_document_holds_is_refused(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = submission.submit(farm, [{"name": "a", "command": "a", "agenda": "1-9"}, {"name": "b"}])
    document = document_of(farm, *jobs)
    monkeypatch.setattr(exports, "MOST_PIECES", 8)
    with pytest.raises(TooLarge, match="9 pieces"):
        exports.export_jobs(farm, jobs)
    monkeypatch.setattr(exports, "MOST_JOBS", 1)
    with pytest.raises(TooLarge, match="more than 1 jobs"):
        exports.export_jobs(farm, jobs)
    for name, most in (("MOST_PIECES", 8), ("MOST_LINES", 1), ("MOST_JOBS", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(kept, name, most)
            with pytest.raises(TooLarge):
                imports.import_jobs(farm, document)


def broken(path: str, value: Any) -> Any:
    """A change of a document at a place written as in the faults."""

    def change(document: dict[str, Any]) -> None:
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        place: Any = document
        for step in way:
            place = place[step]
        place[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (broken("version", 2), "version 2; this farm reads version 1"),
        (broken("jobs.1", 5), r"jobs\[1\] must be a dictionary"),
        (broken("jobs.0.id", 2), "the same id"),
        (
            broken("jobs.0.status", "fialed"),
            r"jobs\[0\].status must be a status, not 'fialed'; did you mean 'failed'",
        ),
        (broken("jobs.0.status", None), r"jobs\[0\].status is missing: it must be a status$"),
        (broken("jobs.0.status", 5), r"jobs\[0\].status must be a status, not '5'$"),
        (broken("jobs.0.status", ["failed"]), r"jobs\[0\].status must be a status, not "),
        (broken("jobs.1.work.0.status", None), r"jobs\[1\].work\[0\].status is missing: it must be a status$"),
        (
            broken("jobs.0.outcome", "exot"),
            r"outcome must be one of exit, .*, not 'exot'; did you mean 'exit'",
        ),
        (broken("jobs.0.outcome", 5), r"jobs\[0\].outcome must be one of exit, empty, byHand, imported, not '5'"),
        (broken("jobs.0.outcome", ["exit"]), r"jobs\[0\].outcome must be one of"),
        (broken("jobs.0.id", None), r"jobs\[0\].id is missing: it must be a whole number$"),
        (broken("jobs.0.specification.uuid", "u" * 201), r"jobs\[0\].specification.uuid must have at most 200"),
        (broken("jobs.0.specification.uuid", ["u"]), r"jobs\[0\].specification.uuid must be text"),
        *(
            (broken(f"jobs.0.specification.{name}", -1), rf"jobs\[0\].specification.{name} must be 0 or more, not -1")
            for name in ("minTime", "maxSilence", "maxMemory", "lease")
        ),
        (broken("jobs.0.status", "failed"), r"jobs\[0\].status is failed, its work and children make it succeeded"),
        (broken("jobs.0.queueTime", "yesterday"), r"jobs\[0\].queueTime must be a time"),
        (broken("jobs.0.queueTime", None), r"jobs\[0\].queueTime is missing: it must be a time"),
        (broken("jobs.0.children", [99]), r"jobs\[0\].children names job 99"),
        (broken("jobs.1.children", [1]), "form a circle"),
        (broken("jobs.0.children", "all"), r"jobs\[0\].children must be a list"),
        (broken("jobs.0.specification.priority", "high"), r"jobs\[0\].specification.priority must be"),
        (broken("jobs.0.specification.name", ""), r"jobs\[0\].specification.name must not be blank"),
        (broken("jobs.0.specification.parentIds", [1]), r"jobs\[0\].specification.parentIds: the links"),
        (broken("jobs.0.specification.lease", 1), r"jobs\[0\].specification.lease must be at least"),
        (broken("jobs.1.specification.chunk", "x"), r"jobs\[1\].specification: its agenda must be a whole number"),
        (broken("jobs.0.work", []), r"jobs\[0\].work holds 0 pieces, its specification asks for 1"),
        (broken("jobs.0.work.0.status", "queued"), r"jobs\[0\].work\[0\].status is queued, and its job is succeeded"),
        (broken("jobs.1.work.0.first", None), r"jobs\[1\].work\[0\] must have first, last and frames"),
        (broken("jobs.1.work.0.frames", "a-b"), r"jobs\[1\].work\[0\].frames has the part 'a-b'"),
        (broken("jobs.1.work.0.name", "2"), r"jobs\[1\].work names two pieces '2'"),
        (broken("jobs.1.work.0.name", "n" * 201), r"jobs\[1\].work\[0\].name must have at most 200 characters"),
        (broken("jobs.1.work.0.name", ""), r"jobs\[1\].work holds 2 pieces, its specification asks for 1"),
        (broken("jobs.1.work.0.package", 5), r"jobs\[1\].work\[0\].package must be a dictionary"),
        (broken("jobs.1.work.0.progress", -1), r"jobs\[1\].work\[0\].progress must be from 0"),
        (broken("jobs.0.logs.0.time", 1e300), r"jobs\[0\].logs\[0\].time must be a time"),
        (broken("jobs.0.logs.0.message", {}), r"jobs\[0\].logs\[0\].message must be text"),
        (broken("jobs.0.notes", [{"time": 1, "text": " "}]), r"jobs\[0\].notes\[0\].text must be a text"),
        (broken("jobs", {}), "as exportJobs gives it"),
    ],
)
def test_a_document_that_makes_no_sense_is_one_sentence_and_stores_nothing(
    farm: Farm, client: TestClient, change: Any, words: str
) -> None:
    submission.submit(farm, {"name": "p", "command": "p", "children": [{"name": "c", "command": "c", "agenda": "1-2"}]})
    client.run_all()
    document = document_of(farm, 1)
    deletion.delete(farm, [1])
    piece = document["jobs"][1]["work"][0]
    piece["status"] = "failed" if words.endswith("from 0") else piece["status"]
    change(document)
    with pytest.raises(BadSpecification, match=words):
        imports.import_jobs(farm, document)
    assert finding.count_jobs(farm, None)["count"] == 0


def test_an_outcome_of_a_job_that_did_not_succeed_is_refused(farm: Farm, client: TestClient) -> None:
    job, waiting = submit(farm, command="x"), submit(farm, command="y", host="nowhere")
    client.run_all(code=1)
    for job_id, status in ((job, "failed"), (waiting, "runnable")):
        document = document_of(farm, job_id)
        document["jobs"][0]["specification"].pop("uuid")
        document["jobs"][0]["outcome"] = "exit"
        with pytest.raises(BadSpecification, match=rf"jobs\[0\].outcome is exit, and the job is {status}"):
            imports.import_jobs(farm, document)
        document["jobs"][0]["outcome"] = ""
        assert len(imports.import_jobs(farm, document)) == 1


def test_a_text_that_is_no_json_is_refused(farm: Farm) -> None:
    with pytest.raises(BadSpecification, match="text but not JSON"):
        imports.import_jobs(farm, "{")
    with pytest.raises(BadSpecification, match="text but not JSON"):
        imports.import_jobs(farm, "[" * 100_000)


def test_a_piece_of_two_thousand_million_frames_is_taken_in_at_once(farm: Farm) -> None:
    pieces = [{"first": 1, "last": 2**31 - 1}, {"name": "cache", "package": {"a": "b"}}]
    job = submit(farm, command="x", agenda=pieces)
    document = document_of(farm, job)
    document["jobs"][0]["specification"].pop("uuid")
    ((_, new),) = [each.values() for each in imports.import_jobs(farm, document)]
    assert [each["last"] for each in list_work(farm, new)] == [2**31 - 1, None]
    assert list_work(farm, new)[1]["package"] == {"a": "b"}


def test_an_import_tells_no_callback_and_no_mail_that_jobs_ended(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", emailTo="a@example.com", emailReasons="succeeded,failed")
    client.run_all(code=1)
    with farm.database.read() as connection:
        last = connection.execute("SELECT max(id) FROM event").fetchone()[0]
        mails = connection.execute("SELECT count(*) FROM mail").fetchone()[0]
    document = document_of(farm, job)
    document["jobs"][0]["specification"].pop("uuid")
    imports.import_jobs(farm, document)
    with farm.database.read() as connection:
        told = connection.execute("SELECT kind, now FROM event WHERE id > ?", (last,)).fetchall()
        assert [tuple(each) for each in told] == [("history", "imported")]
        assert connection.execute("SELECT count(*) FROM mail").fetchone()[0] == mails


def test_every_way_to_end_survives(farm: Farm, client: TestClient) -> None:
    """Failed, cancelled, abandoned, done by hand, without a command; and parents of each."""
    ids = submission.submit(
        farm,
        [
            {"name": "by hand", "command": "x"},
            {"name": "cancelled", "command": "x", "children": [{"name": "below", "command": "x"}]},
            {"name": "empty", "children": [{"name": "also empty"}]},
            {"name": "lost a child", "children": [{"name": "failed", "command": "x"}]},
        ],
    )
    changing.change_jobs(farm, [ids[0]], "complete", None, "test")
    commands.cancel(farm, [ids[1]], "no")
    finish(farm, client, failing="x")
    failed = next(each for each in ids if detail(farm, each, "name") == "failed")
    deletion.delete(farm, [failed])
    left = [each for each in ids if each != failed]
    before = {each: detail(farm, each, "status") for each in left}
    assert set(before.values()) >= {"succeeded", "cancelled", "failed"}
    assert all(status in FINISHED_JOB for status in before.values())
    assert any(fails_its_parent(status) for status in before.values())
    new = moved(farm, *ids[:4])
    assert {was: detail(farm, job_id, "status") for was, job_id in new.items()} == before
    passes(farm)
