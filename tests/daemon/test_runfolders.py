import os
from pathlib import Path

import pytest
from run_kit import an_order

from hqclient.daemon.runs.kill_request import KillRequest
from hqclient.daemon.runs.pauses import Pauses, note_pause, read_pauses
from hqclient.daemon.runs.process_tree import ProcessId
from hqclient.daemon.runs.runfolder import RunFolder, Standing
from hqclient.daemon.runs.runfolders import RunFolders


@pytest.fixture
def folders(tmp_path: Path) -> RunFolders:
    return RunFolders(tmp_path / "runs")


def use_up(folder: RunFolder) -> None:
    """Everything a run can leave in its own files."""
    lock = folder.claim(ProcessId.own())
    assert lock is not None
    (folder.path / "log").write_bytes(b"old output\n")
    folder.write_progress(0.75)
    os.close(lock)
    folder.request_kill(KillRequest("old reason"))
    note_pause(folder)


def test_a_removed_run_is_gone(folders: RunFolders) -> None:
    folder = folders.create(an_order())
    (Path(folder.working_directory) / "picture.png").write_bytes(b"x")
    folders.remove(folder)
    assert not folder.path.exists()
    assert list(folders) == []
    folders.remove(folder)


def test_a_folder_that_is_used_again_shows_nothing_of_the_run_before(folders: RunFolders) -> None:
    old = folders.create(an_order("old command", environment={"SECRET": "x" * 3000}))
    use_up(old)
    held = os.open(old.path, os.O_RDONLY)  # while it is open, no other folder can get its number
    folders.remove(old)
    order = an_order("new")
    new = folders.create(order)
    assert new.path.stat().st_ino == os.fstat(held).st_ino
    os.close(held)
    assert new.read_order() == order
    assert new.standing() is Standing.WAITING
    assert (new.log_size(), new.progress(), new.kill_request(), new.pids()) == (0, 0.0, None, None)
    assert read_pauses(new) == Pauses()
    assert b"SECRET" not in (new.path / "order.json").read_bytes()
    assert list(Path(new.working_directory).iterdir()) == []


@pytest.mark.parametrize("change", ["file in cwd", "hidden file in cwd", "mode of cwd", "file beside", "no cwd"])
def test_a_folder_the_command_has_touched_is_not_used_again(folders: RunFolders, change: str) -> None:
    folder = folders.create(an_order())
    use_up(folder)
    cwd = Path(folder.working_directory)
    if change == "file in cwd":
        (cwd / "scene.hip").touch()
    elif change == "hidden file in cwd":
        (cwd / ".cache").touch()
    elif change == "mode of cwd":
        cwd.chmod(0o777)
    elif change == "no cwd":
        cwd.rmdir()
    else:
        (folder.path / "stray").touch()
    folders.remove(folder)
    assert list(folders.path.iterdir()) == []


def test_the_folder_of_a_living_runner_is_not_used_again(folders: RunFolders) -> None:
    folder = folders.create(an_order())
    lock = folder.claim(ProcessId.own())
    assert lock is not None
    folders.remove(folder)
    assert list(folders.path.iterdir()) == []
    os.close(lock)


def test_a_restart_finds_the_runs_and_finishes_the_removals(folders: RunFolders) -> None:
    kept, spare, half = (folders.create(an_order()) for _ in range(3))
    folders.remove(spare)
    half.path.rename(half.path.with_name(half.run_id + ".removed"))
    again = RunFolders(folders.path)
    assert [folder.run_id for folder in again] == [kept.run_id]
    assert [path.name for path in again.path.iterdir()] == [kept.run_id]


def test_folders_nobody_may_enter_are_removed_too(folders: RunFolders) -> None:
    folder = folders.create(an_order())
    inner = Path(folder.working_directory) / "locked" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    inner.chmod(0)
    inner.parent.chmod(0o500)
    folders.remove(folder)
    assert list(folders.path.iterdir()) == []


def test_a_link_in_the_working_directory_does_not_lead_out_of_it(folders: RunFolders, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    folder = folders.create(an_order())
    (Path(folder.working_directory) / "link").symlink_to(precious)
    folders.remove(folder)
    assert (precious / "file").exists()


def test_not_every_removed_folder_is_kept(folders: RunFolders) -> None:
    for folder in [folders.create(an_order()) for _ in range(40)]:
        folders.remove(folder)
    assert 0 < len(list(folders.path.iterdir())) < 40
