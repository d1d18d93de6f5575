"""Who this installation is: its data folder, locked for one daemon, and the secret the server gave it.

A host name is only a label. Whoever holds the secret is the client (PROMISES 2.4), so it lies in a file
that only its owner can read, is sent to nobody but the server that issued it, and appears in no
environment, argument or log.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from .host_os import boot_id

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class DataFolderError(Exception):
    """The data folder cannot be used; the message is one sentence that names it."""


class DataFolder:
    """The folder of one installation's identity, outbox, runs and log. `lock` it before touching anything
    in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def outbox(self) -> Path:
        """What must survive the daemon."""
        return self.path / "outbox"

    @property
    def runs(self) -> Path:
        """One folder for each run that is not settled."""
        return self.path / "runs"

    @property
    def orphans(self) -> Path:
        """Logs and exit records of runs that the server no longer wanted."""
        return self.path / "orphans"

    @property
    def code(self) -> Path:
        """Client code that came from the server, and which of it runs."""
        return self.path / "code"

    @property
    def log(self) -> Path:
        """The daemon's own log."""
        return self.path / "hqclient.log"

    def lock(self) -> None:
        """Make the folder and lock it until `unlock` or the end of the process.

        Raises `DataFolderError` when it cannot be written or another daemon uses it.
        """
        try:
            for folder in (self.path, self.runs, self.orphans):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            reason = problem.strerror or problem
            raise DataFolderError(f"the data folder {self.path} cannot be written: {reason}") from None
        try:
            if sys.platform == "win32":
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise DataFolderError(
                f"another hqclient uses the data folder {self.path}: choose another with --name or --data"
            ) from None
        self._lock = descriptor

    def unlock(self) -> None:
        """Let another daemon have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@dataclass(frozen=True)
class Identity:
    """What a server issued at registration. `server` is the `host:port` it holds for, `client` the id
    there."""

    server: str
    client: int
    secret: str


class IdentityFile:
    """`identity.json` in the data folder, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "identity.json"

    def new_session(self) -> str:
        """A session's id: 16 hex digits that name this folder on this boot, "-", and 32 random ones.

        A copy of the folder has another name, on this machine or on another one, so that the server can tell a daemon
        that was started anew from a second one.
        """
        place = self._folder.stat()
        name = f"{boot_id()}/{place.st_dev}:{place.st_ino}"
        return f"{hashlib.sha256(name.encode()).hexdigest()[:16]}-{secrets.token_hex(16)}"

    def read(self, server: str) -> Identity | None:
        """What `server` issued earlier; None when there is nothing, it is unreadable or another server's."""
        try:
            identity = Identity(**json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return identity if identity.server == server and identity.secret else None

    def write(self, identity: Identity) -> None:
        """Replace the file in one step; it is on disk when this returns. Raises `OSError`."""
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, json.dumps(asdict(identity)).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(self._path)
