"""The folder of client code that came from the server: `code/VERSION/` in the data folder, complete or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from hqserver.domain.package import unpack, version_of

from .handover import CodeState, read_state, write_state

KEPT = 2
"""How many versions are kept, the newest ones; and those that are still used."""


class CodeStore:
    """What lies below `folder`. Whoever calls it holds the data folder's lock; it blocks, for it writes to disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def state(self) -> CodeState:
        """Which code runs, is on trial and has failed."""
        return read_state(self.folder)

    def record(self, state: CodeState) -> None:
        """Write the state down. Raises `OSError`."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        write_state(self.folder, state)

    def add(self, package: bytes) -> str:
        """Unpack a package into the folder of its version, and give that. Raises `BadPackage` and `OSError`."""
        version = version_of(package)
        files = unpack(package)
        final, fresh = self.folder / version, self.folder / "unpacking"
        shutil.rmtree(fresh, ignore_errors=True)
        if final.exists():
            if _read(final, files) == files:
                os.utime(final)
                return version
            shutil.rmtree(final)  # somebody has changed it
        folders = {fresh, *(folder for name in files for folder in (fresh / name).parents if fresh in folder.parents)}
        for folder in sorted(folders):
            folder.mkdir(mode=0o700, parents=True)
        for name, content in files.items():
            with (fresh / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for folder in folders:
            _sync(folder)
        fresh.rename(final)
        _sync(self.folder)
        return version

    def prune(self, used: Iterable[Path]) -> None:
        """Remove all versions but the newest ones and those that hold one of the paths in `used`."""
        used_paths = list(used)
        versions = [path for path in self.folder.iterdir() if path.is_dir()]
        versions.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for version in versions[KEPT:]:
            if not any(path.is_relative_to(version) for path in used_paths):
                shutil.rmtree(version, ignore_errors=True)


def _read(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The files that are there."""
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _sync(folder: Path) -> None:
    """See that the names in the folder are on disk, where the system has such a thing."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
