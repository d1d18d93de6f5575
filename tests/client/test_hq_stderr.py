"""`hq output --stderr` and the Python API on jobs that keep stderr apart (`splitOutput`), over the real methods."""

from __future__ import annotations

import json

import pytest
from farm_kit import TestClient, submit
from hq_over_services import ServicesHq

from hqserver.domain.run import Stream
from hqserver.services.clients.beats import Piece
from hqserver.services.farm import Farm


def run_with(client: TestClient, out: bytes, err: bytes | None, code: int = 0) -> str:
    """Have the next run write this and end; its id. Without `err` it keeps nothing apart."""
    (order,) = client.fetch()
    run = str(order["run"])
    pieces = [Piece(run, 0, out), *([] if err is None else [Piece(run, 0, err, Stream.STDERR)])]
    stderr = None if err is None else (len(err), len(err))
    ended = client.ended(run, code, log_size=len(out), log_sent=len(out), stderr=stderr)
    client.beat(ended, output=tuple(pieces), accepting=False)
    client.beat()
    return run


@pytest.fixture
def job(farm: Farm, client: TestClient) -> int:
    """A job whose first try failed."""
    job = submit(farm, command="render", splitOutput=True, triesLeft=1)
    run_with(client, b"one\n", b"warning\nbroken\n", 1)
    run_with(client, "zwei ü\n".encode(), "schade ü\n".encode())
    return job


WHOLE = (
    "one\n[hq] stderr on alpha\nwarning\nbroken\n[hq] try 2 on alpha\nzwei ü\n[hq] try 2, stderr on alpha\nschade ü\n"
)
STDERR = "warning\nbroken\n[hq] try 2 on alpha\nschade ü\n"


@pytest.mark.parametrize("follow", [[], ["-f"]])
def test_output_has_both_streams_and_stderr_alone_where_it_is_asked_for(
    farm_hq: ServicesHq, job: int, follow: list[str]
) -> None:
    assert farm_hq("output", str(job), *follow).out == WHOLE
    assert farm_hq("output", str(job), "--stderr", *follow).out == STDERR


def test_the_end_of_stderr_and_its_json(farm_hq: ServicesHq, job: int) -> None:
    assert farm_hq("output", str(job), "--stderr", "--tail", "5").out == STDERR[-5:]
    assert json.loads(farm_hq("--json", "output", str(job), "--stderr").out) == STDERR


def test_the_python_api_gives_each_stream(farm_hq: ServicesHq, job: int) -> None:
    found = farm_hq.farm.job(job)
    assert found.output() == "".join(found.follow()) == WHOLE
    assert found.stderr() == "".join(found.follow("stderr")) == STDERR
    assert "".join(found.follow("stdout")) == "one\n[hq] try 2 on alpha\nzwei ü\n"
    run = found.runs()[0]
    assert run["splitOutput"] is True
    assert farm_hq.farm.run_output(run["id"], stream="stderr")["data"] == b"warning\nbroken\n"
    assert farm_hq.farm.run_output(run["id"])["data"] == b"one\n"
    with pytest.raises(ValueError, match="stdin"):
        found.follow("stdin")


def test_what_goes_on_is_shown_as_far_as_it_is_without_waiting(
    farm: Farm, client: TestClient, farm_hq: ServicesHq
) -> None:
    job = submit(farm, command="render", splitOutput=True)
    assert farm_hq("output", str(job), "--stderr").out == ""
    (order,) = client.fetch()
    client.beat(client.started(order["run"]), output=(Piece(order["run"], 0, b"so far\n", Stream.STDERR),))
    assert farm_hq("output", str(job), "--stderr").out == "so far\n"


def test_somebody_who_asks_for_a_stderr_that_is_not_kept_apart_is_told_so(
    farm: Farm, client: TestClient, farm_hq: ServicesHq
) -> None:
    job = submit(farm, command="render")
    run_with(client, b"both\n", None)
    said = farm_hq("output", str(job), "--stderr")
    assert (said.code, said.out) == (0, "")
    assert said.err == f"hq: job {job} does not keep stderr apart (splitOutput): its output has both\n"
    assert farm_hq("output", str(job), "--stderr", "-f").out == ""


def test_following_tells_of_a_stderr_that_is_not_on_the_server(
    farm: Farm, client: TestClient, farm_hq: ServicesHq
) -> None:
    job = submit(farm, command="render", splitOutput=True)
    run = run_with(client, b"out\n", b"err\n")
    farm.output.path(job, run, Stream.STDERR).unlink()
    lost = "out\n[hq] stderr on alpha\n\n[hq] some of this output is not on the server\n"
    assert farm_hq("output", str(job), "-f").out == lost


def test_stderr_of_a_job_that_does_not_exist_is_not_found(farm_hq: ServicesHq) -> None:
    said = farm_hq("output", "99", "--stderr")
    assert (said.code, said.out) == (3, "")
    assert "99" in said.err


def test_submit_has_an_option_and_show_tells_of_it(farm_hq: ServicesHq, client: TestClient) -> None:
    assert farm_hq("submit", "--split-output", "--name", "x", "render").out == "1\n"
    (order,) = client.fetch()
    assert order["splitOutput"] is True
    assert "kept apart" in farm_hq("show", "1").out
