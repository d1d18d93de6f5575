"""What is kept of runs whose result the server did not want: the logs and how they ended, of the last
hundred."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

from .runs.runfolder import RunFolder

KEPT = 100
"""How many are kept; the oldest go first."""


def keep_orphan(folder: RunFolder, orphans: Path) -> None:
    """Put the run's logs and exit record into `orphans/RUN/`. It blocks: call it off the event loop.

    Raises `OSError` when that is not possible.
    """
    orphan = orphans / folder.run_id
    orphan.mkdir(mode=0o700, exist_ok=True)
    for log in map(Path, map(folder.path_of, folder.streams())):
        if log.exists():
            shutil.copyfile(log, orphan / log.name)
    order, record = folder.read_order(), folder.exit_record()
    known = {
        "run": folder.run_id,
        "job": order.get("job") if order else None,
        "exit": dataclasses.asdict(record) if record else None,
    }
    (orphan / "exit.json").write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    by_age = sorted(orphans.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in by_age[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
