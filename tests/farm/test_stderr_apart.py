"""A farm whose jobs keep stderr apart (`splitOutput`): two logs that survive what one does."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from live_farm import LiveFarm, wait_until

pytestmark = pytest.mark.farm

LINES = 400


def whole(live: LiveFarm, run: str, stream: str) -> bytes:
    """What is on the server of the run's stream."""
    data = b""
    while True:
        piece = live.call("getRunOutput", run, len(data), 100_000, stream)
        data += piece["data"]
        if piece["next"] >= piece["size"]:
            return data


def said(live: LiveFarm, run: str, part: int) -> bool:
    """Whether both logs have arrived up to the end of that part of `in_parts`."""
    end = f" {part * LINES + LINES - 1}\n".encode()
    return all(whole(live, run, stream).endswith(end) for stream in ("stdout", "stderr"))


def in_parts(gates: Path, count: int) -> str:
    """A command that writes lines to both streams in turn; before each part but the first it waits at a gate."""
    number = f"$((part * {LINES} + line))"
    lines = f"line=0; while [ $line -lt {LINES} ]; do echo out {number}; echo err {number} >&2; line=$((line+1)); done"
    gate = f"until [ $part = 0 ] || [ -e {gates}/$part ]; do sleep 0.05; done"
    return f"part=0; while [ $part -lt {count} ]; do {gate}; {lines}; part=$((part+1)); done"


def submitted(live: LiveFarm, command: str, **properties: Any) -> tuple[int, str]:
    """A job that keeps stderr apart, and its run once that goes on or has ended."""
    (job,) = live.call("newjob", {"name": "x", "command": command, "splitOutput": True, **properties})

    def run() -> str:
        return next((run["id"] for run in live.call("getRuns", job) if run["startTime"] is not None), "")

    return job, wait_until(run, what="a run", show=lambda: live.story(job))


@pytest.mark.timeout(180)
def test_both_logs_are_whole_and_in_order_though_daemon_and_server_are_killed_in_between(
    live: LiveFarm, tmp_path: Path
) -> None:
    """T10, T6 for two logs: what one of the two misses is found in neither."""
    gates = tmp_path / "gates"
    gates.mkdir()
    live.start_client("alpha")
    job, run = submitted(live, in_parts(gates, 4))
    wait_until(lambda: said(live, run, 0), what="the first part", show=lambda: live.story(job))

    live.clients["alpha"].end(signal.SIGKILL)
    (gates / "1").touch()
    live.start_client("alpha")
    wait_until(lambda: said(live, run, 1), what="what was written without a daemon", show=lambda: live.story(job))

    assert live.server is not None
    live.server.end()
    (gates / "2").touch()
    live.start_server()
    wait_until(lambda: said(live, run, 2), what="what was written without a server", show=lambda: live.story(job))

    live.server.end(signal.SIGKILL)
    live.clients["alpha"].end(signal.SIGKILL)
    (gates / "3").touch()
    live.start_server()
    live.start_client("alpha")
    live.wait_for(job, "succeeded")
    logs = {
        stream: "".join(f"{word} {number}\n" for number in range(4 * LINES))
        for stream, word in (("stdout", "out"), ("stderr", "err"))
    }
    assert {stream: whole(live, run, stream).decode() for stream in logs} == logs
    assert live.call("getJobOutput", job) == f"{logs['stdout']}[hq] stderr on {live_label(live, job)}\n{logs['stderr']}"
    assert live.call("getRunOutput", run, 0, 1, "stderr")["truncated"] is False


def live_label(live: LiveFarm, job: int) -> str:
    """How the server calls the client that ran the job."""
    return str(live.call("getRuns", job)[0]["client"])


@pytest.mark.timeout(120)
def test_t18_a_flood_on_stderr_alone_does_not_block_the_command(live: LiveFarm) -> None:
    assert live.server is not None
    live.server.end()
    live.start_server(env={"HQSERVER_LOG_LIMIT": "1"})
    live.start_client("alpha")
    job, run = submitted(live, "echo begin; yes | head -c 100000000 >&2; echo over; exit 3")
    live.wait_for(job, "failed")
    assert whole(live, run, "stdout") == b"begin\nover\n"
    flood = whole(live, run, "stderr")
    assert b"bytes of output are left out here" in flood and len(flood) <= 1 << 20
    told = [live.call("getRunOutput", run, 0, 1, stream)["truncated"] for stream in ("stdout", "stderr")]
    assert told == [False, True]


def test_a_grandchild_that_keeps_stderr_open_after_the_end_is_ended_as_one_that_keeps_stdout_open(
    live: LiveFarm,
) -> None:
    live.start_client("alpha")
    ended = []
    for kept in ("2>&-", ">&-"):
        job, run = submitted(live, f"echo out; echo err >&2; (exec sleep 600 {kept}) & exit 5")
        live.wait_for(job, "failed")
        ended.append((whole(live, run, "stdout"), whole(live, run, "stderr")))
    told = b"out\n[hqclient: the command left 1 process behind, which had to be ended]\n"
    assert ended == [(told, b"err\n")] * 2


def test_one_stream_arrives_while_the_other_is_silent_and_each_is_followed(live: LiveFarm, tmp_path: Path) -> None:
    live.start_client("alpha")
    job, run = submitted(live, f"echo early >&2; until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo late")
    wait_until(lambda: whole(live, run, "stderr") == b"early\n", what="stderr", show=lambda: live.story(job))
    assert [live.call("getRunOutput", run, 0, 1, stream)["ended"] for stream in ("stdout", "stderr")] == [False, False]
    (tmp_path / "go").touch()
    live.wait_for(job, "succeeded")
    assert (whole(live, run, "stdout"), whole(live, run, "stderr")) == (b"late\n", b"early\n")
