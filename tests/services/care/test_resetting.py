"""`resetFarm`: all jobs are removed, all else stays (CONTRACT 10, Keeping)."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, restarted, submit
from live_farm import wait_until

from hqserver.domain.errors import BadParameters, Busy
from hqserver.services import callbacks, notes
from hqserver.services.care import resetting
from hqserver.services.care.resetting import CONFIRMATION
from hqserver.services.clients import groups
from hqserver.services.control import commands, deletion
from hqserver.services.events import events
from hqserver.services.farm import Farm
from hqserver.services.intake import submission

PATIENCE_SECONDS = 60.0


def reset(farm: Farm, last_job: int | None = None, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
    return resetting.reset(farm, CONFIRMATION, last_job, "ada", seconds)


def ids(farm: Farm) -> list[int]:
    with farm.database.read() as connection:
        return [row[0] for row in connection.execute("SELECT id FROM job ORDER BY id")]


def count(farm: Farm, table: str) -> int:
    with farm.database.read() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def copies(farm: Farm) -> list[Path]:
    return sorted(farm.database.path.with_name("backups").iterdir())


def test_all_jobs_go_and_all_else_stays(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", children=[{"name": "c", "command": "y"}, {"name": "d"}])
    client.run_all()
    submit(farm, name="waits", command="z", host="none")
    groups.create_group(farm, "night")
    notes.add_note(farm, "on the job", None, job, None)
    notes.add_note(farm, "on the client", None, None, client.id)
    found = reset(farm)
    assert (found["running"], found["failed"], found["step"]) == (False, "", "done")
    assert (found["jobs"], found["left"], found["lastJob"]) == (4, 0, 4)
    assert ids(farm) == []
    for table in ("work", "run", "history", "submission", "job_label", "client_job"):
        assert count(farm, table) == 0, table
    assert (count(farm, "client"), count(farm, "client_group"), count(farm, "note_thread")) == (1, 1, 1)
    assert submit(farm, command="true") == 5  # ids are never given twice
    assert client.run_all() == 1


def test_a_copy_of_the_farm_as_it_was_is_made_before(farm: Farm) -> None:
    job = submit(farm, command="x")
    found = reset(farm)
    (copy,) = copies(farm)
    assert copy.name == found["copy"]
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT id, status FROM job").fetchall() == [(job, "runnable")]


@pytest.mark.parametrize("said", ["", "yes", "delete all job", "reset", "DELETE ALL CLIENTS"])
def test_anything_but_the_words_is_refused_with_the_words(farm: Farm, said: str) -> None:
    submit(farm, command="x")
    with pytest.raises(BadParameters, match="'delete all jobs': this removes every job of the farm for good, 1 by now"):
        resetting.reset(farm, said, None, "ada")
    assert ids(farm) == [1]


def test_what_runs_is_killed_first_and_removed_when_that_is_confirmed(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    assert reset(farm, seconds=0.0)["running"]
    wait_until(lambda: reset(farm, job, 0.05)["step"] == "ending", what="the end to be waited for")
    assert ids(farm) == [job]
    (kill,) = client.beat().orders
    assert (kill["kind"], kill["run"]) == ("kill", order["run"])
    client.beat(client.ended(order["run"], killed=True))
    assert reset(farm, job)["step"] == "done"
    assert ids(farm) == []


def test_a_job_whose_end_nobody_confirms_is_left_until_somebody_does(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    other = submit(farm, command="y")
    reset(farm, seconds=0.0)
    wait_until(lambda: reset(farm, other, 0.05)["step"] == "ending", what="the end to be waited for")
    clock.advance(farm.policy.kill_timeout_seconds + 10.0)
    found = reset(farm, other)
    assert found["failed"].startswith("1 job removed; 1 left, of which a client may still run something; ask again")
    assert ids(farm) == [job]
    client.beat(client.ended(order["run"], killed=True))
    assert reset(farm, other)["left"] == 0
    assert ids(farm) == []
    assert len(copies(farm)) == 1  # the first has all


def test_jobs_that_came_after_the_first_call_stay(farm: Farm) -> None:
    first = reset(farm, submit(farm, command="x"))
    kept = submit(farm, command="y")
    again = reset(farm, first["lastJob"])
    assert (again["jobs"], again["step"]) == (0, "done")
    assert ids(farm) == [kept]


def test_no_copy_no_reset(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    job = submit(farm, command="x")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 20))
        found = reset(farm)
    assert found["failed"].startswith("nothing was removed, since no copy could be made before")
    assert ids(farm) == [job]
    assert reset(farm)["failed"] == ""


def test_a_key_may_be_used_again(farm: Farm, clock: SetClock) -> None:
    job = submit(farm, command="x", submitKey="shot 1")
    clock.advance(1.0)
    reset(farm)
    assert submit(farm, command="x", submitKey="shot 1") > job


def test_the_journal_tells_of_it(farm: Farm) -> None:
    submit(farm, command="x")
    reset(farm)
    found = events.get_events(farm, 0, 100, {"kind": "farm"})["events"]
    assert [(each["now"], each["reason"]) for each in found] == [
        ("resetting", "all jobs up to 1 are being removed, by ada"),
        ("reset", "1 job removed"),
    ]
    assert events.get_events(farm, 0, 100, {"kind": "job"})["events"][-1]["now"] == "deleted"


def test_nobody_is_told_of_jobs_that_a_reset_removes(farm: Farm) -> None:
    """A command of a callback would leave a new job for each old one."""
    callbacks.add(farm, None, "job:cancelled", {"type": "command", "command": "tidy up"}, "ann")
    ask = [submit(farm, command="x") for _ in range(3)]
    commands.cancel(farm, ask[:1], "by hand")
    assert count(farm, "delivery") == 1
    reset(farm)
    assert count(farm, "delivery") == 1
    commands.cancel(farm, [submit(farm, command="x")], "by hand")
    assert count(farm, "delivery") == 2


def test_a_parent_that_is_cancelled_does_not_fail_for_its_children(farm: Farm) -> None:
    family = {"name": "p", "command": "x", "children": [{"name": "c", "command": "y"}]}
    (parent, *_) = submission.submit(farm, family)
    reset(farm)
    told = events.get_events(farm, 0, 100, {"kind": "job", "job": parent})["events"]
    assert [each["now"] for each in told][-2:] == ["cancelled", "deleted"]


def test_a_reset_that_the_server_cut_short_is_finished_by_asking_again(
    farm: Farm, clock: SetClock, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission.submit(farm, [{"name": f"job {number}"} for number in range(700)])
    done: list[list[int]] = []
    delete = deletion.delete

    def once(farm: Farm, part: list[int]) -> None:
        if done:
            farm.database.close()
        done.append(part)
        delete(farm, part)

    with monkeypatch.context() as patched:
        patched.setattr(resetting.deletion, "delete", once)
        with pytest.raises(Busy, match="the server is shutting down"):
            reset(farm)
    with restarted(farm, clock, asked) as again:
        assert 0 < len(ids(again)) < 700
        assert reset(again, 700)["step"] == "done"
        assert ids(again) == []
        assert len(copies(again)) == 1
