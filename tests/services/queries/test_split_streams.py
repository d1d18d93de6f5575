"""Jobs that keep stderr apart (`splitOutput`): ordered, stored and shown, and no end before both logs are whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from farm_kit import TestClient, submit
from job_kit import status

from hqserver.domain.errors import BadParameters
from hqserver.domain.run import Stream
from hqserver.services.clients.beats import Piece
from hqserver.services.control import changing, commands, deletion
from hqserver.services.farm import Farm
from hqserver.services.intake.exports import export_jobs
from hqserver.services.intake.imports import import_jobs
from hqserver.services.queries import lookup, output
from hqserver.services.queries.overview import job_overview
from hqserver.services.queries.run_records import list_runs, run_output
from hqserver.store.output import OutputFiles
from hqserver.store.room import Room

ERR = Stream.STDERR


def pieces(run: str, out: bytes, err: bytes) -> tuple[Piece, ...]:
    """Both logs from their beginning."""
    return tuple(Piece(run, 0, data, stream) for stream, data in ((Stream.STDOUT, out), (ERR, err)) if data)


def run_with(client: TestClient, out: bytes, err: bytes, code: int = 0) -> str:
    """Have the next run write this and end; its id."""
    (order,) = client.fetch()
    run = str(order["run"])
    ended = client.ended(run, code, log_size=len(out), log_sent=len(out), stderr=(len(err), len(err)))
    client.beat(ended, output=pieces(run, out, err), accepting=False)
    client.beat()
    return run


# Ordered -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wish", "split"), [({"splitOutput": True}, True), ({"splitOutput": 0}, False), ({}, False)])
def test_the_order_says_whether_stderr_is_kept_apart(
    farm: Farm, client: TestClient, wish: dict[str, Any], split: bool
) -> None:
    job = submit(farm, command="x", **wish)
    (order,) = client.fetch()
    assert order["splitOutput"] is split
    assert lookup.job_detail(farm, job, ["splitOutput"]) == {"id": job, "splitOutput": split}
    assert [run["splitOutput"] for run in list_runs(farm, job)] == [split]


def test_hooks_keep_it_apart_as_the_command_does(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", splitOutput=True, onSuccess="h", cleanup="c")
    for words in (b"command\n", b"hook\n", b"cleanup\n"):
        run_with(client, words, b"E " + words)
    text = "".join(output.job_output_text(farm, job))
    assert text == (
        "command\n[hq] stderr on alpha\nE command\n"
        "[hq] onSuccess on alpha\nhook\n[hq] onSuccess, stderr on alpha\nE hook\n"
        "[hq] cleanup on alpha\ncleanup\n[hq] cleanup, stderr on alpha\nE cleanup\n"
    )


def test_what_runs_stays_as_it_was_started_whatever_its_job_says_since(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", splitOutput=True, triesLeft=1)
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    changing.modify_jobs(farm, [job], {"splitOutput": False}, "ada")
    assert run_output(farm, order["run"], stream="stderr")["ended"] is False
    client.beat(client.ended(order["run"], 1, log_size=0, stderr=(3, 3)), output=pieces(order["run"], b"", b"err"))
    (order,) = client.fetch() or [client.start_orders[list(client.start_orders)[-1]]]
    assert order["splitOutput"] is False
    assert [run["splitOutput"] for run in list_runs(farm, job)] == [True, False]
    assert lookup.job_detail(farm, job, ["splitOutput"])["splitOutput"] is False


def test_a_job_that_goes_to_another_farm_takes_the_wish_along(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", splitOutput=True)
    (copy,) = import_jobs(farm, export_jobs(farm, [job]).replace('"uuid"', '"x-uuid"'))
    assert lookup.job_detail(farm, copy["id"], ["splitOutput"])["splitOutput"] is True


# Stored --------------------------------------------------------------------------------------------------------------


class Disk(Room):
    """A disk that has no room for logs beyond so many bytes."""

    most = 1 << 30

    def left_for_log(self, size: int) -> bool:
        return size <= self.most


def test_each_piece_is_answered_with_what_its_own_log_has(farm: Farm, client: TestClient) -> None:
    submit(farm, command="x", splitOutput=True)
    (order,) = client.fetch()
    run = str(order["run"])
    answer = client.beat(client.started(run), output=pieces(run, b"one", b"fault"))
    assert (answer.output, answer.stderr) == ({run: 3}, {run: 5})
    answer = client.beat(output=(Piece(run, 3, b" two", ERR), Piece(run, 5, b"y", ERR)))
    assert (answer.output, answer.stderr) == ({}, {run: 6})
    assert farm.output.read(1, run, stream=ERR) == b"faulty"


def test_t6_the_end_of_a_run_waits_until_both_its_logs_are_stored_whole(
    farm: Farm, client: TestClient, tmp_path: Path
) -> None:
    """P9: whichever of the two the disk had no room for."""
    disk = Disk()
    client.farm = replace(farm, output=OutputFiles(tmp_path / "logs", disk))
    job = submit(client.farm, command="x", splitOutput=True)
    (order,) = client.fetch()
    run = str(order["run"])
    disk.most = 4
    end = client.ended(run, log_size=3, log_sent=3, stderr=(6, 6))
    for _ in range(2):
        answer = client.beat(end, output=pieces(run, b"out", b"broken"))
        assert (answer.results, answer.output, answer.stderr) == ({}, {run: 3}, {run: 0})
        assert status(farm, job) != "succeeded"
    disk.most = 10
    assert client.beat(end, output=pieces(run, b"out", b"broken")).results == {f"{run}:ended": "applied"}
    assert status(farm, job) == "succeeded"
    assert output.job_output(client.farm, job) == b"out\n[hq] stderr on alpha\nbroken"


def test_a_log_of_stderr_that_was_lost_here_before_its_run_ended_is_asked_for_again(
    farm: Farm, client: TestClient
) -> None:
    job = submit(farm, command="x", splitOutput=True)
    (order,) = client.fetch()
    run = str(order["run"])
    client.beat(client.started(run), output=pieces(run, b"out", b"err"))
    farm.output.path(job, run, ERR).unlink()
    end = client.ended(run, log_size=3, log_sent=3, stderr=(3, 3))
    answer = client.beat(end)
    assert (answer.results, answer.output, answer.stderr) == ({}, {run: 3}, {run: 0})
    assert client.beat(end, output=pieces(run, b"", b"err")).results == {f"{run}:ended": "applied"}


def test_a_part_of_stderr_that_its_client_has_not_either_does_not_hold_up_the_end(
    farm: Farm, client: TestClient
) -> None:
    job = submit(farm, command="x", splitOutput=True)
    (order,) = client.fetch()
    run = str(order["run"])
    end = client.ended(run, log_size=0, stderr=(8, 4))
    assert client.beat(end, output=pieces(run, b"", b"half")).results == {f"{run}:ended": "applied"}
    assert "".join(output.job_output_text(farm, job)) == (
        "[hq] stderr on alpha\nhalf\n[hq] the output ends here: of 8 bytes 4 are on the server\n"
    )
    assert run_output(farm, run, stream="stderr")["truncated"] is True


def test_a_kill_is_confirmed_whether_stderr_is_stored_or_not(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", splitOutput=True)
    (order,) = client.fetch()
    run = str(order["run"])
    client.beat(client.started(run))
    commands.cancel(farm, [job], "not wanted")
    report = client.ended(run, 143, signal=15, killed=True, log_size=0, stderr=(3, 3))
    assert client.beat(report).results == {f"{run}:ended": "applied"}
    assert status(farm, job) == "cancelled"


def test_a_client_that_does_not_know_the_property_merges_and_is_taken_at_its_word(
    farm: Farm, client: TestClient
) -> None:
    job = submit(farm, command="x", splitOutput=True)
    (order,) = client.fetch()
    run = str(order["run"])
    answer = client.beat(client.ended(run, log_size=6, log_sent=6), output=(Piece(run, 0, b"merged"),))
    assert answer.results == {f"{run}:ended": "applied"}
    assert output.job_output(farm, job) == b"merged"
    found = run_output(farm, run, stream="stderr")
    assert (found["data"], found["size"], found["ended"], found["truncated"]) == (b"", 0, True, False)


def test_with_its_job_both_logs_of_a_run_are_removed(farm: Farm, client: TestClient, tmp_path: Path) -> None:
    job = submit(farm, command="x", splitOutput=True)
    run_with(client, b"out", b"err")
    assert len([path for path in (tmp_path / "output").rglob("*") if path.is_file()]) == 2
    deletion.delete(farm, [job])
    assert [path for path in (tmp_path / "output").rglob("*") if path.is_file()] == []


# Shown ---------------------------------------------------------------------------------------------------------------


def test_stdout_comes_first_and_then_stderr_after_one_line(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", splitOutput=True, triesLeft=1)
    run_with(client, b"one\n", b"broken\n", 1)
    run_with(client, b"two\n", b"")
    whole = "one\n[hq] stderr on alpha\nbroken\n[hq] try 2 on alpha\ntwo\n"
    assert "".join(output.job_output_text(farm, job)) == whole
    for count in range(1, len(whole)):
        assert "".join(output.job_output_text(farm, job, count)) == whole[-count:]
    assert output.job_output(farm, job, stream=Stream.STDOUT) == b"one\n[hq] try 2 on alpha\ntwo\n"
    assert output.job_output(farm, job, stream=ERR) == b"broken\n[hq] try 2 on alpha\n"


def test_pieces_of_an_agenda_name_themselves_before_each_stream(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", splitOutput=True, agenda="1-2", maxConcurrent=1)
    for words in (b"one\n", b"two\n"):
        run_with(client, words, b"E " + words)
    assert "".join(output.job_output_text(farm, job)) == (
        "[hq] 1 on alpha\none\n[hq] 1, stderr on alpha\nE one\n[hq] 2 on alpha\ntwo\n[hq] 2, stderr on alpha\nE two\n"
    )


def test_a_run_is_read_stream_by_stream(farm: Farm, client: TestClient) -> None:
    submit(farm, command="x", splitOutput=True)
    run = run_with(client, b"0123456789", b"\x00\xffbroken")
    assert run_output(farm, run)["data"] == run_output(farm, run, stream="stdout")["data"] == b"0123456789"
    found = run_output(farm, run, 2, 3, "stderr")
    assert found == {"data": b"bro", "offset": 2, "next": 5, "size": 8, "ended": True, "truncated": False}
    assert run_output(farm, run, -3, 100, "stderr")["data"] == b"ken"


def test_a_run_that_does_not_split_has_an_empty_stderr_that_has_ended_at_any_time(
    farm: Farm, client: TestClient
) -> None:
    submit(farm, command="x")
    (order,) = client.fetch()
    run = str(order["run"])
    empty = {"data": b"", "offset": 0, "next": 0, "size": 0, "ended": True, "truncated": False}
    assert run_output(farm, run, 0, 100, "stderr") == empty
    client.beat(client.ended(run, log_size=3, log_sent=3), output=(Piece(run, 0, b"out"),))
    assert run_output(farm, run, 7, 100, "stderr") == empty


def test_stderr_of_a_run_that_goes_on_has_not_ended(farm: Farm, client: TestClient) -> None:
    submit(farm, command="x", splitOutput=True)
    (order,) = client.fetch()
    assert run_output(farm, order["run"], stream="stderr")["ended"] is False
    client.beat(client.started(order["run"]), output=pieces(order["run"], b"", b"err"))
    found = run_output(farm, order["run"], stream="stderr")
    assert (found["data"], found["ended"]) == (b"err", False)


@pytest.mark.parametrize("stream", ["", "STDERR", "stdin", "x" * 1000])
def test_another_stream_is_refused(farm: Farm, client: TestClient, stream: str) -> None:
    submit(farm, command="x", splitOutput=True)
    run = run_with(client, b"", b"")
    with pytest.raises(BadParameters, match="stream must be stdout or stderr, not") as caught:
        run_output(farm, run, 0, 10, stream)
    assert len(str(caught.value)) < 200


def test_a_log_of_stderr_that_was_cut_is_told_where_runs_are_shown(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", splitOutput=True)
    (order,) = client.fetch()
    ended = client.ended(order["run"], log_size=0, stderr=(0, 0))
    client.beat(replace(ended, end=replace(ended.end, stderr_truncated=True)))
    (run,) = job_overview(farm, job, 0).runs
    assert run.log_truncated
    assert run_output(farm, order["run"], stream="stderr")["truncated"] is True
    assert run_output(farm, order["run"])["truncated"] is False
