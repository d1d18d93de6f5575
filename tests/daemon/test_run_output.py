import hashlib
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from run_kit import an_order

from hqclient.daemon.runs.output import MIN_LOG_LIMIT, BoundedLog, LogSummary, RunOutput
from hqclient.daemon.runs.runfolder import RunFolder
from hqclient.daemon.runs.runfolders import RunFolders


def logged(path: Path, limit: int, *pieces: bytes) -> tuple[bytes, LogSummary]:
    path.unlink(missing_ok=True)
    log = BoundedLog(str(path), limit)
    for piece in pieces:
        log.write(piece)
    summary = log.close()
    return path.read_bytes(), summary


def test_output_within_the_limit_is_kept_as_it_came(tmp_path: Path) -> None:
    content, summary = logged(tmp_path / "log", 4096, b"one\n", b"two\n")
    assert content == b"one\ntwo\n"
    assert summary == LogSummary(8, hashlib.sha256(content).hexdigest(), False)


def test_the_log_grows_while_the_command_runs(tmp_path: Path) -> None:
    log = BoundedLog(str(tmp_path / "log"), 4096)
    log.write(b"first\n")
    assert (tmp_path / "log").read_bytes() == b"first\n"
    log.close()


def test_beyond_the_limit_first_and_last_half_are_kept_and_the_cut_is_said(tmp_path: Path) -> None:
    content, summary = logged(tmp_path / "log", 4096, *(b"%07d\n" % number for number in range(10_000)))
    assert summary.truncated
    assert len(content) <= 4096
    assert content.startswith(b"0000000\n0000001\n")
    assert content.endswith(b"0009998\n0009999\n")
    assert b" bytes of output are left out here: the log is limited to 4096 bytes]\n" in content
    left_out = int(content.split(b"[hqclient: ")[1].split()[0])
    marker = content.index(b"\n[hqclient: "), content.index(b"4096 bytes]\n") + len(b"4096 bytes]\n")
    assert marker[0] + (len(content) - marker[1]) + left_out == 80_000


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=900), max_size=12), st.integers(MIN_LOG_LIMIT, 3000))
def test_any_output_in_any_pieces_fits_and_hashes_and_loses_nothing_unsaid(pieces: list[bytes], limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        content, summary = logged(Path(folder) / "log", limit, *pieces)
    whole = b"".join(pieces)
    assert len(content) == summary.size <= limit
    assert summary.sha256 == hashlib.sha256(content).hexdigest()
    assert summary.truncated == (content != whole)
    if summary.truncated:
        assert b"\n[hqclient: " in content
        assert whole.endswith(content[-300:])


def test_one_line_of_50_mb_without_a_newline_leaves_a_small_log(tmp_path: Path) -> None:
    content, summary = logged(tmp_path / "log", 10_000, *(bytes(1 << 20) for _ in range(50)))
    assert len(content) <= 10_000
    assert summary.truncated


@contextmanager
def small_files() -> Iterator[int]:
    """No file of this process may grow beyond this many bytes: the cheapest full disk there is."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        yield 2000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_cuts_the_log_and_stops_nothing(tmp_path: Path) -> None:
    with small_files() as most:
        content, summary = logged(tmp_path / "log", 100_000, *(b"x" * 100 for _ in range(100)))
    assert content == b"x" * most
    assert summary == LogSummary(most, hashlib.sha256(content).hexdigest(), True)


def test_a_disk_that_has_room_again_gets_the_rest(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = BoundedLog(str(tmp_path / "log"), 100_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        log.write(b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.write(b"y" * 5000)
    assert not log.close().truncated
    assert (tmp_path / "log").read_bytes() == b"x" * 5000 + b"y" * 5000


def test_a_disk_that_refused_and_lost_bytes_is_named_in_the_log(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = BoundedLog(str(tmp_path / "log"), 10_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        log.write(b"x" * 50_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    summary = log.close()
    assert summary.truncated
    assert b"they could not be written (File too large)]\n" in (tmp_path / "log").read_bytes()


def test_a_log_that_cannot_be_opened_is_empty_and_truncated(tmp_path: Path) -> None:
    log = BoundedLog(str(tmp_path / "missing" / "log"), 4096)
    log.write(b"lost\n")
    assert log.close() == LogSummary(0, hashlib.sha256(b"").hexdigest(), True)


def a_folder(tmp_path: Path) -> RunFolder:
    return RunFolders(tmp_path / "runs").create(an_order())


def test_progress_reaches_the_folder_while_the_command_runs(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    output = RunOutput(folder, 4096, (r"at (\d+)%",))
    output.feed(b"at 25%\n")
    assert folder.progress() == 0.25
    output.feed(b"at 50%\n")
    assert output.seconds_to_scan() is not None
    output.close()
    assert folder.progress() == output.progress == 0.5


def test_the_last_line_counts_even_without_a_newline(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    output = RunOutput(folder, 4096, (r"at (\d+)%",))
    output.feed(b"at 100%")
    assert output.seconds_to_scan() is None
    output.close()
    assert folder.progress() == 1.0


def test_a_pattern_that_is_given_up_is_named_in_the_log(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    output = RunOutput(folder, 4096, ("broken (",))
    output.feed(b"line\n")
    output.close()
    assert b"the progress pattern 'broken (' is not a regular expression" in folder.read_log(0, 4096)
