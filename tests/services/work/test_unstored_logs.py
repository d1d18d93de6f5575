"""The end of a run is taken once its log is stored, and keeps nobody else waiting (P9, P12, T6)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from farm_kit import SetClock, TestClient, submit

from hqserver.services.care import upkeep
from hqserver.services.clients.beats import Answer, Piece
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.queries import lookup, output
from hqserver.store.output import OutputFiles
from hqserver.store.room import Room


class Disk(Room):
    """A disk that has room for logs when the test says so."""

    has_room = True

    def left_for_log(self, size: int) -> bool:
        return self.has_room


@pytest.fixture
def disk(farm: Farm, client: TestClient, tmp_path: Path) -> Disk:
    found = Disk()
    client.farm = replace(farm, output=OutputFiles(tmp_path / "logs", found))
    return found


def start(client: TestClient) -> list[str]:
    runs = [str(order["run"]) for order in client.fetch()]
    client.beat(*(client.started(run) for run in runs))
    return runs


def end(client: TestClient, run: str, log: bytes, offset: int = 0, size: int | None = None) -> Answer:
    """Beat with the rest of the run's log, from the offset, and its end."""
    size = len(log) if size is None else size
    pieces = (Piece(run, offset, log[offset:]),) if offset < len(log) else ()
    return client.beat(client.ended(run, log_size=size, log_sent=len(log)), output=pieces)


def status(client: TestClient, job: int) -> object:
    return lookup.job_detail(client.farm, job, ["status"])["status"]


def test_the_end_of_a_run_waits_for_the_part_of_its_log_that_was_not_stored(client: TestClient, disk: Disk) -> None:
    """T6, P9."""
    job = submit(client.farm, command="print")
    (run,) = start(client)
    client.beat(output=(Piece(run, 0, b"one "),))
    disk.has_room = False
    for _ in range(2):
        answer = end(client, run, b"one two", 4)
        assert (answer.results, answer.output) == ({}, {run: 4})
        assert status(client, job) == "running"
    disk.has_room = True
    assert end(client, run, b"one two", 4).results == {f"{run}:ended": "applied"}
    assert status(client, job) == "succeeded"
    assert output.job_output(client.farm, job) == b"one two"
    disk.has_room = False
    assert end(client, run, b"one two", 4).results == {f"{run}:ended": "applied"}


def test_other_reports_of_the_beat_are_taken(client: TestClient, disk: Disk) -> None:
    """PROMISES 2.3: no head-of-line blocking."""
    jobs = [submit(client.farm, command="print") for _ in range(2)]
    first, second = start(client)
    disk.has_room = False
    reports = (client.ended(first, log_size=3, log_sent=3), client.ended(second))
    answer = client.beat(*reports, output=(Piece(first, 0, b"one"),))
    assert (answer.results, answer.output) == ({f"{second}:ended": "applied"}, {first: 0})
    assert [status(client, job) for job in jobs] == ["running", "succeeded"]


def test_a_log_that_its_client_has_not_either_does_not_hold_up_the_end(client: TestClient, disk: Disk) -> None:
    """A crash of its machine may have cut it: the output says how much there is."""
    job = submit(client.farm, command="print")
    (run,) = start(client)
    assert end(client, run, b"half", size=8).results == {f"{run}:ended": "applied"}
    assert (
        output.job_output_text(client.farm, job) == "half\n[hq] the output ends here: of 8 bytes 4 are on the server\n"
    )


def test_a_log_that_was_lost_here_before_its_run_ended_is_asked_for_again(client: TestClient, disk: Disk) -> None:
    job = submit(client.farm, command="print")
    (run,) = start(client)
    client.beat(output=(Piece(run, 0, b"all"),))
    client.farm.output.path(job, run).unlink()
    answer = end(client, run, b"all", 3)
    assert (answer.results, answer.output) == ({}, {run: 0})
    assert end(client, run, b"all").results == {f"{run}:ended": "applied"}
    assert output.job_output(client.farm, job) == b"all"


def test_a_log_longer_than_the_report_says_is_no_reason_to_wait(client: TestClient, disk: Disk) -> None:
    submit(client.farm, command="print")
    (run,) = start(client)
    assert end(client, run, b"longer", size=4).results == {f"{run}:ended": "applied"}


def test_a_kill_is_confirmed_whether_the_log_is_stored_or_not(client: TestClient, disk: Disk, clock: SetClock) -> None:
    """P8: otherwise its client would be kept from work though nothing is left there."""
    job = submit(client.farm, command="print")
    (run,) = start(client)
    commands.cancel(client.farm, [job], "not wanted")
    disk.has_room = False
    report = client.ended(run, 143, signal=15, killed=True, log_size=3, log_sent=3)
    assert client.beat(report, output=(Piece(run, 0, b"all"),)).results == {f"{run}:ended": "applied"}
    assert status(client, job) == "cancelled"
    assert "of 3 bytes 0 are on the server" in output.job_output_text(client.farm, job)


def test_the_result_of_a_run_that_does_not_count_waits_for_no_log(
    client: TestClient, disk: Disk, clock: SetClock
) -> None:
    submit(client.farm, command="print")
    (run,) = start(client)
    clock.advance(client.farm.policy.lost_seconds + 1)
    upkeep.notice_silence(client.farm)
    other = TestClient(client.farm, hostname="beta", session="b")
    other.register()
    other.beat()
    assert other.fetch()
    disk.has_room = False
    assert end(client, run, b"late").results == {f"{run}:ended": "superseded"}
