"""What the daemon tells the server about its machine, read once at start."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

import hqclient
import hqserver.domain
from hqserver.domain.platforms import platform_name

from .host_os import boot_id

CODE_FOLDER = Path(hqclient.__file__).resolve().parent
"""Where the client's code lies; commands see it as HQCLIENT (CONTRACT 2.6)."""


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
    """The client's `version`: SHA-256 over the names and contents of the modules it is made of."""
    digest = hashlib.sha256()
    for folder in (CODE_FOLDER, Path(hqserver.domain.__file__).resolve().parent):
        for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}".encode()
            content = path.read_bytes()
            digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)
    return digest.hexdigest()


def _cpu_speed() -> int:
    try:
        speed = psutil.cpu_freq()
    except (OSError, RuntimeError, NotImplementedError, AttributeError):
        return 0  # containers, some ARM boards and macOS on Apple's own chips do not tell
    return round(speed.max or speed.current) if speed else 0
