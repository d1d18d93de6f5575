"""A log that is not what its client wrote is sent again, or told of (PROMISES 2.6, P9)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from farm_kit import TestClient, submit
from job_kit import status

from hqserver.domain.run import Stream
from hqserver.services.clients.beats import Answer, Piece
from hqserver.services.control import commands
from hqserver.services.events import errors
from hqserver.services.farm import Farm
from hqserver.services.queries import lookup, output

LOG = b"Rendered 1 of 1\n"


def start(client: TestClient) -> str:
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    return str(order["run"])


def end(client: TestClient, run: str, log: bytes, offset: int = 0, **changes: object) -> Answer:
    """Beat with the rest of the run's log and its end, which tells the hash of `LOG`."""
    report = client.ended(run, log_size=len(LOG), log_sent=len(LOG), **changes)  # type: ignore[arg-type]
    report = replace(report, end=replace(report.end, log_hash=hashlib.sha256(LOG).hexdigest()))
    pieces = (Piece(run, offset, log[offset:]),) if offset < len(log) else ()
    return client.beat(report, output=pieces)


def told(farm: Farm, job: int) -> list[str]:
    logs = lookup.job_detail(farm, job, ["logs"])["logs"]
    assert isinstance(logs, list)
    return [each["message"] for each in logs if each["event"] == "output damaged"]


def test_a_log_that_is_whole_is_told_of_nowhere(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    run = start(client)
    assert end(client, run, LOG).results == {f"{run}:ended": "applied"}
    assert (status(farm, job), told(farm, job)) == ("succeeded", [])


def test_a_log_that_was_damaged_on_the_server_is_asked_for_again(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    run = start(client)
    client.beat(output=(Piece(run, 0, LOG[:8]),))
    farm.output.path(job, run).write_bytes(b"\x00" * 8)
    answer = end(client, run, LOG, 8)
    assert (answer.results, answer.output, status(farm, job)) == ({}, {run: 0}, "running")
    assert end(client, run, LOG).results == {f"{run}:ended": "applied"}
    assert (output.job_output(farm, job), told(farm, job)) == (LOG, [])


def test_one_that_its_client_has_not_as_it_was_either_is_kept_and_told_of(farm: Farm, client: TestClient) -> None:
    """Somebody wrote into it there, or its disk did."""
    job = submit(farm, command="x")
    run = start(client)
    other = b"Rendered 9 of 9\n"
    assert end(client, run, other).results == {}
    assert end(client, run, other).results == {f"{run}:ended": "applied"}
    assert (status(farm, job), output.job_output(farm, job)) == ("succeeded", other)
    sentence = "what is stored of its stdout is not what its client wrote: the SHA-256 differs"
    assert told(farm, job) == [sentence]
    found = errors.client_errors(farm, client.id)["errors"]
    assert [each["message"] for each in found] == [f"job {job}: {sentence}"]


def test_the_end_of_a_kill_is_taken_and_the_damage_told(farm: Farm, client: TestClient) -> None:
    """P8: the proof that nothing is alive waits for no log."""
    job = submit(farm, command="x")
    run = start(client)
    commands.cancel(farm, [job], "not wanted")
    assert end(client, run, b"\x00" * len(LOG), killed=True).results == {f"{run}:ended": "applied"}
    assert status(farm, job) == "cancelled"
    assert len(told(farm, job)) == 1


def test_one_that_cannot_be_dropped_here_keeps_nobody_waiting(
    farm: Farm, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(farm, command="x")
    run = start(client)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert end(client, run, b"\x00" * len(LOG)).results == {f"{run}:ended": "applied"}
    assert (status(farm, job), len(told(farm, job))) == ("succeeded", 1)


def test_a_beat_that_another_one_overtook_calls_nothing_damaged(
    farm: Farm, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first timed out at the client, which sent the next: both find the damage, and one has the log dropped."""
    job = submit(farm, command="x")
    run = start(client)
    compare = farm.output.sha256

    def meanwhile(job_id: int, run_id: str, stream: Stream) -> str:
        found = compare(job_id, run_id, stream)
        monkeypatch.setattr(farm.output, "sha256", compare)
        assert end(client, run, b"\x00" * len(LOG)).results == {}
        return found

    monkeypatch.setattr(farm.output, "sha256", meanwhile)
    assert end(client, run, b"\x00" * len(LOG)).results == {}
    assert (status(farm, job), told(farm, job)) == ("running", [])
    assert end(client, run, LOG).results == {f"{run}:ended": "applied"}
    assert (output.job_output(farm, job), told(farm, job)) == (LOG, [])


@pytest.mark.parametrize("size", [0, 3])
def test_a_log_of_which_a_part_is_missing_is_not_called_damaged(farm: Farm, client: TestClient, size: int) -> None:
    """Its machine crashed, and it has no more: the sizes say so."""
    job = submit(farm, command="x")
    run = start(client)
    report = client.ended(run, log_size=len(LOG), log_sent=size)
    report = replace(report, end=replace(report.end, log_hash=hashlib.sha256(LOG).hexdigest()))
    pieces = (Piece(run, 0, LOG[:size]),) if size else ()
    assert client.beat(report, output=pieces).results == {f"{run}:ended": "applied"}
    assert told(farm, job) == []


def test_a_log_of_stderr_is_compared_as_well(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", splitOutput=True)
    run = start(client)
    report = client.ended(run, log_size=0, stderr=(len(LOG), len(LOG)))
    report = replace(report, end=replace(report.end, stderr_hash=hashlib.sha256(LOG).hexdigest()))
    wrong, right = (Piece(run, 0, text, Stream.STDERR) for text in (b"\x00" * len(LOG), LOG))
    assert client.beat(report, output=(wrong,)).stderr == {run: 0}
    assert client.beat(report, output=(right,)).results == {f"{run}:ended": "applied"}
    assert told(farm, job) == []
