"""All run folders of a daemon: made for orders, found again after a restart, removed, and used again."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .runfolder import RunFolder

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_REMOVED, _SPARE = ".removed", ".spare"
_MOST_SPARES = 32


class RunFolders:
    """The folder `runs` of a daemon's data folder. One daemon at a time may use it."""

    def __init__(self, path: Path) -> None:
        """Make the folder if need be, and finish the removals that a crash interrupted. Raises `OSError`."""
        self.path = path.absolute()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._spares: list[Path] = []
        for path in [*self.path.glob("*" + _REMOVED), *self.path.glob("*" + _SPARE)]:
            try:
                _remove_tree(path)
            except OSError:
                continue  # something in it resists: the next daemon tries again

    def __iter__(self) -> Iterator[RunFolder]:
        """Every run's folder, those of runs that ended included."""
        return (RunFolder(path) for path in sorted(self.path.iterdir()) if _RUN_ID.fullmatch(path.name))

    def get(self, run_id: str) -> RunFolder:
        """The folder of that run, whether there is one or not."""
        return RunFolder(self.path / run_id)

    def create(self, order: Mapping[str, Any]) -> RunFolder:
        """Make the folder of a start order (PROTOCOL.md; its environment complete), with room for its exit record.

        Raises `FileExistsError` when this run has a folder, `ValueError` when `order["run"]` is no run id, `OSError`
        when the disk is full; then nothing stays behind.
        """
        run_id = str(order.get("run", ""))
        if not _RUN_ID.fullmatch(run_id):
            raise ValueError(f"{run_id!r} is not a run id")
        folder = self.get(run_id)
        if self._spares and not folder.path.exists():
            self._spares.pop().rename(folder.path)
        else:
            folder.path.mkdir(mode=0o700)
        try:
            folder.prepare(order)
        except OSError:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        return folder

    def remove(self, folder: RunFolder) -> None:
        """Take a run's folder away with all its command left in it. Removing it again changes nothing.

        It may take long: call it off the event loop. Raises `OSError` when something in it resists; it is no run's
        folder any more, though, and the next daemon tries again.
        """
        doomed = RunFolder(folder.path.with_name(folder.run_id + _REMOVED))
        try:
            folder.path.rename(doomed.path)
        except FileNotFoundError:
            return
        if len(self._spares) < _MOST_SPARES and doomed.recycle():
            spare = doomed.path.with_suffix(_SPARE)
            doomed.path.rename(spare)
            self._spares.append(spare)
        else:
            _remove_tree(doomed.path)


def _remove_tree(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except PermissionError:
        # A command may leave folders that nobody can enter, not even their owner.
        for folder, names, _ in os.walk(path):
            for name in names:
                inner = Path(folder, name)
                if not inner.is_symlink():
                    inner.chmod(0o700)
        shutil.rmtree(path)
