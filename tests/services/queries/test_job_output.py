"""The output of a job: what its runs wrote, in their order (CONTRACT 9.20, PROMISES P9)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from farm_kit import SetClock, TestClient, submit

from hqserver.domain.errors import NotFound
from hqserver.services.care import upkeep
from hqserver.services.clients.beats import Piece
from hqserver.services.farm import Farm
from hqserver.services.queries import output


def run_with(client: TestClient, data: bytes, code: int = 0, log_size: int | None = None) -> str:
    """Have the next run write this and end; its id."""
    (order,) = client.fetch()
    run = str(order["run"])
    client.beat(
        client.ended(run, code, log_size=len(data) if log_size is None else log_size),
        output=(Piece(run, 0, data),) if data else (),
        accepting=False,
    )
    client.beat()
    return run


def test_a_job_that_never_ran_has_no_output(farm: Farm) -> None:
    assert output.job_output(farm, submit(farm, command="x")) == b""
    assert output.job_output_text(farm, submit(farm)) == ""


def test_a_job_that_does_not_exist_is_not_found(farm: Farm) -> None:
    with pytest.raises(NotFound, match="there is no job 99"):
        output.job_output(farm, 99)


def test_the_bytes_are_those_the_command_wrote(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    data = bytes(range(256)) * 10
    run_with(client, data)
    assert output.job_output(farm, job) == data


def test_output_can_be_read_while_the_command_runs(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]), output=(Piece(order["run"], 0, b"frame 1\n"),))
    assert output.job_output(farm, job) == b"frame 1\n"
    answer = client.beat(output=(Piece(order["run"], 8, b"frame 2\n"),))
    assert answer.output == {order["run"]: 16}
    assert output.job_output(farm, job) == b"frame 1\nframe 2\n"


def test_each_later_try_follows_after_one_line_that_says_so(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", triesLeft=2)
    run_with(client, b"one\n", 1)
    run_with(client, b"two\n", 1)
    run_with(client, b"three\n")
    assert output.job_output_text(farm, job) == "one\n[hq] try 2 on alpha\ntwo\n[hq] try 3 on alpha\nthree\n"


def test_the_line_between_tries_is_one_of_its_own_also_behind_output_that_ends_within_a_line(
    farm: Farm, client: TestClient
) -> None:
    """9.20"""
    job = submit(farm, command="x", triesLeft=2)
    for log in (b"one", b""):
        run_with(client, log, 1)
    run_with(client, b"three")
    whole = "one\n[hq] try 2 on alpha\n[hq] try 3 on alpha\nthree"
    assert output.job_output_text(farm, job) == output.job_output(farm, job).decode() == whole
    for last in range(1, len(whole) + 2):
        assert output.job_output_text(farm, job, last) == whole[-last:]


def test_a_run_that_never_started_is_no_try(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.refused(order["run"]), accepting=False)
    client.beat()
    run_with(client, b"one\n")
    assert output.job_output_text(farm, job) == "one\n"


def test_output_that_did_not_arrive_is_said_to_be_missing(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    run_with(client, b"half", log_size=8)
    assert output.job_output_text(farm, job) == "half\n[hq] the output ends here: of 8 bytes 4 are on the server\n"


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (None, "\n[hq] the output ends here: of 8 bytes 0 are on the server\n"),
        (b"", "\n[hq] the output ends here: of 8 bytes 0 are on the server\n"),
        (b"one", "one\n[hq] the output ends here: of 8 bytes 3 are on the server\n"),
        (
            b"one two\n and more",
            "one two\n\n[hq] the command wrote no more; 9 bytes that its log holds beyond are left out\n",
        ),
    ],
)
def test_a_log_that_is_not_what_its_run_wrote_is_answered_and_says_so(
    farm: Farm, client: TestClient, left: bytes | None, told: str
) -> None:
    """P9: a copy of the database holds no logs, and where it is put back they may be gone, older or newer."""
    job = submit(farm, command="x")
    path = farm.output.path(job, run_with(client, b"one two\n"))
    path.unlink() if left is None else path.write_bytes(left)
    assert output.job_output_text(farm, job) == told
    for count in range(1, len(told)):
        assert output.job_output_text(farm, job, count) == told[-count:]


def test_a_log_that_cannot_be_read_is_answered_and_says_so(
    farm: Farm, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    job = submit(farm, command="x")
    path = farm.output.path(job, run_with(client, b"one two\n"))
    path.unlink()
    path.mkdir()
    found = output.job_output_text(farm, job)
    assert found.endswith("bytes of the output cannot be read\n") or "are on the server" in found
    assert f"of job {job} cannot be read" in caplog.text


def test_the_last_characters_are_cut_from_the_whole(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", triesLeft=1)
    run_with(client, "schön\n".encode() * 40, 1)
    run_with(client, "grüße 🐺\n".encode() * 40)
    whole = output.job_output_text(farm, job)
    for count in range(1, len(whole) + 20):
        assert output.job_output_text(farm, job, count) == whole[-count:], count


@pytest.mark.parametrize("count", [None, 0, -1])
def test_no_count_means_everything(farm: Farm, client: TestClient, count: int | None) -> None:
    job = submit(farm, command="x")
    run_with(client, b"hello")
    assert output.job_output_text(farm, job, count) == "hello"


def test_bytes_that_are_no_text_become_replacement_characters(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    run_with(client, b"a\xff\xfeb")
    assert output.job_output_text(farm, job) == "a\ufffd\ufffdb"


def test_output_of_a_run_that_is_none_of_the_clients_is_taken_and_forgotten(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    """It must not stand in the client's way, nor in another client's log."""
    job = submit(farm, command="x")
    (order,) = client.fetch()
    other = TestClient(farm, hostname="beta", session="b")
    other.register()
    answer = other.beat(output=(Piece(order["run"], 0, b"not mine"), Piece("f" * 32, 5, b"nobody's")))
    assert answer.output == {order["run"]: 8, "f" * 32: 13}
    assert output.job_output(farm, job) == b""


def test_what_a_lost_client_sends_late_is_still_kept(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]), output=(Piece(order["run"], 0, b"early "),))
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    client.beat(output=(Piece(order["run"], 6, b"late"),))
    assert output.job_output(farm, job) == b"early late"


def test_each_piece_of_an_agenda_is_named_before_its_output(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-2", maxConcurrent=1, triesLeft=1)
    for code, words in ((1, b"broken\n"), (0, b"one\n"), (0, b"two\n")):
        run_with(client, words, code)
    whole = b"[hq] 1 on alpha\nbroken\n[hq] 1, try 2 on alpha\none\n[hq] 2 on alpha\ntwo\n"
    assert output.job_output(farm, job) == whole
    assert output.job_output(farm, job, 3) == b"wo\n"


def test_a_log_that_its_client_could_not_write_whole_says_so(farm: Farm, client: TestClient) -> None:
    """P9: a full disk there may leave no room even for the marker of the runner itself."""
    told = b"head\n[hqclient: 7 bytes of output are left out here: they could not be written]\ntail\n"
    for log, shown in ((b"head\n", b"head\n\n[hq] the output was cut on its client, "), (told, told)):
        job = submit(farm, command="x")
        (order,) = client.fetch()
        run = str(order["run"])
        ended = client.ended(run, log_size=len(log))
        cut = replace(ended, end=replace(ended.end, log_truncated=True))
        client.beat(cut, output=(Piece(run, 0, log),))
        assert output.job_output(farm, job).startswith(shown)
        assert output.job_output(farm, job).count(b"[hq") == 1
