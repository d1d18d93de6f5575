"""What operating systems do differently: clocks, boot ids, process identity, file locks, orphaned processes.

Everything that only Linux has sits here, with what the other systems offer in its place.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import psutil

from hqserver.domain.filesystem import mount_of

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LINUX = sys.platform.startswith("linux")
WINDOWS = sys.platform == "win32"

_PR_SET_CHILD_SUBREAPER = 36


@cache
def boot_id() -> str:
    """An id of the machine's present boot, "" where there is none. A new one proves older runs dead."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if LINUX:
            return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        if sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return ""


def uptime_seconds() -> float:
    """Seconds on a clock that nobody sets. All processes of a boot share it; the machine's sleep counts."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


class Moment(NamedTuple):
    """A point in time that can be read back after a restart of the daemon, or of the machine."""

    boot_id: str
    uptime_seconds: float
    wall_at: float

    @classmethod
    def now(cls) -> Moment:
        """The present moment on this machine."""
        return cls(boot_id(), uptime_seconds(), time.time())

    def age_seconds(self) -> float:
        """How long ago it was, never negative. A step of the wall clock counts only across a boot."""
        if self.boot_id == boot_id() and self.uptime_seconds <= uptime_seconds():
            return uptime_seconds() - self.uptime_seconds
        return max(0.0, time.time() - self.wall_at)


def weakness(folder: Path) -> str:
    """Why what lies in the folder is not safe there, as the end of a sentence that begins with its name; "" where
    nothing is known against it."""
    try:
        mounted = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
    except OSError:
        return ""  # only Linux has it
    mount = mount_of(str(folder.resolve()), mounted)
    return "" if mount is None else mount.weakness


def survivors_without_groups() -> str:
    """Which processes of a run survive a kill where it has no control group of its own (PROMISES 5)."""
    found = "a process that clears its environment and leaves its session"
    if LINUX:  # runners adopt orphans
        found += " and outlives its runner"
    return f"{found} can survive a kill"


def utc_offset_minutes() -> int:
    """Minutes east of UTC of this machine's zone now."""
    return time.localtime().tm_gmtoff // 60


def process_start(pid: int) -> str | None:
    """A text that names when process `pid` started, None when there is no such process.

    Pid and start together are an identity: a process that was given the same pid later has another start.
    """
    if LINUX:
        try:
            with Path(f"/proc/{pid}/stat").open("rb", buffering=0) as file:
                stat = file.read()
        except OSError:
            return None
        # The program's name may hold spaces and brackets: the fields after it are counted from its last bracket.
        return f"{boot_id()}/{stat[stat.rindex(b')') + 2 :].split()[19].decode('ascii')}"
    try:
        return f"{boot_id()}/{psutil.Process(pid).create_time():.3f}"
    except psutil.Error:
        return None


def environment(pid: int) -> bytes:
    """The environment that the process was started with, `NAME=value` and NUL by turns; b"" where we may not read it.

    Raises `ProcessLookupError` when there is no such process.
    """
    try:
        if LINUX:
            with Path(f"/proc/{pid}/environ").open("rb", buffering=0) as file:
                return file.read()
        known = psutil.Process(pid).environ()
    except (FileNotFoundError, psutil.NoSuchProcess):
        raise ProcessLookupError(pid) from None
    except ProcessLookupError:
        raise
    except (OSError, psutil.Error):
        return b""
    return b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in known.items())


def buried(pid: int) -> int:
    """A number that grows whenever a child of the process has ended and been waited for; 0 where it is not counted."""
    if not LINUX:
        return 0
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(stat[stat.rindex(b")") + 2 :].split()[8])  # page faults of its children: each has had some


def adopt_orphans() -> bool:
    """Make this process the parent of every descendant that loses its own. False where the system cannot."""
    if not LINUX:
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


if sys.platform == "win32":
    _LOCKED_BYTE = 1 << 30  # beyond all content: what is locked on Windows cannot be read

    def lock(descriptor: int, *, wait: bool) -> bool:
        """Lock an open file for this process until it is closed. False when another has it and we do not `wait`."""
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
                time.sleep(0.01)
            else:
                return True

    def is_locked(descriptor: int) -> bool:
        """Whether another living process holds the file's lock."""
        if not lock(descriptor, wait=False):
            return True
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        return False

else:

    def lock(descriptor: int, *, wait: bool) -> bool:
        """Lock an open file for this process until it is closed. False when another has it and we do not `wait`."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def is_locked(descriptor: int) -> bool:
        """Whether another living process holds the file's lock."""
        try:
            # Shared, so that two who look at once do not take each other for the holder.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False


def preallocate(descriptor: int, size: int) -> None:
    """Take `size` bytes of disk for the file now, so that writing them later cannot meet a full disk.

    Raises `OSError` when the room is not there.
    """
    if sys.platform == "linux":
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.write(descriptor, bytes(size))
        os.lseek(descriptor, 0, os.SEEK_SET)


def memory_kb(maxrss: int) -> int:
    """`ru_maxrss` in kB: macOS counts it in bytes."""
    return maxrss // 1024 if sys.platform == "darwin" else maxrss
