"""What the daemon tells the server about its machine, read once at start."""

from __future__ import annotations

import os
import platform
import re
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

import hqclient
import hqserver
from hqserver.domain.package import belongs, pack, version_of
from hqserver.domain.platforms import platform_name

from .host_os import boot_id

CODE_FOLDER = Path(hqclient.__file__).resolve().parent
"""Where the client's code lies; commands see it as HQCLIENT (CONTRACT 2.6)."""
_SERVER_FOLDER = Path(hqserver.__file__).resolve().parent
_VERSION = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Machine:
    """One machine as a client offers it. `cpus` are those offered, `cpu_speed` is in MHz, 0 unknown."""

    hostname: str
    platform: str
    cpus: int
    cpu_speed: int
    memory_kb: float
    boot_id: str


def read_machine(cpus: int = 0) -> Machine:
    """This machine; `cpus` are offered to jobs, 0 for all that this process may use."""
    return Machine(
        hostname=socket.gethostname() or "localhost",
        platform=platform_name(platform.system(), platform.machine()),
        cpus=cpus or usable_cpus(),
        cpu_speed=_cpu_speed(),
        memory_kb=psutil.virtual_memory().total / 1024,
        boot_id=boot_id(),
    )


def usable_cpus() -> int:
    """How many CPUs this process may use, which a container or `taskset` may have made fewer than there
    are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def code_version() -> str:
    """The client's `version`: the SHA-256 of the package that its code makes (CONTRACT 9.28).

    Code that came from the server lies in a folder of that name, and was verified when it came.
    """
    if _VERSION.fullmatch(CODE_FOLDER.parent.name):
        return CODE_FOLDER.parent.name
    files: dict[str, bytes] = {}
    for folder in (CODE_FOLDER, _SERVER_FOLDER):
        for path in folder.rglob("*"):
            name = path.relative_to(folder.parent).as_posix()
            if belongs(name):
                files[name] = path.read_bytes()
    return version_of(pack(files))


def disk_total_kb(folder: Path) -> float:
    """The size of the disk that `folder` lies on, in kB; 0 where it cannot be asked."""
    try:
        return psutil.disk_usage(str(folder)).total / 1024
    except OSError:
        return 0.0


def _cpu_speed() -> int:
    try:
        speed = psutil.cpu_freq()
    except (OSError, RuntimeError, NotImplementedError, AttributeError):
        return 0  # containers, some ARM boards and macOS on Apple's own chips do not tell
    return round(speed.max or speed.current) if speed else 0
