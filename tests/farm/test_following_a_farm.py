"""`hq wait`, `hq output -f` and `hq events -f` on a real farm, through a restart of its server (CONTRACT 10)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from live_farm import BIN, LiveFarm, Program, wait_until

pytestmark = pytest.mark.farm


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def hq(live: LiveFarm, stack: ExitStack, *words: str) -> Program:
    program = Program([str(BIN / "hq"), "--server", live.url, *words])
    stack.callback(program.end)
    return program


def test_waiting_and_following_go_on_when_the_server_is_started_anew(
    farm_of_one: LiveFarm, stack: ExitStack, tmp_path: Path
) -> None:
    live, gate = farm_of_one, tmp_path / "gate"
    command = f"echo before; while [ ! -e {gate} ]; do sleep 0.05; done; echo after"
    (job,) = live.call("newjob", {"name": "gated", "command": command})
    waiting = hq(live, stack, "wait", str(job))
    following = hq(live, stack, "output", "-f", str(job))
    journal = hq(live, stack, "--json", "events", "-f", "--job", str(job))
    following.said("before")
    journal.said('"running"')
    # Its first question is answered, and its stream is open: only then does it outlive the server.
    wait_until(lambda: len(psutil.Process(waiting.process.pid).net_connections()) >= 2, what="hq wait to listen")
    assert live.server is not None
    live.server.end()
    gate.touch()
    live.start_server()
    assert waiting.process.wait(60) == 0, waiting.lines
    assert following.process.wait(60) == 0
    assert any("succeeded" in line for line in waiting.lines)
    wait_until(lambda: following.lines == ["before", "after"], what="all lines", show=lambda: following.lines)
    journal.said('"succeeded"')
    told = [json.loads(line) for line in journal.lines]
    assert [event["now"] for event in told if event["kind"] == "job"] == ["runnable", "running", "succeeded"]
    assert [event["id"] for event in told] == sorted({event["id"] for event in told}), "each once, in order"


def test_one_run_is_taken_off_its_client_and_the_others_go_on(farm_of_one: LiveFarm, tmp_path: Path) -> None:
    live, gate = farm_of_one, tmp_path / "gate"
    command = f"echo $HQFRAME; while [ ! -e {gate} ]; do sleep 0.05; done"
    (job,) = live.call("newjob", {"name": "gated", "command": command, "agenda": "1-2", "cpus": 1})

    def both() -> dict[str, str]:
        runs = live.call("getRuns", job)
        written = {run["work"]: run["id"] for run in runs if live.call("getRunOutput", run["id"])["size"]}
        return written if len(written) == 2 else {}

    runs = wait_until(both, what="both pieces to run", show=lambda: live.story(job))
    assert live.call("getRunOutput", runs["1"])["data"] == b"1\n"
    (answer,) = live.call("changeRuns", [runs["1"]], "migrate")
    assert answer["changed"] is True
    wait_until(
        lambda: len([run for run in live.call("getRuns", job) if run["work"] == "1" and run["startTime"]]) == 2,
        what="piece 1 to run again",
        show=lambda: live.call("getRuns", job),
    )
    gate.touch()
    live.wait_for(job, "succeeded")
    found = [(run["work"], run["status"]) for run in live.call("getRuns", job)]
    assert sorted(found) == [("1", "ejected"), ("1", "succeeded"), ("2", "succeeded")]
    ejected = next(run for run in live.call("getRuns", job) if run["status"] == "ejected")
    assert live.call("getRunOutput", ejected["id"])["ended"] is True
