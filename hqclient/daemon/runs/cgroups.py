"""A control group for each run (Linux, cgroup v2): nothing that a command does gets out of it.

It is that of the run's runner, which carries out one run at a time and leaves nothing of it behind. While the runner
lives it needs no group to find its whole tree, for it is the parent of all orphans. When it is dead, or deaf, one write
to `cgroup.kill` ends it and all of its run at once, forks under way included, and also a process that has cleared its
environment and left its session (PROMISES 5). A group for each runner costs half a millisecond when that is forked; one
for the command alone would cost three times what all the rest of a short run does.

Only a user who may write to control groups can move a process out; such a one is still found by its other marks
(`process_tree`). The groups lie below the daemon's own, where it may make some: because it is root, or because its part
of the hierarchy was delegated to it (`Delegate=yes` in a systemd unit).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path

_MOUNTS, _OWN = Path("/proc/self/mountinfo"), Path("/proc/self/cgroup")
_PARENT = "hqclient"
_LONGEST_PATH = 1000
_PAUSE_SECONDS = 0.002
_FRESH_SECONDS = 60.0


class CgroupError(Exception):
    """There can be no control group; the message is half a sentence that says why."""

    @classmethod
    def because(cls, problem: OSError) -> CgroupError:
        """The same, from what the operating system said."""
        return cls(f"{problem.filename}: {problem.strerror}")


class Cgroup:
    """A control group; `path` is its folder. It need not be there: then nobody is in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Make it, unless it is there. Raises `OSError`."""
        self.path.mkdir(mode=0o755, parents=True, exist_ok=True)

    def enter(self) -> None:
        """Move this process, of a single thread, into it; its children are born there. Raises `OSError`."""
        (self.path / "cgroup.procs").write_text("0", "ascii")

    def pids(self) -> list[int]:
        """Who is in it, or in a group below it."""
        found: list[int] = []
        for folder, _, _ in os.walk(self.path):
            with contextlib.suppress(OSError):
                found += [int(line) for line in Path(folder, "cgroup.procs").read_text("ascii").split()]
        return found

    def kill(self) -> None:
        """SIGKILL to everybody in it and below it, at one stroke."""
        with contextlib.suppress(OSError):
            (self.path / "cgroup.kill").write_text("1", "ascii")

    def kill_until_gone(self, patience_seconds: float) -> tuple[int, list[int]]:
        """Kill everybody and remove the group. It blocks.

        Returns how many were found, and the pids of those that were still there when patience ended.
        """
        found = self.pids()
        deadline = time.monotonic() + patience_seconds
        while not self.remove():
            self.kill()
            if time.monotonic() > deadline:
                return len(found), self.pids()
            time.sleep(_PAUSE_SECONDS)
        return len(found), []

    def remove(self) -> bool:
        """Remove it and what a command has made below it; False when somebody is still in it."""
        with contextlib.suppress(OSError):
            self.path.rmdir()
            return True
        for folder, _, _ in os.walk(self.path, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
        return not self.path.exists()


def new_group(parent: Path) -> Cgroup:
    """A new group below `parent`, made and empty. Raises `OSError`."""
    group = Cgroup(parent / secrets.token_hex(8))
    group.make()
    return group


def sweep(parent: Path) -> None:
    """Remove the groups below `parent` in which nobody is; runners that outlived their launcher leave them.

    Not those of the last minute: another daemon may have made one that its runner is about to enter.
    """
    with contextlib.suppress(OSError):
        for path in parent.iterdir():
            with contextlib.suppress(OSError):
                if path.is_dir() and time.time() - path.stat().st_mtime > _FRESH_SECONDS:
                    path.rmdir()


def parent_of_groups(mounts: Path = _MOUNTS, own: Path = _OWN) -> Path:
    """The folder below which runners would get their control groups. Raises `CgroupError`.

    It lies in our own group of version 2, be that mounted alone or, on a hybrid machine, beside version 1.
    """
    try:
        lines = mounts.read_text("utf-8").splitlines()
        paths = [line[3:] for line in own.read_text("utf-8").splitlines() if line.startswith("0::")]
    except OSError as problem:
        raise CgroupError.because(problem) from None
    for line in lines:
        # mount id, parent, device, root, mount point, options, ... - type, source, options
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 ") and paths:
            root, point = before.split()[3:5]
            below = paths[0].removeprefix(root.rstrip("/")).strip("/")
            parent = Path(point.replace("\\040", " "), below, _PARENT)
            if len(os.fspath(parent)) > _LONGEST_PATH:
                raise CgroupError("the path of the daemon's own control group is too long")
            return parent
    raise CgroupError("version 2 is not mounted")
