"""What a daemon says to the server, as PROTOCOL.md has it, of a machine that runs nothing."""

from __future__ import annotations

from typing import Any


def identity(hostname: str, session: str) -> dict[str, Any]:
    """The parameter of `registerClient`."""
    return {
        "protocol": 1,
        "hostname": hostname,
        "name": "",
        "session": session,
        "bootId": f"boot of {hostname}",
        "platform": "linux-x86_64",
        "cpus": 2,
        "cpuSpeed": 3000,
        "memory": 16_000_000.0,
        "version": "0" * 64,
        "port": 0,
        "runs": [],
    }


def beat(session: str, sequence: int, **more: Any) -> dict[str, Any]:
    """The parameter of `clientBeat`; `more` replaces or adds keys."""
    return {
        "session": session,
        "sequence": sequence,
        "load": 0.5,
        "memoryFree": 8_000_000.0,
        "diskFree": 100_000_000.0,
        "idleTime": -1,
        "utcOffset": 0,
        "spare": 0,
        "accepting": True,
        "queued": [],
        "progress": {},
        "output": [],
        "reports": [],
        **more,
    }
