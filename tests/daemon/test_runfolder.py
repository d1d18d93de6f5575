import os
import resource
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_kit import an_order

from hqclient.daemon.host_os import Moment
from hqclient.daemon.runs.exit_record import MAX_REASON_LENGTH
from hqclient.daemon.runs.kill_request import KillRequest
from hqclient.daemon.runs.process_tree import ProcessId
from hqclient.daemon.runs.runfolder import ExitRecord, Pids, RunFolder, Standing
from hqclient.daemon.runs.runfolders import RunFolders

pytestmark = pytest.mark.slow


def a_record(**fields: object) -> ExitRecord:
    values: dict[str, object] = {
        "exit_code": 0,
        "signal": 0,
        "killed": False,
        "reason": "",
        "started_at": Moment.now(),
        "ended_at": Moment.now(),
        "log_size": 5,
        "log_hash": "00" * 32,
        "log_truncated": False,
        "progress": 0.5,
        "cpu_seconds": 1.25,
        "max_memory_kb": 1000,
    }
    return ExitRecord(**{**values, **fields})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolders(tmp_path / "runs").create(an_order())


def test_a_new_run_waits_with_its_order(tmp_path: Path) -> None:
    order = an_order("echo grüße", environment={"NAME": "zwölf\n"})
    folder = RunFolders(tmp_path / "runs").create(order)
    assert folder.standing() is Standing.WAITING
    assert folder.read_order() == order
    assert folder.exit_record() is None
    assert folder.pids() is None
    assert (folder.log_size(), folder.read_log(0, 10), folder.progress()) == (0, b"", 0.0)


def test_only_its_owner_may_look_into_a_folder(folder: RunFolder) -> None:
    for path in (folder.path, Path(folder.working_directory)):
        assert path.stat().st_mode & 0o777 == 0o700
    for name in ("order.json", "record"):
        assert (folder.path / name).stat().st_mode & 0o777 == 0o600


def test_a_run_id_has_one_folder(tmp_path: Path) -> None:
    folders = RunFolders(tmp_path / "runs")
    order = an_order("first")
    folders.create(order)
    with pytest.raises(FileExistsError):
        folders.create({**order, "command": "second"})
    kept = folders.get(order["run"]).read_order()
    assert kept is not None
    assert kept["command"] == "first"


@pytest.mark.parametrize("run", ["", "../../etc", "A" * 32, "f" * 31, "f" * 32 + "\n", None])
def test_what_is_no_run_id_makes_no_folder(tmp_path: Path, run: object) -> None:
    folders = RunFolders(tmp_path / "runs")
    with pytest.raises(ValueError, match="is not a run id"):
        folders.create(an_order(run=run))
    assert not list(folders.path.iterdir())


def test_a_full_disk_leaves_no_half_folder(tmp_path: Path) -> None:
    folders = RunFolders(tmp_path / "runs")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError):
            folders.create(an_order())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(folders.path.iterdir())


