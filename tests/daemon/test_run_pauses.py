from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from run_kit import an_order

from hqclient.daemon.runs.pauses import Pauses, note_pause, note_resume, read_pauses
from hqclient.daemon.runs.runfolder import RunFolder
from hqclient.daemon.runs.runfolders import RunFolders


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolders(tmp_path / "runs").create(an_order())


def pause_of(folder: RunFolder, seconds: float) -> None:
    """Write down a pause that began so long ago."""
    note_pause(folder)
    moment = read_pauses(folder).since
    assert moment is not None
    began = moment._replace(uptime_seconds=moment.uptime_seconds - seconds)
    content = Path(folder.pauses_path).read_text().replace(repr(moment.uptime_seconds), repr(began.uptime_seconds))
    Path(folder.pauses_path).write_text(content)


def test_a_run_that_never_was_paused_has_no_pauses(folder: RunFolder) -> None:
    assert read_pauses(folder) == Pauses(0.0, None)
    note_resume(folder)
    assert not Path(folder.pauses_path).exists()


def test_a_pause_is_known_from_its_begin_and_asking_again_does_not_begin_it_anew(folder: RunFolder) -> None:
    note_pause(folder)
    first = read_pauses(folder)
    assert first.since is not None
    assert first.since.age_seconds() < 60
    note_pause(RunFolder(folder.path))
    assert read_pauses(folder) == first


def test_pauses_that_are_over_add_up(folder: RunFolder) -> None:
    for seconds in (100.0, 50.0):
        pause_of(folder, seconds)
        note_resume(folder)
        assert read_pauses(folder).since is None
    assert read_pauses(folder).ended_seconds == pytest.approx(150.0, abs=10.0)


@pytest.mark.parametrize("content", ["", "[", "[1, 2]", "{}", '["RUN", "x", null]', '["RUN", 1, [1]]', '["RUN", 1, 5]'])
def test_what_cannot_be_read_is_no_pause(folder: RunFolder, content: str) -> None:
    Path(folder.pauses_path).write_text(content.replace("RUN", folder.run_id))
    assert read_pauses(folder) == Pauses()


def test_the_pause_of_a_run_that_had_the_folder_before_is_no_pause(folder: RunFolder) -> None:
    note_pause(folder)
    other = RunFolder(folder.path.with_name(secrets.token_hex(16)))
    folder.path.rename(other.path)
    assert read_pauses(other) == Pauses()


def test_a_pause_that_cannot_be_written_down_leaves_the_one_before(folder: RunFolder) -> None:
    pause_of(folder, 10.0)
    before = read_pauses(folder)
    (folder.path / "pauses.new").mkdir()
    with pytest.raises(OSError):
        note_resume(folder)
    assert read_pauses(folder) == before
