"""What becomes of the folders of runs that are over: removed, or put where a person finds what they hold."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hqserver.domain.crash import crash_point

from .orphans import keep_orphan
from .runs.runfolder import RunFolder
from .runs.runfolders import RunFolders

_log = logging.getLogger(__name__)


class Settlement:
    """Removes folders on a thread of its own, for that may take long."""

    def __init__(self, folders: RunFolders, orphans: Path) -> None:
        self._folders = folders
        self._orphans = orphans
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="settlement")

    def remove(self, folder: RunFolder) -> None:
        """Remove the folder of a run that is over."""
        self._thread.submit(self._remove, folder, wanted=True)

    def keep(self, folder: RunFolder) -> None:
        """Remove the folder of a run that the server did not want, but keep its log and exit record first."""
        self._thread.submit(self._remove, folder, wanted=False)

    async def close(self) -> None:
        """Finish what was begun."""
        await asyncio.to_thread(self._thread.shutdown)

    def _remove(self, folder: RunFolder, *, wanted: bool) -> None:
        try:
            if not wanted:
                _log.warning("the server did not want run %s: its log is kept in %s", folder.run_id, self._orphans)
                keep_orphan(folder, self._orphans)
            self._folders.remove(folder)
            crash_point("folder_removed")
        except OSError as problem:
            _log.warning("run %s: its folder cannot be removed: %s", folder.run_id, problem)