def test_an_order_torn_by_a_crash_is_none(folder: RunFolder) -> None:
    whole = (folder.path / "order.json").read_bytes()
    (folder.path / "order.json").write_bytes(whole[: len(whole) // 2])
    assert folder.read_order() is None


def test_who_claims_a_run_holds_it_until_he_ends(folder: RunFolder) -> None:
    lock = folder.claim(ProcessId.own())
    assert lock is not None
    assert folder.standing() is Standing.RUNNING
    pids = folder.pids()
    assert pids is not None
    assert pids[:2] == (ProcessId.own(), None)
    assert pids.started_at.age_seconds() < 60
    os.close(lock)
    assert folder.standing() is Standing.LOST


def test_a_run_is_claimed_once_whatever_became_of_the_first(folder: RunFolder) -> None:
    lock = folder.claim(ProcessId.own())
    assert lock is not None
    os.close(lock)
    assert folder.claim(ProcessId.own()) is None
    assert not folder.forbid_start()


def test_a_forbidden_run_cannot_be_claimed(folder: RunFolder) -> None:
    assert folder.forbid_start()
    assert folder.standing() is Standing.FORBIDDEN
    assert folder.claim(ProcessId.own()) is None
    assert folder.forbid_start()


def test_a_folder_that_a_crash_left_half_made_can_be_forbidden(folder: RunFolder) -> None:
    (folder.path / "record").unlink()
    (folder.path / "order.json").unlink()
    assert folder.standing() is Standing.WAITING
    assert folder.forbid_start()
    assert folder.standing() is Standing.FORBIDDEN


def test_a_running_run_cannot_be_forbidden(folder: RunFolder) -> None:
    lock = folder.claim(ProcessId.own())
    assert lock is not None
    assert not folder.forbid_start()
    os.close(lock)


def test_an_ended_run_has_its_record_and_its_pids(folder: RunFolder) -> None:
    lock = folder.claim(ProcessId.own())
    assert lock is not None
    pids = Pids(ProcessId.own(), ProcessId(12345, "boot/1"), Moment.now())
    folder.write_pids(pids)
    record = a_record(exit_code=3, reason="said so")
    folder.write_exit_record(record)
    assert folder.standing() is Standing.RUNNING
    os.close(lock)
    assert folder.standing() is Standing.ENDED
    assert folder.exit_record() == record
    assert folder.pids() == pids


def test_a_folder_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").get(secrets.token_hex(16))
    assert folder.standing() is Standing.WAITING
    assert folder.read_order() is None
    assert folder.kill_request() is None
    assert (folder.log_size(), folder.read_log(0, 10), folder.progress()) == (0, b"", 0.0)


def test_the_room_for_the_record_is_taken_from_the_start(folder: RunFolder) -> None:
    room = (folder.path / "record").stat()
    assert room.st_blocks * 512 >= room.st_size > 0
    folder.write_exit_record(a_record())
    assert (folder.path / "record").stat().st_size == room.st_size


@given(st.text(max_size=2000))
def test_a_record_of_any_reason_fits_its_room(reason: str) -> None:
    record = a_record(reason=reason)
    written = record.encode("a" * 32)
    assert len(written) == 4096
    read = ExitRecord.decode(written, "a" * 32)
    assert read is not None
    assert reason.startswith(read.reason)
    assert read.log_hash == record.log_hash
    if len(reason) < 300:
        assert read.reason == reason


def test_a_lone_surrogate_in_the_reason_does_not_cost_the_record() -> None:
    read = ExitRecord.decode(a_record(reason="no \udcff file").encode("a" * 32), "a" * 32)
    assert read is not None
    assert read.reason == "no ? file"


def test_a_torn_or_damaged_record_is_none() -> None:
    whole = a_record().encode("a" * 32)
    end = len(whole.rstrip(b"\0"))
    for cut in range(end - 1):
        assert ExitRecord.decode(whole[:cut] + bytes(4096 - cut), "a" * 32) is None
        damaged = whole[:cut] + bytes([whole[cut] ^ 1]) + whole[cut + 1 :]
        assert ExitRecord.decode(damaged, "a" * 32) in (None, ExitRecord.decode(whole, "a" * 32) if cut == 8 else None)


def test_another_runs_record_is_none() -> None:
    assert ExitRecord.decode(a_record().encode("a" * 32), "b" * 32) is None


def test_progress_is_rewritten_in_place(folder: RunFolder) -> None:
    for progress in (1.0, 0.333333, 0.0):
        folder.write_progress(progress)
        assert folder.progress() == progress


def test_the_log_is_read_from_any_offset(folder: RunFolder) -> None:
    (folder.path / "log").write_bytes(b"0123456789")
    assert folder.log_size() == 10
    assert folder.read_log(0, 4) == b"0123"
    assert folder.read_log(8, 100) == b"89"
    assert folder.read_log(10, 100) == b""


def test_a_kill_request_stays_with_its_first_reason(folder: RunFolder) -> None:
    assert folder.kill_request() is None
    folder.request_kill(KillRequest("cancelled by ann"))
    folder.request_kill(KillRequest("something else"))
    assert RunFolder(folder.path).kill_request() == KillRequest("cancelled by ann")


def test_a_kill_request_knows_its_limit_and_cuts_a_reason_that_is_too_long(folder: RunFolder) -> None:
    folder.request_kill(KillRequest("ö" * 5000, "maxTime"))
    assert folder.kill_request() == KillRequest("ö" * MAX_REASON_LENGTH, "maxTime")


def test_a_kill_request_without_a_reason_is_one_too(folder: RunFolder) -> None:
    folder.request_kill(KillRequest(""))
    assert folder.kill_request() == KillRequest("")


@pytest.mark.parametrize("content", [b"", b'["torn', b"[1]", b"{}"])
def test_a_kill_request_that_cannot_be_read_is_one_all_the_same(folder: RunFolder, content: bytes) -> None:
    (folder.path / "kill").write_bytes(content)
    assert folder.kill_request() == KillRequest("")
