"""What HQueue calls the platforms, and how its names come from an operating system's own."""

from __future__ import annotations

PLATFORM_KEYS = ("linux", "windows", "macosx")
"""Keys of a per-platform command (CONTRACT 2.3) and of `getHQRoot` (1.2)."""

_SYSTEMS = {"linux": "linux", "windows": "windows", "darwin": "macosx"}
_MACHINES = {"amd64": "x86_64", "x64": "x86_64", "i386": "i686", "i586": "i686", "aarch64": "arm64"}


def platform_name(system: str, machine: str) -> str:
    """HQueue's platform text, e.g. `linux-x86_64`, `macosx-arm64` (CONTRACT 2.6, `HQCLIENTARCH`).

    `system` and `machine` are what Python's `platform.system()` and `platform.machine()` say.
    """
    key = _SYSTEMS.get(system.lower(), system.lower() or "unknown")
    return f"{key}-{_MACHINES.get(machine.lower(), machine.lower() or 'unknown')}"


def platform_key(platform: str) -> str:
    """The key under which a per-platform command for this client stands: `linux-x86_64` -> `linux`."""
    key = platform.split("-", 1)[0].lower()
    return "macosx" if key in ("macos", "darwin") else key
