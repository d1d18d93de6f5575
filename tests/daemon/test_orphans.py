from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from run_kit import an_order

from hqclient.daemon.orphans import KEPT, keep_orphan
from hqclient.daemon.runs.runfolders import RunFolders


def test_log_and_record_are_kept_and_the_oldest_orphans_go(tmp_path: Path) -> None:
    orphans = tmp_path / "orphans"
    orphans.mkdir()
    for age in range(KEPT):
        old = orphans / secrets.token_hex(16)
        old.mkdir()
        os.utime(old, (1_000_000 - age, 1_000_000 - age))
    oldest = old
    folder = RunFolders(tmp_path / "runs").create(an_order(job=7))
    Path(folder.log_path).write_bytes(b"precious\n")
    keep_orphan(folder, orphans)
    assert (orphans / folder.run_id / "log").read_bytes() == b"precious\n"
    assert json.loads((orphans / folder.run_id / "exit.json").read_text())["job"] == 7
    assert len(list(orphans.iterdir())) == KEPT
    assert not oldest.exists()


def test_a_run_without_a_folder_leaves_a_note_only(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").get(secrets.token_hex(16))
    keep_orphan(folder, tmp_path)
    assert [path.name for path in (tmp_path / folder.run_id).iterdir()] == ["exit.json"]
