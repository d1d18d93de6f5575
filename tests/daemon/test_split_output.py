"""A run that keeps stderr apart (`splitOutput`): two pipes, two logs, and one run all the same (CONTRACT 10)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from agent_kit import FakeServer, a_record, an_agent, until
from run_kit import an_order, has_line, is_gone, pid_said, run_to_end, runner_of, wait_until

from hqclient.daemon.orphans import keep_orphan
from hqclient.daemon.reports import ended_report
from hqclient.daemon.runs.exit_record import LogSummary
from hqclient.daemon.runs.failures import Failure, FailurePattern, FailureScanner
from hqclient.daemon.runs.lost import record_of_lost
from hqclient.daemon.runs.output import RunOutput
from hqclient.daemon.runs.runfolder import ExitRecord, RunFolder
from hqclient.daemon.runs.runfolders import RunFolders
from hqserver.domain.run import Stream

OUT, ERR = Stream.STDOUT, Stream.STDERR

pytestmark = pytest.mark.slow


def split_run(tmp_path: Path, command: str, **fields: Any) -> tuple[RunFolder, ExitRecord]:
    """Run a command with stderr kept apart; its folder and exit record."""
    return run_to_end(tmp_path, command, splitOutput=True, **fields)


def logs(folder: RunFolder) -> tuple[bytes, bytes]:
    """What was written to stdout and to stderr."""
    return folder.read_log(0, 1 << 20), folder.read_log(0, 1 << 20, ERR)


def summary(content: bytes, *, truncated: bool = False) -> LogSummary:
    return LogSummary(len(content), hashlib.sha256(content).hexdigest(), truncated)


# The runner ----------------------------------------------------------------------------------------------------------


def test_each_stream_has_its_log_and_the_record_tells_of_both(tmp_path: Path) -> None:
    command = "for i in 1 2 3; do echo out $i; echo err $i >&2; done; exit 3"
    folder, record = split_run(tmp_path, command)
    assert logs(folder) == (b"out 1\nout 2\nout 3\n", b"err 1\nerr 2\nerr 3\n")
    assert (record.exit_code, record.log_size, record.log_truncated) == (3, 18, False)
    assert record.stderr == summary(b"err 1\nerr 2\nerr 3\n")


def test_what_is_not_split_is_one_log_in_the_order_of_writing(tmp_path: Path) -> None:
    folder, record = run_to_end(tmp_path, "for i in 1 2; do echo out $i; echo err $i >&2; done")
    assert logs(folder) == (b"out 1\nerr 1\nout 2\nerr 2\n", b"")
    assert record.stderr is None
    assert not Path(folder.stderr_path).exists()


def test_a_stream_on_which_nothing_is_written_has_an_empty_log(tmp_path: Path) -> None:
    folder, record = split_run(tmp_path, "echo out")
    assert (logs(folder), record.stderr) == ((b"out\n", b""), summary(b""))


def test_what_the_farm_says_is_in_the_log_of_stdout(tmp_path: Path) -> None:
    folder, record = split_run(tmp_path, "echo never", shell="nosuchshell")
    assert b"ERROR: Could not run command" in logs(folder)[0]
    assert (logs(folder)[1], record.stderr) == (b"", summary(b""))


@pytest.mark.parametrize(
    "command", ["echo at 40% >&2; printf 'at ' >&2; echo; echo 70% >&2", "echo at 70%; echo x >&2"]
)
def test_progress_is_found_on_either_stream_and_in_whole_lines(tmp_path: Path, command: str) -> None:
    _, record = split_run(tmp_path, command, progressPatterns=[r"at (\d+)%"])
    assert record.progress == 0.7


@pytest.mark.parametrize("where", ["", ">&2"])
def test_a_failure_is_found_on_either_stream(tmp_path: Path, where: str) -> None:
    patterns = [{"pattern": "no licence for .*", "action": "licence"}]
    _, record = split_run(tmp_path, f"echo begin; echo no licence for nuke {where}; exit 1", failurePatterns=patterns)
    assert (record.failure, record.failure_line) == ("licence", "no licence for nuke")


def test_a_line_of_one_stream_is_not_cut_by_what_comes_on_the_other() -> None:
    scanner = FailureScanner((FailurePattern("no licence", "licence"),))
    scanner.feed(b"no lic", OUT)
    scanner.feed(b"warning\n", ERR)
    scanner.scan()
    assert scanner.found is None
    scanner.feed(b"ence\n", OUT)
    scanner.scan()
    assert scanner.found == Failure("licence", "no licence")


def test_halves_of_a_line_on_two_streams_are_no_line() -> None:
    scanner = FailureScanner((FailurePattern("no licence", "licence"),))
    scanner.feed(b"no lic", OUT)
    scanner.feed(b"ence\n", ERR)
    scanner.end_line()
    scanner.scan()
    assert scanner.found is None


def test_the_progress_that_counts_is_that_of_the_stream_which_spoke_last(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order(splitOutput=True))
    output = RunOutput(folder, 4096, (r"at (\d+)%",), split=True)
    output.scan()
    for stream, text in ((ERR, b"at 10%\n"), (OUT, b"at 20%\n"), (ERR, b"at 30%\n")):
        output.feed(text, stream)
    output.close()
    assert folder.progress() == 0.3


def test_a_byte_on_stderr_now_and_then_is_no_silence(tmp_path: Path) -> None:
    command = "for i in 1 2 3 4 5 6 7 8; do printf . >&2; sleep 0.25; done"
    _, record = split_run(tmp_path, command, maxSilence=1.5)
    assert (record.exit_code, record.limit) == (0, "")


def test_silence_on_both_streams_ends_the_run(tmp_path: Path) -> None:
    _, record = split_run(tmp_path, "echo on; echo on >&2; exec sleep 600", maxSilence=0.3)
    assert (record.killed, record.limit) == (True, "maxSilence")


def test_t18_a_flood_on_stderr_alone_neither_blocks_the_command_nor_cuts_stdout(tmp_path: Path) -> None:
    command = "echo begin; yes | head -c 50000000 >&2; echo over"
    folder, record = split_run(tmp_path, command, logLimit=100_000)
    out, err = logs(folder)
    assert (record.exit_code, record.log_truncated, out) == (0, False, b"begin\nover\n")
    assert record.stderr == summary(err, truncated=True)
    assert len(err) <= 100_000
    assert b"bytes of output are left out here: the log is limited to 100000 bytes" in err


def test_each_log_has_the_whole_limit(tmp_path: Path) -> None:
    folder, record = split_run(tmp_path, "head -c 90000 /dev/zero; head -c 90000 /dev/zero >&2", logLimit=100_000)
    assert logs(folder) == (bytes(90_000), bytes(90_000))
    assert record.stderr == summary(bytes(90_000))


def test_a_grandchild_that_writes_to_stderr_a_moment_longer_is_waited_for(tmp_path: Path) -> None:
    folder, _ = split_run(tmp_path, "(sleep 0.1; echo late >&2) & exit 0")
    assert logs(folder) == (b"", b"late\n")


def test_a_grandchild_that_keeps_stderr_open_is_ended_and_the_log_says_so(tmp_path: Path) -> None:
    left = "(echo left $(exec sh -c 'echo $PPID'); exec sleep 600 >&-) &"
    folder, record = split_run(tmp_path, f"{left} sleep 0.2; exit 5")
    assert (record.exit_code, record.killed) == (5, False)
    assert is_gone(pid_said(folder, "left"))
    assert has_line(folder, "[hqclient: the command left 1 process behind, which had to be ended]")
    assert logs(folder)[1] == b""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another process's pipe is opened through /proc")
@pytest.mark.parametrize("number", [1, 2])
def test_a_stranger_who_holds_a_pipe_open_is_not_waited_for(tmp_path: Path, number: int) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order("echo on $$; read line < fifo", splitOutput=True))
    fifo = Path(folder.working_directory) / "fifo"
    os.mkfifo(fifo)
    with runner_of(folder) as runner:
        held = os.open(f"/proc/{pid_said(folder, 'on')}/fd/{number}", os.O_WRONLY)
        fifo.write_text("go\n")
        assert runner.wait(30) == 0
        os.close(held)
    record = folder.exit_record()
    assert record is not None
    assert (record.exit_code, record.stderr) == (0, summary(b""))


def test_of_a_run_whose_runner_died_both_logs_are_told(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order("echo broken >&2; echo on; sleep 600", splitOutput=True))
    with runner_of(folder) as runner:
        wait_until(lambda: has_line(folder, "on") and folder.log_size(ERR), "the command writes")
        runner.kill()
        runner.wait()
        record = record_of_lost(folder, None)
        assert (record.log_size, record.stderr) == (3, summary(b"broken\n", truncated=True))


def test_a_folder_that_is_used_again_shows_nothing_of_the_stderr_before(tmp_path: Path) -> None:
    folder, _ = split_run(tmp_path, "echo secret >&2")
    folders = RunFolders(tmp_path / "runs")
    place = os.open(folder.path, os.O_RDONLY)  # while it is open, no other folder can get its number
    folders.remove(folder)
    new = folders.create(an_order())
    assert new.path.stat().st_ino == os.fstat(place).st_ino
    os.close(place)
    assert new.log_size(ERR) == 0
    assert new.streams() == (OUT,)


def test_an_orphan_keeps_the_log_of_stderr_too(tmp_path: Path) -> None:
    folder, _ = split_run(tmp_path, "echo out; echo err >&2")
    (tmp_path / "orphans").mkdir()
    keep_orphan(folder, tmp_path / "orphans")
    kept = tmp_path / "orphans" / folder.run_id
    assert ((kept / "log").read_bytes(), (kept / "stderr").read_bytes()) == (b"out\n", b"err\n")


def test_a_record_that_knows_nothing_of_stderr_is_read() -> None:
    """A runner of older code left it."""
    run, record = "a" * 32, a_record()
    body = json.dumps(
        {"run": run, **{name: value for name, value in vars(record).items() if name != "stderr"}}
    ).encode()
    assert ExitRecord.decode(b"%08x %d\n%b\n" % (zlib.crc32(body), len(body), body), run) == record


@pytest.mark.parametrize("stderr", [None, summary(b"err\n"), summary(b"", truncated=True)])
def test_a_record_tells_of_stderr_and_so_does_the_report(stderr: LogSummary | None) -> None:
    record = a_record(stderr=stderr)
    assert ExitRecord.decode(record.encode("a" * 32), "a" * 32) == record
    report = ended_report("a" * 32, record)
    told = tuple(report.get(f"stderr{name}") for name in ("Size", "Hash", "Truncated"))
    assert told == (stderr or (None, None, None))


# The daemon ----------------------------------------------------------------------------------------------------------


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


@pytest.mark.slow
def test_both_logs_arrive_whole_before_the_end_is_reported(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            flood = "head -c 9000000 /dev/urandom"
            run = server.start(f"{flood}; {flood} >&2; exit 3", splitOutput=True, logLimit=20_000_000)
            await until(lambda: server.of(run, "ended"), "the run ends")
        assert (len(server.logs[run]), len(server.stderr[run])) == (9_000_000, 9_000_000)
        for beat in server.beats:
            pieces = [*beat["output"], *beat.get("stderr", [])]
            assert sum(len(piece["data"]) for piece in pieces) <= 4 << 20

    play(scene())


@pytest.mark.slow
def test_stderr_arrives_while_the_command_runs(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("echo early >&2; exec sleep 600", splitOutput=True)
            await until(lambda: server.stderr.get(run) == b"early\n", "the line arrives")
            assert not server.of(run, "ended")
            server.kill(run)
            await until(lambda: server.of(run, "ended"), "the run ends")
        assert server.ended(run)["stderrSize"] == 6

    play(scene())


@pytest.mark.slow
def test_a_daemon_that_returns_goes_on_with_both_logs(tmp_path: Path) -> None:
    async def scene() -> None:
        server, go = FakeServer(), tmp_path / "go"
        words = "echo out; echo err >&2"
        async with an_agent(tmp_path / "data", server):
            run = server.start(f"{words}; until test -e {go}; do sleep 0.02; done; {words}", splitOutput=True)
            await until(lambda: server.stderr.get(run) == b"err\n", "the first line arrives")
        go.touch()
        folder = RunFolders(tmp_path / "data" / "runs").get(run)
        wait_until(lambda: not folder.is_alive(), "it ends with no daemon there")
        async with an_agent(tmp_path / "data", server):
            await until(lambda: server.of(run, "ended"), "it is reported")
        assert (server.logs[run], server.stderr[run]) == (b"out\nout\n", b"err\nerr\n")

    play(scene())


@pytest.mark.slow
def test_a_server_that_knows_nothing_of_stderr_gets_stdout_and_the_end(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        server.knows_stderr = False
        async with an_agent(tmp_path, server):
            run = server.start("echo out; echo err >&2; exit 3", splitOutput=True)
            await until(lambda: server.of(run, "ended"), "the run ends")
        assert (server.logs[run], server.ended(run)["exitCode"]) == (b"out\n", 3)
        assert "stderrSent" not in server.ended(run)

    play(scene())
