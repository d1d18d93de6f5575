"""Work items and control with a real server, real clients and real processes (CONTRACT 10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest
from live_farm import LiveFarm, wait_until

pytestmark = pytest.mark.farm


@pytest.fixture
def live(farm_of_one: LiveFarm) -> LiveFarm:
    return farm_of_one


def work(live: LiveFarm, job: int) -> dict[str, Any]:
    """The pieces of a job by name."""
    return {item["name"]: item for item in live.call("getWork", job)}


def wait_for_piece(live: LiveFarm, job: int, name: str, status: str) -> None:
    wait_until(lambda: work(live, job)[name]["status"] == status, what=f"piece {name} to be {status}")


def test_every_frame_is_rendered_once_with_its_numbers(live: LiveFarm, tmp_path: Path) -> None:
    command = f"echo $HQFRAME {{last}} $HQWORK >> {tmp_path}/$JOBID.{{frame:03d}}"
    (job,) = live.call("newjob", {"name": "x", "command": command, "agenda": "-3-20x2", "chunk": 3})
    live.wait_for(job, "succeeded")
    found = {path.name: path.read_text() for path in tmp_path.glob(f"{job}.*")}
    assert found == {
        f"{job}.-03": "-3 1 -3-1x2\n",
        f"{job}.003": "3 7 3-7x2\n",
        f"{job}.009": "9 13 9-13x2\n",
        f"{job}.015": "15 19 15-19x2\n",
    }
    assert {item["tries"] for item in work(live, job).values()} == {1}


def test_a_running_piece_stands_still_is_moved_and_done_by_hand(live: LiveFarm, tmp_path: Path) -> None:
    command = f"echo $$ > {tmp_path}/{{frame}}; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    (job,) = live.call("newjob", {"name": "x", "command": command, "agenda": "1-4", "maxConcurrent": 1})
    wait_for_piece(live, job, "1", "running")
    pid = int(wait_until(lambda: (tmp_path / "1").exists() and (tmp_path / "1").read_text(), what="the process"))
    assert live.call("changeWork", job, ["1"], "suspend")[0]["changed"]
    wait_for_piece(live, job, "1", "paused")
    assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
    assert live.call("changeJobs", [job], "resume", {"reason": "lunch is over"})[0]["changed"]
    wait_for_piece(live, job, "1", "running")
    assert live.call("changeWork", job, ["1"], "complete")[0]["changed"]
    wait_for_piece(live, job, "1", "succeeded")
    assert not psutil.pid_exists(pid)
    assert live.call("changeWork", job, ["4"], "top")[0]["changed"]
    wait_until(lambda: (tmp_path / "2").exists(), what="the second frame, which was given out with the first's end")
    assert live.call("changeJobs", [job], "preempt")[0]["changed"]
    (tmp_path / "go").touch()
    live.wait_for(job, "succeeded")
    assert all((tmp_path / name).exists() for name in "1234")
    started = {name: item["startTime"] for name, item in work(live, job).items()}
    assert started["4"] <= started["3"]


def test_what_failed_is_tried_again_and_what_succeeded_is_kept(live: LiveFarm, tmp_path: Path) -> None:
    command = f"echo run >> {tmp_path}/{{frame}}; [ {{frame}} != 2 ] || [ -e {tmp_path}/mended ]"
    (job,) = live.call("newjob", {"name": "x", "command": command, "agenda": "1-3"})
    live.wait_for(job, "failed")
    (tmp_path / "mended").touch()
    assert live.call("changeJobs", {"status": ["failed"], "ids": [job]}, "retry")[0]["now"] in ("runnable", "running")
    live.wait_for(job, "succeeded")
    assert {name: (tmp_path / name).read_text().count("run") for name in "123"} == {"1": 1, "2": 2, "3": 1}


def test_a_migrated_agenda_goes_to_other_clients_than_it_was_on(live: LiveFarm, tmp_path: Path) -> None:
    """9.12: what ran on one client runs on the other afterwards, whichever of them has killed its pieces first."""
    live.start_client("beta")
    command = f"trap '' TERM; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    (job,) = live.call("newjob", {"name": "x", "command": command, "agenda": "1-4"})

    def all_run(tries: int) -> dict[str, str]:
        found = work(live, job)
        at_it = all((item["status"], item["tries"]) == ("running", tries) for item in found.values())
        return {name: item["client"] for name, item in found.items()} if at_it else {}

    before = wait_until(lambda: all_run(1), what="all pieces to run")
    assert sorted(map(len, (set(before), set(before.values())))) == [2, 4]
    assert live.call("changeJobs", [job], "migrate")[0]["changed"]
    after = wait_until(lambda: all_run(2), what="all pieces to run again", show=lambda: work(live, job))
    assert [name for name in before if before[name] == after[name]] == []
    (tmp_path / "go").touch()
    live.wait_for(job, "succeeded")
