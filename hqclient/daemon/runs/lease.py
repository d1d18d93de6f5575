"""A strict lease: until when a run may live without another word from the server (CONTRACT 9.10, PROMISES 2.2).

The daemon writes the end of the lease into the run's folder, the runner reads it there: it needs no daemon to keep the
promise. All times are those of `host_os.uptime_seconds`, which counts the machine's sleep and which nobody sets.
"""

from __future__ import annotations

import os
import zlib

from .. import host_os
from .runfolder import RunFolder

_LONGEST_MARGIN_SECONDS = 5.0


def margin_seconds(lease_seconds: float) -> float:
    """How long before the end of its lease a run is ended: the time that the end itself may take beyond `killGrace`,
    and that the clocks of client and server may drift apart. A quarter of the lease, at most 5 s, but a thousandth."""
    return max(min(_LONGEST_MARGIN_SECONDS, lease_seconds / 4), lease_seconds / 1000)


def write_lease(folder: RunFolder, ends_at: float) -> None:
    """The run's lease ends then (uptime in seconds). Raises `OSError`."""
    text = f"{folder.run_id} {host_os.boot_id() or '-'} {ends_at:020.6f}".encode("ascii")
    descriptor = os.open(folder.lease_path, os.O_CREAT | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
    try:
        # In place and always as long: it takes room on the disk only once. The checksum tells half a text.
        os.write(descriptor, b"%s %08x\n" % (text, zlib.crc32(text)))
    finally:
        os.close(descriptor)


def read_lease(folder: RunFolder) -> float | None:
    """When the run's lease ends (uptime in seconds); None when that cannot be read at this moment, or never was
    written."""
    try:
        with open(folder.lease_path, "rb", buffering=0) as file:  # noqa: PTH123  # read every second
            text, _, checksum = file.read().rstrip(b"\n").rpartition(b" ")
        if int(checksum, 16) != zlib.crc32(text):
            return None
        run_id, boot_id, ends_at = text.decode("ascii").split(" ")
        if run_id != folder.run_id or boot_id != (host_os.boot_id() or "-"):
            return None
        return float(ends_at)
    except (OSError, ValueError):
        return None
