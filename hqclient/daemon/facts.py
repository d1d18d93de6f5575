"""What the daemon says of itself when it registers (PROTOCOL.md, registerClient)."""

from __future__ import annotations

from .config import Config
from .host_os import utc_offset_minutes
from .identity import DataFolder
from .machine import Machine, disk_total_kb
from .protocol import PROTOCOL


def identity_facts(config: Config, machine: Machine, data: DataFolder, version: str) -> dict[str, object]:
    """The identity but for `session` and `runs`; `port` and `upgradeError` are filled in as they become known.

    `version` is that of the code that runs.
    """
    return {
        "protocol": PROTOCOL,
        "hostname": machine.hostname,
        "name": config.name,
        "bootId": machine.boot_id,
        "platform": machine.platform,
        "cpus": machine.cpus,
        "cpuSpeed": machine.cpu_speed,
        "memory": machine.memory_kb,
        "version": version,
        "port": 0,
        "location": str(data.path),
        "diskTotal": disk_total_kb(data.path),
        "utcOffset": utc_offset_minutes(),
        "upgradeError": "",
    }
