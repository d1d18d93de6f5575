"""What a folder's file system cannot be trusted with (PROMISES P1 and 4). Pure: what is mounted is a parameter."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MEMORY = frozenset({"tmpfs", "ramfs"})
_LAYERS = frozenset({"overlay", "aufs"})
_NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone"),
    }
)
_NO_BARRIERS = frozenset({"nobarrier", "barrier=0"})
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, of what type, and with which options."""

    point: str
    type: str
    options: frozenset[str]

    @property
    def weakness(self) -> str:
        """What must not be kept on it and why, as the end of a sentence that begins with a folder's name; "" where
        nothing is known against it."""
        if self.type in _MEMORY:
            return f"lies in memory ({self.type}): nothing in it survives a reboot"
        if self.type in _LAYERS:
            return f"lies in a layer of a container ({self.type}): it is gone when the container is"
        if self.type in _NETWORK:
            return f"lies on a network file system ({self.type}), where locks and the order of writes are not certain"
        if self.options & _NO_BARRIERS:
            return "lies on a disk that is mounted without write barriers: a power loss can take what was answered"
        return ""


def mount_of(folder: str, mountinfo: str) -> Mount | None:
    """What `folder`, an absolute path without links, lies on, by the text of Linux's /proc/self/mountinfo.

    None where that does not say, as on other systems, which have no such text.
    """
    found: Mount | None = None
    for line in mountinfo.splitlines():
        # mount id, parent, device, root, mount point, options, ... - type, source, options of the file system
        before, _, after = line.partition(" - ")
        fields, last = before.split(), after.split()
        if len(fields) < 6 or len(last) < 3:
            continue
        point = _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        # Of two at one place the later one hides the earlier.
        if inside and (found is None or len(point) >= len(found.point)):
            found = Mount(point, last[0], frozenset([*fields[5].split(","), *last[2].split(",")]))
    return found
